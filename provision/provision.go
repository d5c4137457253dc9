// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

// doers are the domains, by the name their steps carry.
func doers() map[string]step.Doer {
	return map[string]step.Doer{
		"eswitch": eswitch.Doer{},
		"bond":    bond.Doer{},
		"ovs":     ovs.Doer{},
		"crypto":  crypto.Doer{},
	}
}

// PlanHost observes the host and plans from there to want, an unfinished
// apply's checkpoint in state included.
func PlanHost(ctx context.Context, state StateDir, want func(Host) (*profiles.Want, error)) (*Plan, Host, error) {
	have, err := Observe(ctx)
	if err != nil {
		return nil, have, err
	}
	w, err := want(have)
	if err != nil {
		return nil, have, err
	}
	unfinished, err := state.Unfinished()
	if err != nil {
		return nil, have, err
	}
	var before *Host
	if unfinished != nil {
		before = &unfinished.Host
	}
	plan, err := NewPlan(have, w, before)
	return plan, have, err
}

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

// Apply does the steps of a plan just made by PlanHost under the lock, tells
// progress of each, looks at the host again and fails with a
// *NotConvergedError if steps are left. A plan without steps writes nothing to
// the kernel or OVSDB. Whatever interrupts it, the next Apply goes on.
func Apply(ctx context.Context, state StateDir, plan *Plan, have Host, progress func(Done)) error {
	if len(plan.Steps) > 0 {
		if err := state.Begin(plan.Want.Profile, have); err != nil {
			return err
		}
		if err := run(ctx, plan.Steps, doers(), progress); err != nil {
			return fmt.Errorf("%w\nThe host is between two states: run apply again to go on, or `nicwright rollback` to go back", err)
		}
		left, _, err := PlanHost(ctx, state, func(Host) (*profiles.Want, error) { return plan.Want, nil })
		if err != nil {
			return fmt.Errorf("looking at the host after the last step: %w", err)
		}
		if len(left.Steps) > 0 {
			return &NotConvergedError{Left: left.Steps}
		}
	}
	return state.End(plan.Want)
}

// ApplySaved makes plan anew from the host as it is and returns it, or a
// *StalePlanError if it differs from the saved one.
func ApplySaved(ctx context.Context, state StateDir, saved *Plan) (*Plan, Host, error) {
	now, have, err := PlanHost(ctx, state, func(Host) (*profiles.Want, error) { return saved.Want, nil })
	if err != nil {
		return nil, have, err
	}
	return now, have, saved.holds(now)
}

// RollbackWant is what brings the host back to where it was before an unfinished
// apply, or else before the last one that ended.
func RollbackWant(state StateDir) (*profiles.Want, *Checkpoint, error) {
	c, err := state.Unfinished()
	if err == nil && c == nil {
		c, err = state.Previous()
	}
	if err != nil {
		return nil, nil, err
	}
	if c == nil {
		return nil, nil, fmt.Errorf("there is nothing to roll back to: %s holds no checkpoint, for nicwright has applied nothing here", state)
	}
	return c.Host.want("rollback of " + c.Profile), c, nil
}
