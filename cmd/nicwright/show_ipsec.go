// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/provision/report"
)

func newShowIPsec(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ipsec",
		Short: "Show the IPsec SAs of this network namespace and who does their work",
		Long: `show ipsec lists the security associations (xfrm states) of this network
namespace, those that an IKE daemon set up too: addresses, SPI, mode, algorithm
with the bits of its key, ESN, replay window, bytes and packets, failures, soft
and hard limits, and the offload as the kernel lists it: none, or crypto or
packet and the netdev that does it. No key is ever printed. It changes nothing.`,
		Example: `  nicwright show ipsec
  ip netns exec NAME nicwright show ipsec     another network namespace
  nicwright show ipsec --json | jq '.states[] | select(.offload.mode == "none")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			states, err := ipsec.List(cmd.Context())
			if err != nil {
				return err
			}
			p := report.IPsecOf(states)
			if a.json() {
				return a.printJSON(p)
			}
			return p.Print(a.out)
		},
	}
}
