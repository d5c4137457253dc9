// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision/journal"
)

var now = time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)

// operation is one with an ID that ends in n.
func operation(n string, outcome journal.Outcome, deadline time.Duration, also ...func(*journal.Operation)) *journal.Operation {
	at := now.Add(deadline)
	o := &journal.Operation{
		ID: "2026-" + n, Kind: journal.Apply, Profile: journal.Profile{Name: "rack7"}, Outcome: outcome,
		Confirm: &journal.Confirm{Within: journal.Seconds(2 * time.Minute), Deadline: &at},
	}
	for _, f := range also {
		f(o)
	}
	return o
}

func undone(o *journal.Operation)    { o.UndoneBy = "2026-rollback" }
func confirmed(o *journal.Operation) { o.Confirm.Confirmed = &now }
func without(o *journal.Operation)   { o.Confirm = nil }
func running(o *journal.Operation)   { o.Confirm.Deadline = nil }

func TestChoose(t *testing.T) {
	waits := operation("a", journal.Done, time.Minute)
	for name, c := range map[string]struct {
		ops  []*journal.Operation
		id   string
		want string   // its ID
		says []string // of the refusal
	}{
		"the one that waits":     {ops: []*journal.Operation{operation("0", journal.Done, 0, without), waits}, want: "2026-a"},
		"by the beginning":       {ops: []*journal.Operation{waits, operation("b", journal.Done, time.Minute)}, id: "2026-a", want: "2026-a"},
		"no operation":           {says: []string{"nothing to confirm"}},
		"none with confirm":      {ops: []*journal.Operation{operation("a", journal.Done, 0, without)}, says: []string{"nothing to confirm", "--confirm"}},
		"that is without":        {ops: []*journal.Operation{operation("0", journal.Done, 0, without), waits}, id: "2026-0", says: []string{"2026-0", "without --confirm"}},
		"no such":                {ops: []*journal.Operation{waits}, id: "2027", says: []string{`no operation "2027"`, "nicwright history"}},
		"several":                {ops: []*journal.Operation{waits, operation("b", journal.Done, time.Minute)}, says: []string{"say which", "2026-a, 2026-b"}},
		"the time is over":       {ops: []*journal.Operation{operation("a", journal.Done, 0)}, says: []string{"too late", "2026-a", "goes back"}},
		"it was taken back":      {ops: []*journal.Operation{operation("a", journal.Done, 0, undone)}, says: []string{"too late", "taken back by 2026-rollback"}},
		"it was confirmed":       {ops: []*journal.Operation{operation("a", journal.Done, 0, confirmed)}, says: []string{"nothing to confirm", "was confirmed at"}},
		"it failed":              {ops: []*journal.Operation{operation("a", journal.Failed, time.Minute)}, says: []string{"cannot be confirmed", "apply -p rack7 --confirm 2m0s", "rollback"}},
		"it was interrupted":     {ops: []*journal.Operation{operation("a", "", 0, running)}, says: []string{"cannot be confirmed"}},
		"another went on":        {ops: []*journal.Operation{operation("a", journal.Superseded, 0)}, says: []string{"nothing to confirm", "another went on"}},
		"the last is taken back": {ops: []*journal.Operation{operation("a", journal.Done, 0, confirmed), operation("b", journal.Done, 0, undone)}, says: []string{"2026-b"}},
	} {
		o, err := Choose(c.ops, c.id, now)
		if c.says == nil {
			if err != nil || o.ID != c.want {
				t.Errorf("%s: %v, %v", name, o, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: it is %s", name, o.ID)
			continue
		}
		for _, w := range c.says {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
}

// What came to its end is left to the plan where that may go on with it; what was interrupted is not.
func TestRefuseLeavesToThePlanWhatMayGoOn(t *testing.T) {
	for outcome, refused := range map[journal.Outcome]bool{journal.Done: false, journal.Failed: true} {
		err := Refuse([]*journal.Operation{operation("a", outcome, time.Minute)}, 0, func(o *journal.Operation) bool { return o.ID == "2026-a" })
		if (err != nil) != refused {
			t.Errorf("%s: %v", outcome, err)
		}
	}
}

func TestRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		o        *journal.Operation
		confirms time.Duration
		says     []string
	}{
		"in force":                        {operation("a", journal.Done, time.Minute), 0, []string{"waits to be confirmed until", "nicwright confirm", "nicwright rollback"}},
		"in force, and one to confirm":    {operation("a", journal.Done, time.Minute), time.Minute, []string{"waits to be confirmed"}},
		"interrupted":                     {operation("a", "", 0, running), 0, []string{"goes back by itself", "apply --confirm 2m0s", "nicwright rollback"}},
		"failed":                          {operation("a", journal.Failed, time.Minute), 0, []string{"goes back by itself at"}},
		"interrupted, and one to confirm": {operation("a", "", 0, running), time.Minute, nil},
		"confirmed":                       {operation("a", journal.Done, time.Minute, confirmed), 0, nil},
		"without":                         {operation("a", journal.Failed, 0, without), 0, nil},
	} {
		err := Refuse([]*journal.Operation{c.o}, c.confirms, func(*journal.Operation) bool { return false })
		if (err == nil) != (c.says == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range c.says {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
}
