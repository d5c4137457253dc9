// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nicwright/nicwright/provision/journal"
)

// Choose is the operation that is to be confirmed: the one named by its ID or the
// beginning of it, or the only one that waits. The error says why there is none.
func Choose(ops []*journal.Operation, id string, now time.Time) (*journal.Operation, error) {
	waiting := journal.Waiting(ops)
	var op *journal.Operation
	switch {
	case id != "":
		if op = journal.Find(ops, id); op == nil {
			return nil, fmt.Errorf("the journal has no operation %q, or several: `nicwright history` lists them", id)
		}
	case len(waiting) > 1:
		ids := make([]string, len(waiting))
		for i, o := range waiting {
			ids[i] = o.ID
		}
		return nil, fmt.Errorf("several operations wait to be confirmed: say which: %s", strings.Join(ids, ", "))
	case len(waiting) == 1:
		op = waiting[0]
	default:
		if op = lastWith(ops); op == nil {
			return nil, errors.New("there is nothing to confirm: no apply was begun with --confirm")
		}
	}
	return op, confirmable(op, now)
}

// lastWith is the last that was to be confirmed, or nil: what became of it is what
// the operator wants to know.
func lastWith(ops []*journal.Operation) (last *journal.Operation) {
	for _, o := range ops {
		if o.Confirm != nil {
			last = o
		}
	}
	return last
}

func confirmable(o *journal.Operation, now time.Time) error {
	nothing := "there is nothing to confirm: operation " + o.ID
	switch {
	case o.Confirm == nil:
		return fmt.Errorf("%s (%s of %s) was begun without --confirm", nothing, o.Kind, o.Profile.Name)
	case o.UndoneBy != "":
		return fmt.Errorf("it is too late: operation %s was taken back by %s: apply again", o.ID, o.UndoneBy)
	case o.Outcome == journal.Superseded:
		return fmt.Errorf("%s was interrupted, and another went on from it or went back: see `nicwright history`", nothing)
	case o.Confirm.Confirmed != nil:
		return fmt.Errorf("%s was confirmed at %s", nothing, When(*o.Confirm.Confirmed))
	case o.Confirm.Over(now):
		return fmt.Errorf("it is too late: operation %s was to be confirmed by %s, and goes back: apply again", o.ID, When(*o.Confirm.Deadline))
	case o.Open():
		return fmt.Errorf("operation %s cannot be confirmed: it did not come to its end: go on with `nicwright apply -p %s --confirm %s`, or back with `nicwright rollback`",
			o.ID, o.Profile.Name, o.Confirm.Within.Duration())
	}
	return nil
}

// When is a time as people read it.
func When(t time.Time) string { return t.Local().Format(time.DateTime) }

// Refuse is why an apply that confirms asks for (0: it does not) is not begun over
// what waits, or nil. One that was interrupted is gone on with, by an apply that is
// to be confirmed itself: else going on would be the way round the confirmation.
// mayGoOn tells of one that came to its end that the plan of the apply decides.
func Refuse(ops []*journal.Operation, confirms time.Duration, mayGoOn func(*journal.Operation) bool) error {
	for _, o := range journal.Waiting(ops) {
		if !o.Open() && !mayGoOn(o) {
			return Waits(o)
		}
		if o.Open() && confirms == 0 {
			return fmt.Errorf("operation %s (apply of %s) was interrupted, and goes back by itself%s: go on with apply --confirm %s, or go back now with `nicwright rollback`",
				o.ID, o.Profile.Name, until(o), o.Confirm.Within.Duration())
		}
	}
	return nil
}

// Waits is why no other apply is begun while an operation waits.
func Waits(o *journal.Operation) error {
	return fmt.Errorf("operation %s (apply of %s) waits to be confirmed%s: keep it with `nicwright confirm`, or go back with `nicwright rollback`",
		o.ID, o.Profile.Name, until(o))
}

func until(o *journal.Operation) string {
	if o.Confirm.Deadline == nil {
		return ""
	}
	if o.Open() {
		return " at " + When(*o.Confirm.Deadline)
	}
	return " until " + When(*o.Confirm.Deadline)
}
