// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
)

func newShow(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the cards, what they do, and the topology",
		Long: `show prints every SmartNIC by its PCI address: model, driver, firmware, ports,
eswitch mode, VFs, representors and link state, and a picture of how uplinks,
bond, switch, VLANs and VFs hang together. It changes nothing.`,
		Example: "  nicwright show\n  nicwright show --json | jq '.cards[].ports[].address'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, _, err := provision.Observe(cmd.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(host)
			}
			return pictured(host).Print(a.out)
		},
	}
	c.AddCommand(newShowIPsec(a))
	return c
}
