// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nicwright/nicwright/provision/confirm"
	"github.com/nicwright/nicwright/provision/journal"
)

// heed is called before an operation is planned. An apply goes back first from what
// was not confirmed in time, and is not begun over what still waits.
//
// What a boot cut off in the middle goes back at once: nobody can confirm it, and who
// goes on with it says --confirm. What had come to its end before the boot is gone on
// with, if the apply wants the same: see carry.
func (a *app) heed(ctx context.Context, verb string, w way, ops []*journal.Operation, boot string) error {
	if verb == "apply" {
		for _, o := range journal.Waiting(ops) {
			if o.Confirm.Over(time.Now()) || w.within == 0 && o.Open() && o.Boot != boot {
				return a.goBackFirst(ctx, o, ops)
			}
		}
	}
	if err := a.armAgain(ctx, ops); err != nil {
		return err
	}
	if verb != "apply" {
		return nil
	}
	return confirm.Refuse(ops, w.within, func(o *journal.Operation) bool { return w.atBoot || o.Boot != boot })
}

// carry is called of an apply that was planned, over what heed let pass: it gives how
// that is to be confirmed, or why it is not begun. partly tells that op wants less than
// its profile, and so not what the whole of it wanted.
func (w way) carry(ops []*journal.Operation, op journal.Operation, partly bool, now time.Time) (way, error) {
	if w.atBoot {
		if o := journal.Unconfirmed(ops, op.Profile.Name); o != nil && (o.Profile.Hash == op.Profile.Hash || partly) {
			return w, exitStatus{exitBack, fmt.Errorf(
				"operation %s (apply of %s) was not confirmed, and was taken back: it is not applied again by itself: nicwright apply, or nicwright uninstall", o.ID, o.Profile.Name)}
		}
	}
	for _, o := range journal.Waiting(ops) {
		switch {
		case o.Open(): // heed has decided
		case slices.Contains(op.Resumes, o.ID):
			if w.within > 0 {
				continue
			}
			// A boot took away what waits, this brings it back: the rest of the time is for that. The
			// network comes up meanwhile, so that a probe counts at the end of it only.
			w.within = leastWithin
			if o.Confirm.Deadline != nil {
				w.within = max(w.within, o.Confirm.Deadline.Sub(now))
			}
			w.targets, w.lost, w.take = o.Confirm.Probe, w.within, o.Confirm.Take
		case w.atBoot && o.Profile.Name == op.Profile.Name && o.Profile.Hash == op.Profile.Hash:
			// It brings back what something took of it since, and goes back with it.
		default:
			return w, confirm.Waits(o)
		}
	}
	return w, nil
}

func (a *app) goBackFirst(ctx context.Context, o *journal.Operation, ops []*journal.Operation) error {
	what := fmt.Sprintf("operation %s (apply of %s) was cut off by a boot, and was not confirmed", o.ID, o.Profile.Name)
	if o.Confirm.Deadline != nil {
		what = fmt.Sprintf("operation %s (apply of %s) was to be confirmed by %s, and was not", o.ID, o.Profile.Name, confirm.When(*o.Confirm.Deadline))
	}
	// The last first: one that was cut off as it went on with another leaves that one waiting.
	for _, waits := range slices.Backward(journal.Waiting(ops)) {
		if waits.Profile.Name != o.Profile.Name {
			continue
		}
		if err := a.takeBack(ctx, waits.ID, func(string) {}); err != nil {
			return errors.Join(fmt.Errorf("%s; taking it back: %w", what, err), a.armAgain(ctx, ops))
		}
	}
	return exitStatus{exitBack, fmt.Errorf("%s: this host was taken back to what was before it, and nothing was applied: apply again", what)}
}
