// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/bench/nfs"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// nfsFlags are the axes as text, and the rest.
type nfsFlags struct {
	roundsFlags
	modes, encapsulations, ops, patterns, blocks []string
	depths, jobs, nconnects                      []int
	size, reader                                 string
	threads                                      int
	axes                                         nfs.Axes
}

func newBenchNFS(a *app) *cobra.Command { return (&nfsFlags{}).command(a) }

func (f *nfsFlags) command(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "nfs",
		Short: "Measure what protecting NFS costs, and what the card takes of it",
		Long: `nfs runs the kernel's NFS server on one VF and mounts from another: plain, by
RPC-with-TLS (tlshd has to be installed), and through IPsec by the kernel and by the
card. A file in the server's memory is read or written by fio, or where that is not
installed by a reader of nicwright's own. Cells are measured in random order, turn by
turn, until their intervals are as wanted or the time is over. Counters of kernel and
card say whether each ran on the path that it names: one that did not is a finding
and no figure. The host's own NFS server is not touched; VFs and all else are as
before when it ends.`,
		Example: `  nicwright bench nfs --quick --out nfs.ndjson
  nicwright bench nfs --modes plain,kernel,crypto --nconnect 1,4,16 --block 4096,1048576
  nicwright bench nfs --op write --pattern sequential --reader own`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.fromProfile(cmd, a, "nfs"); err != nil {
				return err
			}
			if err := f.read(); err != nil {
				return exitStatus{exitUsage, err}
			}
			return f.measure(cmd.Context(), a, "nfs", func(out io.Writer, told func(sample.Sample)) error {
				return nfs.Run(cmd.Context(), nfs.Input{
					Server: f.server, Client: f.client, Axes: f.axes, Variant: f.variant, Header: f.header, Reader: f.reader, Threads: f.threads,
					Turns: f.turns, Controls: f.controls, Interval: f.interval / 100, Window: f.window, Time: f.time, Seed: f.seed,
					Self: program.Self("bench", benchEndVerb, "nfs"), Out: out, Told: told,
				})
			}, nfs.Print)
		},
	}
	f.define(c, "server", "client", 0)
	n := c.Flags()
	n.StringSliceVar(&f.modes, "modes", nil, "plain, kernel (RPC-with-TLS), card-tx, card-rx, card-txrx, software, crypto, packet (IPsec) (default plain,kernel,software,crypto,packet)")
	n.StringSliceVar(&f.encapsulations, "encapsulation", nil, "of IPsec: transport, tunnel (default transport)")
	n.StringSliceVar(&f.ops, "op", nil, "read, write (default both)")
	n.StringSliceVar(&f.patterns, "pattern", nil, "random, sequential (default both)")
	n.StringSliceVar(&f.blocks, "block", nil, "`bytes` of a request (default 65536)")
	n.IntSliceVar(&f.depths, "depth", nil, "`requests` on their way, of each job (default 16)")
	n.IntSliceVar(&f.jobs, "jobs", nil, "`jobs` at one time (default 4)")
	n.IntSliceVar(&f.nconnects, "nconnect", nil, "TCP `connections` of a mount, 1 to 16; one is one link of a bond (default 1,8)")
	n.StringVar(&f.size, "size", "", "`bytes` of the file, which is in memory (default 268435456)")
	n.StringVar(&f.reader, "reader", nfs.Auto, "fio; own; auto: fio where it is installed")
	n.IntVar(&f.threads, "threads", 16, "of the server in the kernel")
	return c
}

// read makes the axes of the flags.
func (f *nfsFlags) read() (err error) {
	if err := f.roundsFlags.read(); err != nil {
		return err
	}
	f.axes = nfs.Full
	if f.quick {
		f.axes = nfs.Quick
	}
	if f.modes != nil {
		f.axes.Modes = modesOf(f.modes)
	}
	for _, s := range []struct{ from, to *[]string }{{&f.encapsulations, &f.axes.Encapsulations}, {&f.ops, &f.axes.Ops}, {&f.patterns, &f.axes.Patterns}} {
		if *s.from != nil {
			*s.to = *s.from
		}
	}
	for _, n := range []struct{ from, to *[]int }{{&f.depths, &f.axes.Depths}, {&f.jobs, &f.axes.Jobs}, {&f.nconnects, &f.axes.NConnects}} {
		if *n.from != nil {
			*n.to = *n.from
		}
	}
	if f.blocks != nil {
		if f.axes.Blocks, err = sizesOf(f.blocks); err != nil {
			return fmt.Errorf("--block: %w", err)
		}
	}
	if f.size != "" {
		if f.axes.Size, err = profiles.ParseBytes(f.size); err != nil {
			return fmt.Errorf("--size: %w", err)
		}
	}
	switch {
	case !slices.Contains([]string{nfs.Auto, nfs.Fio, nfs.Own}, f.reader):
		return fmt.Errorf("--reader %s: it is fio, own or auto", f.reader)
	case f.threads < 1 || f.threads > 1024:
		return fmt.Errorf("--threads %d: it is 1 to 1024", f.threads)
	}
	return f.axes.Check()
}
