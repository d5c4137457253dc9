// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/https"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// httpsFlags are the axes as text, and the rest.
type httpsFlags struct {
	roundsFlags
	modes, versions, ciphers, sizes []string
	clients                         []int
	keepAlive, resumption, sendfile string
	rates                           []float64
	log                             string
	in                              https.Input
}

func newBenchHTTPS(a *app) *cobra.Command { return (&httpsFlags{}).command(a) }

func (f *httpsFlags) command(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "https",
		Short: "Measure what TLS in the card is worth to a web server",
		Long: `https runs an nginx of its own on one VF and asks it from another, or with --peer from
a host on the wire: with TLS by nginx, by the kernel, by the card, for files of many sizes. Cells are measured in
random order, turn by turn, until their intervals are as wanted or the time is
over. Counters of kernel and card say whether each cell ran on the path that it
names: one that did not is a finding and no figure. The host's own nginx is not
touched; VFs, offload switches and all else are as before when it ends. What no flag
says, bench: of the profile does: of -p, or of the one in force.`,
		Example: `  nicwright bench https --quick --out quick.ndjson
  nicwright bench https --between pci/0000:3b:00.0/vf/0,pci/0000:3b:00.0/vf/1 --sizes 10k,1M,1G --clients 1,50,500
  nicwright bench https --modes user,card-tx --keepalive both --rate 2000
  nicwright bench https -p storage-vfs.yaml --clients 1,500
  nicwright bench https --peer 192.0.2.20 --address 192.0.2.10/24 --between pci/0000:3b:00.0/vf/0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.fromProfile(cmd, a, "https"); err != nil {
				return err
			}
			if err := f.read(); err != nil {
				return exitStatus{exitUsage, err}
			}
			var log bytes.Buffer
			run := func(out io.Writer, told func(sample.Sample)) error {
				in := f.in
				in.Server, in.Client, in.Header, in.Variant = f.server, f.client, f.header, f.variant
				in.Turns, in.Control, in.Interval, in.Window, in.Limit, in.Time, in.Seed = f.turns, f.controls, f.interval/100, f.window, f.limit, f.time, f.seed
				in.Peer = f.wire.of()
				in.Self, in.Out, in.Told = program.Self("bench", benchEndVerb, "https"), out, told
				if f.log != "" {
					in.Log = &log
				}
				return https.Run(cmd.Context(), in)
			}
			return f.measure(cmd.Context(), a, "https", run, func(w io.Writer, samples []sample.Sample) error {
				return https.Print(w, samples, f.interval/100)
			}, keptFile{f.log, &log})
		},
	}
	f.define(c, "server", "client", 6)
	n := c.Flags()
	f.wire = &wireFlags{}
	f.wire.define(n)
	n.StringSliceVar(&f.modes, "modes", nil, "plain, user, kernel, card-tx, card-rx, card-txrx (default plain,user,kernel,card-tx)")
	n.StringSliceVar(&f.versions, "tls", nil, "`versions` of TLS, 1.2 and 1.3 (default both)")
	n.StringSliceVar(&f.ciphers, "ciphers", nil, "AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305 (default AES-256-GCM)")
	n.StringSliceVar(&f.sizes, "sizes", nil, "`bytes` of the files, as 10k, 1M, 1G (default 1k to 100M in tens)")
	n.IntSliceVar(&f.clients, "clients", nil, "`connections` at one time (default 50)")
	n.StringVar(&f.keepAlive, "keepalive", "off", "off: a new connection for each request; on; both")
	n.StringVar(&f.resumption, "resumption", "off", "of TLS sessions: off, on, both")
	n.StringVar(&f.sendfile, "sendfile", "on", "of nginx: off, on, both")
	n.Float64SliceVar(&f.rates, "rate", nil, "`requests` that are begun each second, whatever is answered; 0 (default): a client asks again when it is answered")
	n.Float64Var(&f.in.ServerCPU, "server-cpu", 0, "let nginx use so many `processors`; 0: all")
	n.Float64Var(&f.in.ClientCPU, "client-cpu", 0, "let the client use so many `processors`; 0: all")
	n.IntVar(&f.in.Workers, "workers", 0, "of nginx (default: one for each processor)")
	n.BoolVar(&f.in.KernelClient, "kernel-client", false, "the kernel opens the records in the client, too, in software")
	n.StringVar(&f.log, "access-log", "", "keep nginx's access log in this `file`; writing it costs nginx time")
	return c
}

// read makes the input of the flags.
func (f *httpsFlags) read() error {
	if err := f.roundsFlags.read(); err != nil {
		return err
	}
	if err := f.wire.read(len(f.between)); err != nil {
		return err
	}
	if f.wire.used() && (f.in.ClientCPU != 0 || f.in.KernelClient) {
		return errors.New("--client-cpu and --kernel-client are of a client on this host: with --peer there is none")
	}
	axes := https.Full
	if f.quick {
		axes = https.Quick
	}
	if f.modes != nil {
		axes.Modes = modesOf(f.modes)
	}
	if f.versions != nil {
		axes.Versions = f.versions
	}
	if f.ciphers != nil {
		axes.Ciphers = f.ciphers
	}
	if f.sizes != nil {
		var err error
		if axes.Sizes, err = sizesOf(f.sizes); err != nil {
			return fmt.Errorf("--sizes: %w", err)
		}
	}
	if f.clients != nil {
		axes.Clients = f.clients
	}
	if f.rates != nil {
		axes.Rates = f.rates
	}
	for _, s := range []struct {
		name, text string
		to         *[]bool
	}{{"keepalive", f.keepAlive, &axes.KeepAlive}, {"resumption", f.resumption, &axes.Resumption}, {"sendfile", f.sendfile, &axes.Sendfile}} {
		values, ok := map[string][]bool{"on": {true}, "off": {false}, "both": {false, true}}[s.text]
		if !ok {
			return fmt.Errorf("--%s %s: it is on, off or both", s.name, s.text)
		}
		*s.to = values
	}
	if f.in.KernelClient && (f.resumption != "off" || len(axes.Modes) == 0) {
		return errors.New("--kernel-client goes without --resumption: kernel TLS in the client resumes nothing")
	}
	for _, cpu := range []float64{f.in.ServerCPU, f.in.ClientCPU} {
		if cpu != 0 && !(cpu >= 0.01 && cpu <= 4096) {
			return fmt.Errorf("%v processors: it is 0.01 to 4096, or 0 for all", cpu)
		}
	}
	if f.in.Workers < 0 || f.in.Workers > 1024 {
		return fmt.Errorf("--workers %d: it is 1 to 1024, or 0 for one each processor", f.in.Workers)
	}
	f.in.Axes = axes
	return axes.Check()
}
