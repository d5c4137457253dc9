// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/apart"
	"github.com/nicwright/nicwright/internal/pci"
)

// actVerb is between nicwright and itself.
const actVerb = "act"

// newAct is the process that does what one that is killed would harm the driver by.
func newAct() *cobra.Command {
	return &cobra.Command{
		Use:     actVerb + " PID " + eswitch.ActMode + "|" + eswitch.ActReload + " ADDRESS MODE|NAME=VALUE...",
		Short:   "Do an act for another nicwright, which may be killed meanwhile",
		Example: "  (nicwright starts it itself)",
		Hidden:  true,
		Args:    cobra.MinimumNArgs(4),
		// Nothing is read or looked at before: the one that waits has done that.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		PersistentPostRun: func(*cobra.Command, []string) {},
		RunE: func(_ *cobra.Command, args []string) error {
			return apart.Answer(args[0], func() error {
				pf, err := pci.ParseAddress(args[2])
				switch {
				case err != nil:
					return err
				case args[1] == eswitch.ActMode:
					return eswitch.SetMode(pf, args[3])
				case args[1] == eswitch.ActReload:
					return eswitch.Reload(pf, args[3:])
				}
				return fmt.Errorf("there is no act %q", args[1])
			})
		},
	}
}
