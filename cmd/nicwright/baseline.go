// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/verify"
)

// recording says how a host is recorded.
type recording struct {
	runs  int
	quick bool
}

func (r *recording) flags(c *cobra.Command) {
	c.Flags().IntVar(&r.runs, "runs", 5, "how often all proofs are run, 0 for not at all; speed is judged from 5 on")
	c.Flags().BoolVar(&r.quick, "quick", false, "one transfer of each kind a run, as verify --quick")
}

func (r *recording) check() error {
	if r.runs < 0 || r.runs > 1000 {
		return exitStatus{exitUsage, fmt.Errorf("--runs %d: 0 to 1000", r.runs)}
	}
	return nil
}

func (a *app) baselines() baseline.Dir {
	return baseline.Dir(filepath.Join(a.settings.GetString("state-dir"), "baselines"))
}

func newBaseline(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "baseline",
		Short: "Record how this host is and behaves, to compare with after a kernel upgrade",
		Long: `A baseline is what a host runs (kernel, drivers, firmware, packages), what its
kernel shows of the cards, and what the proofs of its profile found, several times
over. nicwright compare says what is different later.`,
		Example: "  nicwright baseline save\n  nicwright baseline list",
	}
	var how recording
	save := &cobra.Command{
		Use:   "save [NAME]",
		Short: "Record a baseline; NAME is the kernel's release unless it is said",
		Long: `save looks at the host, runs the proofs of the profile (without -p of the one that
was applied last), and keeps what was found in the journal's directory, in place
of a baseline of that name. Nothing on the host is changed but what verify moves
for the while. Exit status 0 says that it was recorded, not that all is well.`,
		Example: `  nicwright baseline save
  nicwright baseline save before-upgrade --runs 10`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := kernel()
			if len(args) == 1 {
				name = args[0]
			}
			if err := errors.Join(baseline.CheckName(name), how.check()); err != nil {
				return exitStatus{exitUsage, err}
			}
			b, err := a.record(cmd.Context(), "baseline save", how)
			if err != nil {
				return err
			}
			b.Name = name
			if err := a.baselines().Save(b); err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(b)
			}
			_, err = fmt.Fprintf(a.out, "baseline %s: %s\n", style.Bold(name), recordedWords(b))
			return err
		},
	}
	how.flags(save)
	list := &cobra.Command{
		Use: "list", Short: "List the baselines of this host", Example: "  nicwright baseline list", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := a.baselines().List()
			if a.json() {
				entries := make([]baselineEntry, 0, len(all))
				for _, b := range all {
					entries = append(entries, baselineEntry{b.Name, b.Taken, b.Software["kernel.release"], b.Profile, len(b.Runs)})
				}
				return errors.Join(a.printJSON(entries), err)
			}
			return errors.Join(a.printBaselines(all), err)
		},
	}
	show := &cobra.Command{
		Use: "show NAME|FILE", Short: "Print a baseline as JSON", Example: "  nicwright baseline show before-upgrade | jq .software", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := a.baselines().Load(args[0])
			if err != nil {
				return err
			}
			return a.printJSON(b)
		},
	}
	remove := &cobra.Command{
		Use: "delete NAME", Short: "Delete a baseline", Example: "  nicwright baseline delete before-upgrade", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.baselines().Delete(args[0]) },
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the document", Example: "  nicwright baseline schema >baseline.schema.json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.raw.Write(baseline.JSONSchema())
			return err
		},
	}
	c.AddCommand(save, list, show, remove, schema)
	return c
}

// baselineEntry is a baseline in a list.
type baselineEntry struct {
	Name    string    `json:"name"`
	Taken   time.Time `json:"taken"`
	Kernel  string    `json:"kernel"`
	Profile string    `json:"profile,omitempty"`
	Runs    int       `json:"runs"`
}

func (a *app) printBaselines(all []*baseline.Baseline) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.out, "no baselines: `nicwright baseline save` records one")
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tTAKEN\tKERNEL\tPROFILE\tRUNS")
	for _, b := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", b.Name, b.Taken.Local().Format(time.DateTime), b.Software["kernel.release"], style.OrDash(b.Profile), len(b.Runs))
	}
	return w.Flush()
}

// recordedWords say what is in a baseline.
func recordedWords(b *baseline.Baseline) string {
	s := fmt.Sprintf("kernel %s, %s, ", b.Software["kernel.release"], style.Count(len(b.Cards), "port"))
	if len(b.Runs) == 0 {
		return s + "no proofs"
	}
	bad, proofs := map[string]bool{}, map[string]bool{}
	for _, r := range b.Runs {
		for _, p := range r.Proofs {
			name := fmt.Sprint(p.Kind, p.Cell)
			proofs[name] = true
			bad[name] = bad[name] || !p.OK
		}
	}
	n := 0
	for _, is := range bad {
		if is {
			n++
		}
	}
	s += fmt.Sprintf("%s of %s, %s", style.Count(len(proofs), "proof"), b.Profile, style.Count(len(b.Runs), "run"))
	if n > 0 {
		s += style.Amber(fmt.Sprintf("; %d not as the profile requires, at least once", n))
	}
	if len(b.Unread) > 0 {
		s += "; not read: " + strings.Join(b.Unread, "; ")
	}
	return s
}

// record records the host as it is, under the lock.
func (a *app) record(ctx context.Context, verb string, how recording) (b *baseline.Baseline, err error) {
	if err := needRoot(verb); err != nil {
		return nil, err
	}
	lock, err := a.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	// What a killed verify left is put back first: its VFs would look used.
	if err := verify.PutBack(ctx); err != nil {
		return nil, err
	}
	road, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	openvswitch := ""
	if road.Have.Switch != nil {
		openvswitch = road.Have.Switch.Version
	}
	b = baseline.Collect(ctx, road.Snapshot, openvswitch)
	b.Tool = version()
	for n := 0; n < how.runs; n++ {
		run, err := a.run(ctx, b, how.quick)
		if err != nil {
			return nil, err
		}
		b.Runs = append(b.Runs, run)
		if how.runs == 1 && n == 0 && !run.OK() {
			how.runs = 2 // what failed is tried again, and both are kept
		}
	}
	if last := journal.InForce(road.Operations(), b.Profile); len(last) > 0 {
		b.Apply = last[len(last)-1].Seconds
	}
	return b, nil
}

// run verifies once.
func (a *app) run(ctx context.Context, b *baseline.Baseline, quick bool) (run baseline.Run, err error) {
	in, err := a.toVerify(ctx)
	if err != nil {
		return run, err
	}
	in.Quick = quick
	b.Profile, b.Hash = in.Profile, provision.HashOf(in.Want)
	before, err := baseline.ReadWire(in.Snapshot)
	if err != nil {
		return run, err
	}
	progress := newProgress(os.Stderr)
	r, err := verify.Run(ctx, in.Input, progress)
	progress.stop()
	if err != nil {
		return run, err
	}
	after, err := baseline.ReadWire(in.Snapshot)
	if err != nil {
		return run, err
	}
	return baseline.RunOf(r, after.Since(before)), nil
}
