// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/ipsec"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// ipsecFlags are the axes as text, and the rest.
type ipsecFlags struct {
	roundsFlags
	modes, encapsulations, ciphers, sizes []string
	sas, mtus, streams                    []int
	axes                                  ipsec.Axes
}

func newBenchIPsec(a *app) *cobra.Command { return (&ipsecFlags{}).command(a) }

func (f *ipsecFlags) command(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "ipsec",
		Short: "Measure what IPsec in the card is worth",
		Long: `ipsec sends streams from one VF to another: plain, and through ESP by the kernel,
with the card's cipher (crypto offload), and by the card alone (packet offload).
Cells are measured in random order, turn by turn, until their intervals are as
wanted or the time is over. The card's counters at both ends, and the kernel's of
each SA, say whether a cell ran on the path that it names: one that did not is a
finding and no figure. VFs and all else are as before when it ends.`,
		Example: `  nicwright bench ipsec --quick --out ipsec.ndjson
  nicwright bench ipsec --between pci/0000:3b:00.0/vf/0,pci/0000:3b:00.0/vf/1 --sas 1,64 --mtu 9000
  nicwright bench ipsec --modes software,crypto --encapsulation tunnel --streams 1,16`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.fromProfile(cmd, a, "ipsec"); err != nil {
				return err
			}
			if err := f.read(); err != nil {
				return exitStatus{exitUsage, err}
			}
			return f.measure(cmd.Context(), a, "ipsec", func(out io.Writer, told func(sample.Sample)) error {
				return ipsec.Run(cmd.Context(), ipsec.Input{
					Server: f.server, Client: f.client, Axes: f.axes, Variant: f.variant, Header: f.header, Turns: f.turns, Controls: f.controls, Interval: f.interval / 100,
					Window: f.window, Limit: f.limit, Time: f.time, Seed: f.seed, Self: program.Self("bench", benchEndVerb, "ipsec"), Out: out, Told: told,
				})
			}, ipsec.Print)
		},
	}
	f.define(c, "who sends", "who receives", 10)
	n := c.Flags()
	n.StringSliceVar(&f.modes, "modes", nil, "plain, software, crypto, packet (default all)")
	n.StringSliceVar(&f.encapsulations, "encapsulation", nil, "transport, tunnel (default both)")
	n.StringSliceVar(&f.ciphers, "ciphers", nil, "AES-128-GCM, AES-256-GCM (default AES-256-GCM)")
	n.IntSliceVar(&f.sas, "sas", nil, "`pairs` of security associations, 1 to 64 (default 1,8,64)")
	n.IntSliceVar(&f.mtus, "mtu", nil, "`bytes`, of both VFs (default 1500,9000)")
	n.IntSliceVar(&f.streams, "streams", nil, "TCP `connections`; at least one for each pair of SAs (default 8)")
	n.StringSliceVar(&f.sizes, "sizes", nil, "`bytes` that are written at a time (default 131072)")
	return c
}

// read makes the axes of the flags.
func (f *ipsecFlags) read() error {
	if err := f.roundsFlags.read(); err != nil {
		return err
	}
	f.axes = ipsec.Full
	if f.quick {
		f.axes = ipsec.Quick
	}
	if f.modes != nil {
		f.axes.Modes = modesOf(f.modes)
	}
	for _, s := range []struct{ from, to *[]string }{{&f.encapsulations, &f.axes.Encapsulations}, {&f.ciphers, &f.axes.Ciphers}} {
		if *s.from != nil {
			*s.to = *s.from
		}
	}
	for _, n := range []struct{ from, to *[]int }{{&f.sas, &f.axes.SAs}, {&f.mtus, &f.axes.MTUs}, {&f.streams, &f.axes.Streams}} {
		if *n.from != nil {
			*n.to = *n.from
		}
	}
	if f.sizes != nil {
		var err error
		if f.axes.Sizes, err = sizesOf(f.sizes); err != nil {
			return fmt.Errorf("--sizes: %w", err)
		}
	}
	return f.axes.Check()
}
