// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/health"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
)

// allowFlags are those by which the operator allows what a profile does not.
func allowFlags(c *cobra.Command, allow *provision.Allowed) {
	c.Flags().StringArrayVar(&allow.Take, "take", nil, "take this VF although it is in use, as plan names it (`pci/0000:3b:00.0/vf/3`), or all; repeatable")
}

func newApply(a *app) *cobra.Command {
	var file string
	var allow provision.Allowed
	var w way
	var partly bool
	c := &cobra.Command{
		Use:   "apply",
		Short: "Bring the host to what the profile wants",
		Long: `apply observes the host, plans, does the steps and looks again. Interrupted at
any instant it is finished by the next apply, or undone by rollback. SIGINT and
SIGTERM end it at a step's end; a terminal that is gone does not. With --confirm
it goes back by itself unless it is confirmed. What may cut off the ssh session or
a default route is not begun without --confirm or --yes-cut-me-off.`,
		Example: `  nicwright apply -p vm-host
  nicwright apply -p vm-host --confirm 2m && nicwright confirm
  nicwright apply -p vm-host --confirm 2m --probe gateway
  nicwright apply --plan rack7.plan   (only while the host is as it was planned from)
  nicwright apply -p tls-server --replace vm-host`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" && slices.ContainsFunc([]string{"profile", "take", "replace", withoutMissing}, cmd.Flags().Changed) {
				return exitStatus{exitUsage, errors.New("--plan and --profile, --take, --replace, --without-missing exclude each other: a saved plan says what is wanted and allowed")}
			}
			if err := w.check(cmd); err != nil {
				return err
			}
			a.ofUnit = w.atBoot
			if file != "" {
				saved, err := provision.LoadPlan(file)
				if err != nil {
					return err
				}
				return a.operate(cmd.Context(), "apply", w, func(_ context.Context, r *provision.Road) (*provision.Plan, error) { return r.Saved(saved) })
			}
			want, err := a.want(partly)
			if err != nil {
				return err
			}
			err = a.operate(cmd.Context(), "apply", w, func(ctx context.Context, r *provision.Road) (*provision.Plan, error) {
				w, err := want(ctx, r)
				if err != nil {
					return nil, err
				}
				allow.Lacks = w.lacks
				return r.Apply(w.want, w.doc, allow)
			})
			if err != nil {
				return err
			}
			return lacking(allow.Lacks)
		},
	}
	c.Flags().StringVar(&file, "plan", "", "apply this saved plan `file`, if it still holds")
	c.Flags().StringArrayVar(&allow.Replace, "replace", nil, "take the place of this `profile`, which is in force for the same card; repeatable")
	allowFlags(c, &allow)
	partlyFlag(c, &partly)
	confirmFlags(c, &w)
	return c
}

// withoutMissing is the flag by which less than the profile will do.
const withoutMissing = "without-missing"

func partlyFlag(c *cobra.Command, partly *bool) {
	c.Flags().BoolVar(partly, withoutMissing, false, "do what does not hang on a card, a port or an Open vSwitch that the host lacks; exit status 5 if there is such")
}

// lacking is the error of an operation that did what could be done.
func lacking(lacks []string) error {
	if len(lacks) == 0 {
		return nil
	}
	return exitStatus{exitPartly, errors.New("the host is as the profile says but for what it lacks: " + strings.Join(lacks, "; "))}
}

func newRollback(a *app) *cobra.Command {
	var allow provision.Allowed
	var w way
	c := &cobra.Command{
		Use:   "rollback [OPERATION]",
		Short: "Bring back what was before the last apply, or before another operation",
		Long: `rollback is an apply whose want is what was before an operation, of what that
touched: of the one that was interrupted, or else of the last that is in force;
with OPERATION (nicwright history) of that one and the later ones of its
profile. A rollback that was interrupted goes on to the same end.`,
		Example: "  nicwright rollback\n  nicwright rollback 20261128T035512.123Z-apply",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return a.operate(cmd.Context(), "rollback", w, func(_ context.Context, r *provision.Road) (*provision.Plan, error) { return r.Rollback(id, allow) })
		},
	}
	allowFlags(c, &allow)
	cutFlag(c, &w)
	return c
}

func newRemove(a *app) *cobra.Command {
	var allow provision.Allowed
	var w way
	c := &cobra.Command{
		Use:   "remove -p NAME|FILE",
		Short: "Take a profile's work away",
		Long: `remove brings back what was before the first of a profile's operations that are
in force. What other profiles did stays.`,
		Example: "  nicwright remove -p vm-host",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := a.nameInForce()
			if err != nil {
				return err
			}
			return a.operate(cmd.Context(), "remove", w, func(_ context.Context, r *provision.Road) (*provision.Plan, error) { return r.Remove(name, allow) })
		},
	}
	allowFlags(c, &allow)
	cutFlag(c, &w)
	return c
}

// nameInForce is the name by which the journal knows the profile of -p: that in its
// file or, where the file has gone, what was said.
func (a *app) nameInForce() (string, error) {
	said, err := a.profileName()
	if err != nil {
		return "", err
	}
	p, err := profiles.Load(a.profileOptions())
	switch {
	case err == nil:
		return p.Name, nil
	case strings.ContainsAny(said, "/."):
		return "", err
	}
	return said, nil
}

// operate plans and does an operation under the lock, and prints each step as it ends.
func (a *app) operate(ctx context.Context, verb string, w way, plan func(context.Context, *provision.Road) (*provision.Plan, error)) (err error) {
	if err := needRoot(verb); err != nil {
		return err
	}
	lock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	acts, stop, release := guard(ctx)
	defer release()
	// What a verify that was killed moved goes back first: it is not the host as it is lived on.
	if err := verify.PutBack(acts); err != nil {
		return err
	}
	done := report.Apply{Started: time.Now().UTC()}
	road, err := a.look(acts)
	if err != nil {
		return err
	}
	if err := a.heed(acts, verb, w, road.Operations(), road.Boot); err != nil {
		return err
	}
	if verb == "apply" {
		// A VF that cannot be taken back stays leased: that is no reason for a host not to come up.
		if _, err := road.Settle(acts); err != nil {
			_, _ = fmt.Fprintf(style.Plain(os.Stderr), "nicwright: %v\n", err)
		}
	}
	p, err := plan(acts, road)
	if err != nil {
		return err
	}
	if verb == "apply" {
		if w, err = w.carry(road.Operations(), p.Operation(), p.Partly(), time.Now()); err != nil {
			return err
		}
	}
	done.Profile, done.Left = p.Title(), p.Left
	if !a.json() {
		// A terminal that has gone away must not stop an operation, here and below.
		_ = report.LeftAlone(a.out, p.Left)
	}
	waits, err := a.ready(acts, road, p, w)
	if err != nil {
		return err
	}
	var heard *health.Watch
	if len(p.Steps) > 0 {
		heard = health.Begin(acts)
	}
	err = road.Do(acts, stop, p, func(d report.Done) {
		done.Steps = append(done.Steps, d)
		if !a.json() {
			d.Print(a.out)
		}
	})
	done.End(err)
	for _, s := range p.Stored() {
		done.Awaits = append(done.Awaits, provision.WordsOf(s))
	}
	if heard != nil {
		done.Said = heard.End(acts)
	}
	if op := p.Operation(); waits {
		a.waits = waitsLine(op)
	} else if others := journal.Waiting(road.Operations()); verb == "apply" && len(others) > 0 {
		a.waits = waitsLine(*others[0])
	}
	if a.json() {
		_ = a.printJSON(done)
		return err
	}
	_ = done.PrintSaid(a.out)
	if err == nil {
		_ = done.Print(a.out)
	}
	if a.waits != "" {
		_, _ = fmt.Fprintln(a.out, a.waits)
	}
	return err
}
