// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/bench/between"
	"github.com/nicwright/nicwright/provision/bench/https"
	"github.com/nicwright/nicwright/provision/bench/ipsec"
	"github.com/nicwright/nicwright/provision/bench/nfs"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
)

// benchEndVerb is between nicwright and itself.
const benchEndVerb = "end"

// roundsFlags are what the benches between two VFs have in common.
type roundsFlags struct {
	between             []string
	quick, instructions bool
	variant, out        string
	turns, controls     int
	interval            float64 // percent
	time, window, limit time.Duration
	seed                uint64
	limits              int // in windows: the default of limit; 0: it means nothing to this bench
	roles               [2]string
	server, client      pci.Function
	header              sample.Header
	want                func(context.Context, *provision.Road) (*profiles.Want, error) // of fromProfile
	wire                *wireFlags                                                     // nil: of a bench that has no client on the wire
}

// define defines them, for two VFs of these roles.
func (f *roundsFlags) define(c *cobra.Command, first, second string, limits int) {
	f.roles, f.limits = [2]string{first, second}, limits
	n := c.Flags()
	n.StringSliceVar(&f.between, "between", nil, "the `VFs` of "+first+" and "+second+", as pci/0000:3b:00.0/vf/0; default: the first two free ones that reach one another")
	n.BoolVar(&f.quick, "quick", false, "within 2 minutes: fewer cells; of the profile's bench only between")
	n.IntVar(&f.turns, "turns", 5, "how often each cell is measured, at least")
	n.IntVar(&f.controls, "control", 5, "how often the same cell is measured against itself, first")
	n.Float64Var(&f.interval, "interval", 5, "go on until the interval of each throughput is this `percent` to either side; 0: no more than --turns")
	n.DurationVar(&f.time, "time", 0, "begin no cell after this time (default 14m, with --quick 110s)")
	n.DurationVar(&f.window, "window", time.Second, "how long a cell is measured each time, at least")
	if limits > 0 {
		n.DurationVar(&f.limit, "limit", 0, fmt.Sprintf("how long a cell may take to begin, and to have 20 requests or transfers (default %d windows)", limits))
	}
	n.Uint64Var(&f.seed, "seed", 0, "of the order of the cells (default: a random one)")
	n.StringVar(&f.variant, "variant", "", "`words` for the label of the lines in charts")
	n.BoolVar(&f.instructions, "instructions", false, "the machine counts instructions as time (lab run --icount), say the samples")
	n.StringVarP(&f.out, "out", "o", "", "write the samples to this `file`, as lines of JSON")
}

// read fills in defaults, and says what is wrong.
func (f *roundsFlags) read() error {
	if f.time == 0 {
		f.time = 14 * time.Minute
		if f.quick {
			f.time = 110 * time.Second
		}
	}
	if f.limit == 0 {
		f.limit = time.Duration(max(f.limits, 1)) * f.window
	}
	if f.seed == 0 {
		f.seed = uint64(time.Now().UnixNano()) % 1e9
	}
	switch {
	case len(f.between) != 0 && len(f.between) != 2 && !f.wire.used():
		return fmt.Errorf("--between names %d VFs: it is two, with a comma", len(f.between))
	case f.turns < 1 || f.turns > 1000:
		return fmt.Errorf("--turns %d: it is 1 to 1000", f.turns)
	case f.controls < 0 || f.controls > 1000:
		return fmt.Errorf("--control %d: it is 0 to 1000", f.controls)
	case !(f.interval >= 0 && f.interval < 100):
		return fmt.Errorf("--interval %v: it is 0 or more, and less than 100", f.interval)
	case f.window < 10*time.Millisecond || f.limit < f.window || f.time < f.window:
		return fmt.Errorf("--window %v, --limit %v, --time %v: a window is 10ms at least, and the others are not shorter", f.window, f.limit, f.time)
	}
	return nil
}

// place finds the VFs, and what the header says of the host.
func (f *roundsFlags) place(ctx context.Context, a *app) error {
	road, err := a.look(ctx)
	if err != nil {
		return err
	}
	have := pictured(road.Have)
	if f.wire.used() {
		if err := f.placeWire(ctx, road, have); err != nil {
			return err
		}
		f.complete()
		return nil
	}
	why := "named by --between"
	if len(f.between) == 2 {
		for i, to := range []*pci.Function{&f.server, &f.client} {
			if *to, err = pci.ParseFunction(f.between[i]); err != nil {
				return exitStatus{exitUsage, fmt.Errorf("--between: %w", err)}
			}
		}
	} else if f.server, f.client, why, err = f.chosen(ctx, road, have); err != nil {
		return err
	}
	f.header = between.Header(have, f.server, f.client)
	f.complete()
	_, err = fmt.Fprintf(style.Plain(os.Stderr), "%s %s, %s %s (%s), seed %d\n", f.roles[0], f.server, f.roles[1], f.client, why, f.seed)
	return err
}

// complete fills in of the header what is not of the host.
func (f *roundsFlags) complete() {
	f.header.Tool, f.header.Title = "nicwright "+version(), f.variant
	if f.instructions {
		f.header.Clock = sample.Instructions
	}
}

// chosen are the VFs that no flag names, and why these.
func (f *roundsFlags) chosen(ctx context.Context, road *provision.Road, have report.Host) (server, client pci.Function, why string, err error) {
	want, err := f.want(ctx, road)
	if err != nil {
		return server, client, "", err
	}
	if want.Bench == nil || len(want.Bench.Between) != 2 {
		return verify.Between(ctx, have, want)
	}
	for i, to := range []*pci.Function{&server, &client} {
		if *to, err = pci.ParseFunction(want.Bench.Between[i]); err != nil {
			return server, client, "", fmt.Errorf("bench.between of the profile: %w", err)
		}
	}
	return server, client, "the profile names them (bench.between)", nil
}

// keptFile is what a run leaves in a file, "" if in none.
type keptFile struct {
	name string
	text *bytes.Buffer
}

// measure runs a bench, keeps its samples and the other files, and prints what they say.
func (f *roundsFlags) measure(ctx context.Context, a *app, name string, run func(out io.Writer, told func(sample.Sample)) error, printed func(io.Writer, []sample.Sample) error, files ...keptFile) (err error) {
	if err := needRoot("bench " + name); err != nil {
		return err
	}
	var raw bytes.Buffer
	files = slices.DeleteFunc(append([]keptFile{{f.out, &raw}}, files...), func(k keptFile) bool { return k.name == "" })
	for _, k := range files {
		if err := report.CheckFile(k.name); err != nil {
			return err
		}
	}
	lock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := verify.PutBack(ctx); err != nil {
		return err
	}
	if err := f.place(ctx, a); err != nil {
		return err
	}
	var samples []sample.Sample
	progress := newBenchProgress(os.Stderr)
	err = run(&raw, func(s sample.Sample) {
		samples = append(samples, s)
		progress(s)
	})
	if len(samples) == 0 {
		return err
	}
	// What was measured is not lost with what went wrong later.
	for _, k := range files {
		err = errors.Join(err, report.WriteFile(context.WithoutCancel(ctx), k.name, k.text.Bytes()))
	}
	if a.json() {
		_, werr := a.raw.Write(raw.Bytes())
		return errors.Join(err, werr)
	}
	return errors.Join(err, printed(a.out, samples))
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

// benchEnds are what the hidden verb can be.
var benchEnds = map[string]func(context.Context, io.Reader, io.Writer) error{
	"https": https.End, "ipsec": ipsec.End, "nfs": nfs.End,
}

// newBenchEnd is one end of a bench, a process of its own.
func newBenchEnd() *cobra.Command {
	return &cobra.Command{
		Use:               benchEndVerb + " KIND",
		Short:             "Be one end of a bench of another nicwright",
		Example:           "  (nicwright starts it itself)",
		Hidden:            true,
		Args:              cobra.ExactArgs(1),
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		PersistentPostRun: func(*cobra.Command, []string) {},
		RunE: func(cmd *cobra.Command, args []string) error {
			end, ok := benchEnds[args[0]]
			if !ok {
				return exitStatus{exitUsage, fmt.Errorf("%q is no end of a bench", args[0])}
			}
			return end(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
