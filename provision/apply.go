// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/lease"
	"github.com/nicwright/nicwright/provision/report"
)

// NotConvergedError says that the steps were done without an error and the host
// is still not as wanted.
type NotConvergedError struct{ Left []step.Step }

func (e *NotConvergedError) Error() string {
	var b strings.Builder
	b.WriteString("every step was done, and yet the host is not as wanted: something else changes it, or the driver does not keep what it is told")
	for _, s := range e.Left {
		fmt.Fprintf(&b, "\n  still: %s", s)
	}
	return b.String()
}

// Do does the steps of a plan that was just made, under the lock, tells progress
// of each, looks at the host again and fails with a *NotConvergedError if steps
// are left. A plan without steps writes nothing to the kernel or OVSDB, and nothing
// to the journal if that has it already. Whatever interrupts it, the next
// operation goes on. ctx ends acts under way; stop ends it at a step's end.
func (r *Road) Do(ctx, stop context.Context, plan *Plan, progress func(report.Done)) error {
	if len(plan.Steps) == 0 && r.recorded(plan.op) {
		return nil
	}
	if err := settleV1(r.Journal, r.ops); err != nil {
		return err
	}
	if err := r.Journal.Begin(plan.op, r.ops); err != nil {
		return err
	}
	var done []report.Done
	err := r.do(ctx, stop, plan, func(d report.Done) {
		done = append(done, d)
		progress(d)
	})
	plan.op.Seconds = report.PhaseSeconds(done)
	var hint error
	if err != nil && len(plan.Steps) > 0 {
		hint = errors.New("The host is between two states: " + goOnHint(plan.Kind))
	}
	if endErr := r.Journal.End(plan.op, err, r.ops); endErr != nil {
		if err == nil {
			hint = errors.New("All of it was done, and the journal does not say so: " + goOnHint(plan.Kind))
		}
		return errors.Join(err, endErr, hint)
	}
	if err != nil {
		return errors.Join(err, hint)
	}
	return r.Journal.Prune(time.Now())
}

func goOnHint(kind journal.Kind) string {
	if kind == journal.Apply {
		return "run apply again to go on, or `nicwright rollback` to go back"
	}
	return "run `nicwright rollback` again to go on"
}

func (r *Road) do(ctx, stop context.Context, plan *Plan, progress func(report.Done)) error {
	if len(plan.Steps) == 0 {
		return nil
	}
	if err := r.act(ctx, stop, plan.Steps, plan.filled, progress); err != nil {
		return err
	}
	have, _, err := Observe(ctx)
	if err != nil {
		return fmt.Errorf("looking at the host after the last step: %w", err)
	}
	left, _, err := steps(have, lease.Over(plan.Want, plan.leases), plan.before, plan.opt)
	if err != nil {
		return fmt.Errorf("looking at the host after the last step: %w", err)
	}
	left.Steps = slices.DeleteFunc(left.Steps, func(s step.Step) bool { return plan.leaves(s.Resource) })
	if len(left.Steps) > 0 {
		return &NotConvergedError{Left: left.Steps}
	}
	return nil
}

// act does steps, by the domains' doers.
func (r *Road) act(ctx, stop context.Context, all []step.Step, filled *profiles.Want, progress func(report.Done)) error {
	if r.does != nil {
		return r.does(all)
	}
	doers := map[string]step.Doer{}
	for _, d := range domains() {
		doers[d.name()] = d.doer(&r.Have, filled)
	}
	err := runner{doers: doers, progress: progress, stop: stop}.run(ctx, all)
	for _, d := range doers {
		if c, ok := d.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// recorded tells whether the journal has an operation that ended, and needs no
// other for one without steps.
func (r *Road) recorded(op *journal.Operation) bool {
	if op.Kind != journal.Apply || len(op.Resumes) > 0 || op.ID != "" {
		return false
	}
	mine := journal.InForce(r.ops, op.Profile.Name)
	return len(mine) > 0 && mine[len(mine)-1].Profile.Hash == op.Profile.Hash
}

// AppliedWant is what the last apply in force wanted, of one profile or of any for "".
func AppliedWant(dir journal.Dir, profile string) (*profiles.Want, error) {
	ops, err := readJournal(dir)
	if err != nil {
		return nil, err
	}
	all := journal.InForce(ops, profile)
	if len(all) == 0 {
		return nil, fmt.Errorf("no profile has been applied here, says the journal %s: name one with -p, or apply one", dir)
	}
	last := all[len(all)-1]
	w, err := wantOf(last.Want)
	if err != nil {
		return nil, fmt.Errorf("operation %s of the journal: %w", last.ID, err)
	}
	return w, nil
}
