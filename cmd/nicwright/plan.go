// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/report"
)

func newPlan(a *app) *cobra.Command {
	var save string
	var allow provision.Allowed
	var partly bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change, and change nothing",
		Long:  "plan observes the host and prints the steps to what the profile wants, by phase, and\nwhat they do to what is in use.\nExit status 0: there is nothing to do; 2: there are steps.",
		Example: `  nicwright plan -p vm-host
  nicwright plan -p vm-host --set cards.nic0.ports.p0.vfs=8
  nicwright plan -p ./rack7.yaml -o rack7.plan && nicwright apply --plan rack7.plan`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := a.want(partly)
			if err != nil {
				return err
			}
			road, err := a.look(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.armAgain(cmd.Context(), road.Operations()); err != nil {
				return err
			}
			w, err := want(cmd.Context(), road)
			if err != nil {
				return err
			}
			allow.Lacks = w.lacks
			plan, err := road.Apply(w.want, w.doc, allow)
			if err != nil {
				return err
			}
			if save != "" {
				if err := plan.Save(save); err != nil {
					return err
				}
			}
			if a.json() {
				err = a.printJSON(plan)
			} else {
				err = report.Plan(a.out, plan.Title(), plan.Steps, plan.Left, plan.Summary)
			}
			switch {
			case err != nil:
				return err
			case len(plan.Steps) > 0:
				return exitStatus{exitSteps, nil}
			}
			return lacking(w.lacks)
		},
	}
	c.Flags().StringVarP(&save, "output", "o", "", "save the plan to this `file`, for apply --plan")
	c.Flags().StringArrayVar(&allow.Replace, "replace", nil, "plan as if this `profile`, in force for the same card, gave way; repeatable")
	allowFlags(c, &allow)
	partlyFlag(c, &partly)
	return c
}
