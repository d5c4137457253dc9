// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/bench/https"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
)

// benchClientVerb is between nicwright and itself.
const benchClientVerb = "client"

// httpsFlags are the axes as text, and the rest.
type httpsFlags struct {
	between, modes, versions, ciphers, sizes []string
	clients                                  []int
	keepAlive, resumption, sendfile          string
	rates                                    []float64
	quick, instructions                      bool
	variant, out, log                        string
	in                                       https.Input
}

func newBenchHTTPS(a *app) *cobra.Command {
	var f httpsFlags
	c := &cobra.Command{
		Use:   "https",
		Short: "Measure what TLS in the card is worth to a web server",
		Long: `https runs an nginx of its own on one VF and asks it from another: with TLS by
nginx, by the kernel, by the card, for files of many sizes. Cells are measured in
random order, turn by turn, until their intervals are as wanted or the time is
over. Counters of kernel and card say whether each cell ran on the path that it
names: one that did not is a finding and no figure. The host's own nginx is not
touched; VFs, offload switches and all else are as before when it ends.`,
		Example: `  nicwright bench https --quick --out quick.ndjson
  nicwright bench https --between pci/0000:3b:00.0/vf/0,pci/0000:3b:00.0/vf/1 --sizes 10k,1M,1G --clients 1,50,500
  nicwright bench https --modes user,card-tx --keepalive both --rate 2000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, a) },
	}
	f.define(c)
	return c
}

func (f *httpsFlags) define(c *cobra.Command) {
	n := c.Flags()
	n.StringSliceVar(&f.between, "between", nil, "the `VFs` of server and client, as pci/0000:3b:00.0/vf/0; default: the first two free ones that reach one another")
	n.BoolVar(&f.quick, "quick", false, "within 2 minutes: four sizes, TLS 1.2, by nginx, kernel and card")
	n.StringSliceVar(&f.modes, "modes", nil, "plain, user, kernel, card-tx, card-rx, card-txrx (default plain,user,kernel,card-tx)")
	n.StringSliceVar(&f.versions, "tls", nil, "`versions` of TLS, 1.2 and 1.3 (default both)")
	n.StringSliceVar(&f.ciphers, "ciphers", nil, "AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305 (default AES-256-GCM)")
	n.StringSliceVar(&f.sizes, "sizes", nil, "`bytes` of the files, as 10k, 1M, 1G (default 1k to 100M in tens)")
	n.IntSliceVar(&f.clients, "clients", nil, "`connections` at one time (default 50)")
	n.StringVar(&f.keepAlive, "keepalive", "off", "off: a new connection for each request; on; both")
	n.StringVar(&f.resumption, "resumption", "off", "of TLS sessions: off, on, both")
	n.StringVar(&f.sendfile, "sendfile", "on", "of nginx: off, on, both")
	n.Float64SliceVar(&f.rates, "rate", nil, "`requests` that are begun each second, whatever is answered; 0 (default): a client asks again when it is answered")
	n.IntVar(&f.in.Turns, "turns", 5, "how often each cell is measured, at least")
	n.IntVar(&f.in.Control, "control", 5, "how often the same cell is measured against itself, first")
	n.Float64Var(&f.in.Interval, "interval", 5, "go on until the interval of each throughput is this `percent` to either side; 0: no longer than --turns")
	n.DurationVar(&f.in.Time, "time", 0, "begin no cell after this time (default 14m, with --quick 110s)")
	n.DurationVar(&f.in.Window, "window", time.Second, "how long a cell is measured each time, at least")
	n.DurationVar(&f.in.Limit, "limit", 0, "how long it may take for 20 requests, and to warm up (default 6 windows)")
	n.Uint64Var(&f.in.Seed, "seed", 0, "of the order of the cells (default: a random one)")
	n.Float64Var(&f.in.ServerCPU, "server-cpu", 0, "let nginx use so many `processors`; 0: all")
	n.Float64Var(&f.in.ClientCPU, "client-cpu", 0, "let the client use so many `processors`; 0: all")
	n.IntVar(&f.in.Workers, "workers", 0, "of nginx (default: one for each processor)")
	n.BoolVar(&f.in.KernelClient, "kernel-client", false, "the kernel opens the records in the client, too, in software")
	n.StringVar(&f.log, "access-log", "", "keep nginx's access log in this `file`; writing it costs nginx time")
	n.StringVar(&f.variant, "variant", "", "`words` for the label of the lines in charts")
	n.BoolVar(&f.instructions, "instructions", false, "the machine counts instructions as time (lab run --icount), say the samples")
	n.StringVarP(&f.out, "out", "o", "", "write the samples to this `file`, as lines of JSON")
}

func (f *httpsFlags) run(cmd *cobra.Command, a *app) (err error) {
	if err := f.read(); err != nil {
		return exitStatus{exitUsage, err}
	}
	if err := needRoot("bench https"); err != nil {
		return err
	}
	for _, file := range []string{f.out, f.log} {
		if file != "" {
			if err := report.CheckFile(file); err != nil {
				return err
			}
		}
	}
	lock, err := a.lock(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := verify.PutBack(cmd.Context()); err != nil {
		return err
	}
	if err := f.place(cmd.Context(), a); err != nil {
		return err
	}
	var raw bytes.Buffer
	var samples []sample.Sample
	progress := newBenchProgress(os.Stderr)
	f.in.Out, f.in.Self = &raw, https.Self("bench", benchClientVerb)
	f.in.Told = func(s sample.Sample) {
		samples = append(samples, s)
		progress(s)
	}
	var log bytes.Buffer
	if f.log != "" {
		f.in.Log = &log
	}
	err = https.Run(cmd.Context(), f.in)
	if len(samples) == 0 {
		return err
	}
	// What was measured is not lost with what went wrong later.
	if f.out != "" {
		err = errors.Join(err, report.WriteFile(context.WithoutCancel(cmd.Context()), f.out, raw.Bytes()))
	}
	if f.log != "" {
		err = errors.Join(err, report.WriteFile(context.WithoutCancel(cmd.Context()), f.log, log.Bytes()))
	}
	if a.json() {
		_, werr := a.raw.Write(raw.Bytes())
		return errors.Join(err, werr)
	}
	return errors.Join(err, https.Print(a.out, samples, f.in.Interval))
}

// newBenchProgress tells each sample on a terminal.
func newBenchProgress(out *os.File) func(sample.Sample) {
	if _, no := newProgress(out).(quiet); no {
		return func(sample.Sample) {}
	}
	w := style.Plain(out)
	return func(s sample.Sample) {
		what := fmt.Sprintf("%.4g MB/s", s.Throughput()/1e6)
		switch {
		case s.Gate.Verdict == sample.Finding:
			what = s.Gate.Words
		case s.Bytes == 0:
			what = fmt.Sprintf("%.0f us", s.Latency[sample.SetUp].Mean*1e6)
		}
		_, _ = fmt.Fprintf(w, "%d. %s %s %s, %d bytes: %s\n", s.Turn, s.Cell.Mode, s.Cell.TLS, s.Cell.Cipher, s.Cell.Size, what)
	}
}

// read makes the input of the flags.
func (f *httpsFlags) read() error {
	axes := https.Full
	f.in.Interval /= 100
	if f.quick {
		axes = https.Quick
	}
	if f.in.Time == 0 {
		f.in.Time = 14 * time.Minute
		if f.quick {
			f.in.Time = 110 * time.Second
		}
	}
	if f.in.Limit == 0 {
		f.in.Limit = 6 * f.in.Window
	}
	if f.modes != nil {
		axes.Modes = nil
		for _, m := range f.modes {
			axes.Modes = append(axes.Modes, sample.Mode(m))
		}
	}
	if f.versions != nil {
		axes.Versions = f.versions
	}
	if f.ciphers != nil {
		axes.Ciphers = f.ciphers
	}
	if f.sizes != nil {
		axes.Sizes = nil
		for _, s := range f.sizes {
			n, err := parseBytes(s)
			if err != nil {
				return fmt.Errorf("--sizes: %w", err)
			}
			axes.Sizes = append(axes.Sizes, n)
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
	if f.in.Seed == 0 {
		f.in.Seed = uint64(time.Now().UnixNano()) % 1e9
	}
	if len(f.between) != 0 && len(f.between) != 2 {
		return fmt.Errorf("--between names %d VFs: it is the server's and the client's, with a comma", len(f.between))
	}
	if f.in.KernelClient && (f.resumption != "off" || len(axes.Modes) == 0) {
		return errors.New("--kernel-client goes without --resumption: kernel TLS in the client resumes nothing")
	}
	for _, cpu := range []float64{f.in.ServerCPU, f.in.ClientCPU} {
		if cpu != 0 && !(cpu >= 0.01 && cpu <= 4096) {
			return fmt.Errorf("%v processors: it is 0.01 to 4096, or 0 for all", cpu)
		}
	}
	switch {
	case f.in.Turns < 1 || f.in.Turns > 1000:
		return fmt.Errorf("--turns %d: it is 1 to 1000", f.in.Turns)
	case f.in.Control < 0 || f.in.Control > 1000:
		return fmt.Errorf("--control %d: it is 0 to 1000", f.in.Control)
	case !(f.in.Interval >= 0 && f.in.Interval < 1):
		return fmt.Errorf("--interval %v: it is 0 to less than 100", 100*f.in.Interval)
	case f.in.Window < 10*time.Millisecond || f.in.Limit < f.in.Window || f.in.Time < f.in.Window:
		return fmt.Errorf("--window %v, --limit %v, --time %v: a window is 10ms at least, and the others are not shorter", f.in.Window, f.in.Limit, f.in.Time)
	case f.in.Workers < 0 || f.in.Workers > 1024:
		return fmt.Errorf("--workers %d: it is 1 to 1024, or 0 for one each processor", f.in.Workers)
	}
	f.in.Axes = axes
	return axes.Check()
}

// parseBytes reads 10k, 1M, 1G, decimal.
func parseBytes(s string) (uint64, error) {
	unit := uint64(1)
	digits := s
	for suffix, of := range map[string]uint64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = rest, of
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || n > (1<<63)/unit {
		return 0, fmt.Errorf("%q is no number of bytes: say it as 500, 10k, 1M or 1G", s)
	}
	return n * unit, nil
}

// place finds the VFs, and what the header says of the host.
func (f *httpsFlags) place(ctx context.Context, a *app) error {
	road, err := a.look(ctx)
	if err != nil {
		return err
	}
	have := pictured(road.Have)
	why := "named by --between"
	if len(f.between) == 2 {
		for i, to := range []*pci.Function{&f.in.Server, &f.in.Client} {
			if *to, err = pci.ParseFunction(f.between[i]); err != nil {
				return exitStatus{exitUsage, fmt.Errorf("--between: %w", err)}
			}
		}
	} else {
		want, err := provision.AppliedWant(a.state(), "")
		if err != nil {
			want = &profiles.Want{} // no profile is in force: VFs of one port reach one another
		}
		if f.in.Server, f.in.Client, why, err = verify.Between(ctx, have, want); err != nil {
			return err
		}
	}
	f.in.Header = https.Header(have, f.in.Server, f.in.Client)
	f.in.Header.Tool = "nicwright " + version()
	f.in.Header.Title = f.variant
	f.in.Variant = f.variant
	if f.instructions {
		f.in.Header.Clock = sample.Instructions
	}
	_, err = fmt.Fprintf(style.Plain(os.Stderr), "server %s, client %s (%s), seed %d\n", f.in.Server, f.in.Client, why, f.in.Seed)
	return err
}

func newBenchClient() *cobra.Command {
	return &cobra.Command{
		Use:               benchClientVerb,
		Short:             "Make the load for another nicwright",
		Example:           "  (nicwright starts it itself)",
		Hidden:            true,
		Args:              cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		PersistentPostRun: func(*cobra.Command, []string) {},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return https.Client(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
