// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/confirm"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
)

func newConfirm(a *app) *cobra.Command {
	var watch bool
	var armedFD int
	c := &cobra.Command{
		Use:   "confirm [OPERATION]",
		Short: "Keep what an apply with --confirm did",
		Long: `confirm says that this host is still reached: what apply --confirm did stays.
Without it, in time, a watchdog takes it back.`,
		Example: "  nicwright apply -p vm-host --confirm 2m\n  nicwright confirm                 (from a new ssh session: then it is known that there is a way in)",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if watch {
				return a.watch(cmd.Context(), armedFD)
			}
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return a.confirm(cmd.Context(), id)
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "be the watchdog")
	c.Flags().IntVar(&armedFD, "armed-fd", -1, "say on this open file that the watchdog is armed")
	c.Flags().VisitAll(func(f *pflag.Flag) { f.Hidden = true }) // they are between apply and its watchdog
	return c
}

func (a *app) confirm(ctx context.Context, id string) (err error) {
	if err := needRoot("confirm"); err != nil {
		return err
	}
	lock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	ops, err := provision.History(a.state())
	if err != nil {
		return err
	}
	now := time.Now()
	o, err := confirm.Choose(ops, id, now)
	if err != nil {
		return errors.Join(err, a.armAgain(ctx, ops))
	}
	if err := a.state().SetConfirmed(o, now); err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(entryOf(o))
	}
	_, err = fmt.Fprintf(a.out, "operation %s (apply of %s) stays\n", o.ID, o.Profile.Name)
	return err
}

// lockWait is how long a verb waits for the lock if --wait does not say: a watchdog takes it for moments.
const lockWait = 2 * time.Second

// lock takes the writer's lock.
func (a *app) lock(ctx context.Context) (*provision.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, a.settings.GetDuration("wait"))
	defer cancel()
	return provision.WaitLock(ctx, a.settings.GetString("run-dir"), os.Args)
}

// Times of a watchdog.
const (
	armLimit   = 30 * time.Second // to be armed; a host that is busy took 7 s to start the unit
	retryAfter = 5 * time.Second  // a rollback that failed
	probeEvery = time.Second
)

// watch is the watchdog.
func (a *app) watch(ctx context.Context, armedFD int) (err error) {
	if err := needRoot("confirm"); err != nil {
		return err
	}
	run := a.settings.GetString("run-dir")
	armed := func() error {
		if armedFD >= 0 {
			return confirm.SayArmed(armedFD)
		}
		return confirm.SayReady()
	}
	if err := os.MkdirAll(run, 0o700); err != nil {
		return fmt.Errorf("making the watchdog's directory: %w", err)
	}
	tell, closeLog, err := confirm.Log(run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	w := &confirm.Watch{
		Journal: a.state(), RunDir: run, Args: os.Args, Armed: armed, Try: confirm.Try, Tell: tell, Retry: retryAfter, Every: probeEvery,
		Rollback: func(ctx context.Context, o *journal.Operation) error { return a.takeBack(ctx, o.ID, tell) },
	}
	err = w.Run(ctx)
	if errors.Is(err, confirm.ErrArmed) {
		return armed() // whoever asked for one has one
	}
	if err != nil {
		tell(err.Error())
	}
	return err
}

// takeBack takes an operation back that waits; the writer's lock is held.
func (a *app) takeBack(ctx context.Context, id string, tell func(string)) error {
	acts, stop, release := guard(ctx)
	defer release()
	if err := verify.PutBack(acts); err != nil {
		return err
	}
	for {
		road, err := a.look(acts)
		if err != nil {
			return err
		}
		p, err := road.TakeBack(id)
		if err != nil || p == nil {
			return err
		}
		if err := road.Do(acts, stop, p, func(d report.Done) {
			if d.Err != nil {
				tell(d.Step.String() + ": " + d.Error)
			}
		}); err != nil {
			return err
		}
	}
}

// armAgain starts a watchdog where an operation waits and none is: it was killed, or
// the host was booted since.
func (a *app) armAgain(ctx context.Context, ops []*journal.Operation) error {
	if os.Geteuid() != 0 || len(journal.Waiting(ops)) == 0 {
		return nil
	}
	if err := a.arm(ctx); err != nil {
		return fmt.Errorf("an operation waits to be confirmed, and nothing would take it back: %w", err)
	}
	return nil
}
