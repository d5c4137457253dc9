// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
)

func newPlan(a *app) *cobra.Command {
	var save string
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change, and change nothing",
		Long:  "plan observes the host and prints the steps to what the profile wants, by phase.\nExit status 0: there is nothing to do; 2: there are steps.",
		Example: `  nicwright plan -p vm-host
  nicwright plan -p vm-host --set cards.nic0.ports.p0.vfs=8
  nicwright plan -p ./rack7.yaml -o rack7.plan && nicwright apply --plan rack7.plan`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := a.want()
			if err != nil {
				return err
			}
			plan, _, err := provision.PlanHost(cmd.Context(), a.state(), want)
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
				err = plan.Print(a.out)
			}
			if err == nil && len(plan.Steps) > 0 {
				err = exitStatus{exitSteps, nil}
			}
			return err
		},
	}
	c.Flags().StringVarP(&save, "output", "o", "", "save the plan to this `file`, for apply --plan")
	return c
}
