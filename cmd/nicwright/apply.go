// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
)

func newApply(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "apply",
		Short: "Bring the host to what the profile wants",
		Long: `apply observes the host, plans, does the steps and looks again. Interrupted at
any instant it is finished by the next apply, or undone by rollback.`,
		Example: `  nicwright apply -p vm-host
  nicwright apply --plan rack7.plan   (only while the host is as it was planned from)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" && cmd.Flags().Changed("profile") {
				return exitStatus{exitUsage, errors.New("--plan and --profile exclude each other: a saved plan says what is wanted")}
			}
			if file != "" {
				saved, err := provision.LoadPlan(file)
				if err != nil {
					return err
				}
				return a.apply(cmd.Context(), "apply", func(ctx context.Context) (*provision.Plan, provision.Host, error) {
					return provision.ApplySaved(ctx, a.state(), saved)
				})
			}
			want, err := a.want()
			if err != nil {
				return err
			}
			return a.apply(cmd.Context(), "apply", func(ctx context.Context) (*provision.Plan, provision.Host, error) {
				return provision.PlanHost(ctx, a.state(), want)
			})
		},
	}
	c.Flags().StringVar(&file, "plan", "", "apply this saved plan `file`, if it still holds")
	return c
}

func newRollback(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "rollback",
		Short: "Bring the host back to where it was before the last apply",
		Long: `rollback is an apply whose want is the host as it was observed before an
unfinished apply, or else before the last one that changed something.`,
		Example: "  nicwright rollback",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.apply(cmd.Context(), "rollback", func(ctx context.Context) (*provision.Plan, provision.Host, error) {
				want, _, err := provision.RollbackWant(a.state())
				if err != nil {
					return nil, provision.Host{}, err
				}
				return provision.PlanHost(ctx, a.state(), func(provision.Host) (*profiles.Want, error) { return want, nil })
			})
		},
	}
}

// apply does a plan under the lock, and prints each step as it ends.
func (a *app) apply(ctx context.Context, verb string, plan func(context.Context) (*provision.Plan, provision.Host, error)) (err error) {
	if err := needRoot(verb); err != nil {
		return err
	}
	lock, err := provision.TakeLock(a.settings.GetString("run-dir"), os.Args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if d := a.settings.GetDuration("timeout"); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	report := provision.ApplyReport{Started: time.Now().UTC()}
	p, have, err := plan(ctx)
	if err != nil {
		return err
	}
	report.Profile = p.Want.Profile
	err = provision.Apply(ctx, a.state(), p, have, func(d provision.Done) {
		report.Steps = append(report.Steps, d)
		if !a.json() {
			d.Print(a.out)
		}
	})
	report.End(err)
	if a.json() {
		return errors.Join(err, a.printJSON(report))
	}
	if err != nil {
		return err
	}
	return report.Print(a.out)
}
