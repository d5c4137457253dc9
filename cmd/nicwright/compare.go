// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
	"github.com/nicwright/nicwright/provision/report"
)

// waiversFile is where waivers are unless it is said.
const waiversFile = "/etc/nicwright/waivers.yaml"

func newCompare(a *app) *cobra.Command {
	var (
		how              recording
		opt              compare.Options
		waivers          string
		verbose          bool
		junit, html      string
		ktap, kcidb, was string
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
			if opt.Waivers, err = readWaivers(waivers, cmd.Flags().Changed("waivers")); err != nil {
				return err
			}
			before, err := a.baselines().Load(args[0])
			if err != nil {
				return err
			}
			for _, file := range []string{junit, html, ktap, kcidb, was} {
				if file == "" {
					continue
				}
				if err := report.CheckFile(file); err != nil {
					return err
				}
			}
			var after *baseline.Baseline
			if len(args) == 2 {
				after, err = a.baselines().Load(args[1])
			} else if after, err = a.record(cmd.Context(), "compare", how); err == nil {
				after.Name = "now"
			}
			if err != nil {
				return err
			}
			opt.Now = time.Now()
			found, err := compare.Compare(before, after, opt)
			if err != nil {
				return err
			}
			if a.json() {
				err = a.printJSON(found)
			} else {
				err = found.Print(a.out, verbose)
			}
			err = errors.Join(err, a.forms(cmd, []form{{junit, found.JUnit}, {html, found.HTML}, {ktap, found.KTAP}, {kcidb, found.KCIDB}, {was, func(w io.Writer) error {
				text, err := baseline.Encode(after)
				if err == nil {
					_, err = w.Write(text)
				}
				return err
			}}}))
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
	f.StringVar(&waivers, "waivers", waiversFile, "what may be broken: a YAML `file`, a list of what, since, before, reason, expires")
	f.StringVar(&junit, "junit", "", "write the comparison as JUnit XML to this `file` as well")
	f.StringVar(&html, "html", "", "write it as one HTML page to this `file` as well")
	f.StringVar(&ktap, "ktap", "", "write it as KTAP to this `file` as well")
	f.StringVar(&kcidb, "kcidb", "", "write it for KernelCI's database to this `file` as well")
	f.StringVar(&was, "keep", "", "write the later baseline to this `file` as well")
	return c
}

// form is a file that is asked for.
type form struct {
	file   string
	render func(io.Writer) error
}

// forms writes those that are asked for, even if another could not be written.
func (a *app) forms(cmd *cobra.Command, all []form) error {
	var errs []error
	for _, f := range all {
		errs = append(errs, writeReport(cmd.Context(), f.file, f.render))
	}
	return errors.Join(errs...)
}

// readWaivers reads them; the file that nobody named need not be there.
func readWaivers(file string, named bool) ([]compare.Waiver, error) {
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
