// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
)

func newCompare(a *app) *cobra.Command {
	var (
		how               recording
		opt               compare.Options
		waivers           string
		verbose           bool
		junit, html       string
		ktap, kcidb, keep string
	)
	c := &cobra.Command{
		Use:   "compare BASELINE [BASELINE]",
		Short: "Say what a new kernel took away: two baselines, or one and now",
		Long: `compare holds a baseline (a name, or a file) against a second, or against this host
as it is now, which it records first as baseline save does. Each difference is in
one of these classes: broken (a verdict, a refusal, an error of the kernel or the
speed is worse), not tried, inconclusive, flaky, changed and not known, changed as
is known (a table of what kernels have changed), waived, noise. The first line says
what to do. Speed is judged from 5 runs on each side, by a rank test against this
host's own spread.
Exit status 3: something broke, or was proved before and was not tried.`,
		Example: `  nicwright compare 6.12.117+deb13-amd64
  nicwright compare before after --html upgrade.html --junit upgrade.xml
  nicwright compare before --runs 10 --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := how.check(); err != nil {
				return err
			}
			var err error
			if opt.Known, err = compare.Table(); err != nil {
				return err
			}
			if opt.Waivers, err = a.waivers(waivers); err != nil {
				return err
			}
			before, err := a.baselines().Load(args[0])
			if err != nil {
				return err
			}
			var (
				after *baseline.Baseline
				found *compare.Comparison
			)
			forms := []form{
				{flag: "--junit", file: junit, render: func(w io.Writer) error { return found.JUnit(w) }},
				{flag: "--html", file: html, render: func(w io.Writer) error { return found.HTML(w) }},
				{flag: "--ktap", file: ktap, render: func(w io.Writer) error { return found.KTAP(w) }},
				{flag: "--kcidb", file: kcidb, render: func(w io.Writer) error { return found.KCIDB(w) }},
				{flag: "--keep", file: keep, private: true, render: func(w io.Writer) error { return baseline.Write(w, after) }},
			}
			if err := checkForms(forms); err != nil {
				return err
			}
			if len(args) == 2 {
				after, err = a.baselines().Load(args[1])
			} else if after, err = a.record(cmd.Context(), "compare", how); err == nil {
				after.Name = "now"
			}
			if err != nil {
				return err
			}
			opt.Now = time.Now()
			if found, err = compare.Compare(before, after, opt); err != nil {
				return err
			}
			if a.json() {
				err = a.printJSON(found)
			} else {
				err = found.Print(a.out, verbose)
			}
			err = errors.Join(err, writeForms(cmd.Context(), forms))
			if err == nil && !found.OK() {
				err = exitStatus{exitUnproven, nil}
			}
			return err
		},
	}
	how.flags(c)
	f := c.Flags()
	f.BoolVarP(&verbose, "verbose", "v", false, "print noise, too, and what was as before")
	f.BoolVar(&opt.OtherFirmware, "other-firmware", false, "compare although another firmware runs")
	f.BoolVar(&opt.OtherProfile, "other-profile", false, "compare although another profile was verified")
	f.Float64Var(&opt.Floor, "floor", compare.DefaultFloor, "the least loss of speed that counts, as a part")
	f.StringVar(&waivers, "waivers", "", "what may be broken: a YAML `file`, a list of what, since, before, reason, expires (default waivers.yaml in --config-dir)")
	f.StringVar(&junit, "junit", "", "write the comparison as JUnit XML to this `file` as well")
	f.StringVar(&html, "html", "", "write it as one HTML page to this `file` as well")
	f.StringVar(&ktap, "ktap", "", "write it as KTAP to this `file` as well")
	f.StringVar(&kcidb, "kcidb", "", "write it for KernelCI's database to this `file` as well")
	f.StringVar(&keep, "keep", "", "write the later baseline to this `file` as well")
	return c
}

// waivers reads the file that was named, or else that of the configuration, which need not
// be there.
func (a *app) waivers(file string) ([]compare.Waiver, error) {
	named := file != ""
	if !named {
		file = filepath.Join(a.settings.GetString("config-dir"), "waivers.yaml")
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the waivers: %w", err)
	}
	defer f.Close()
	all, err := compare.ReadWaivers(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}
