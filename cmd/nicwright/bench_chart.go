// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/docs/measurements"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/bench/chart"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/report"
)

// plainColumns is the width of a chart that is not drawn on a terminal.
const plainColumns = 100

func newBenchChart(a *app) *cobra.Command {
	var out string
	var terminal bool
	c := &cobra.Command{
		Use:   "chart RUN [RUN2]",
		Short: "Draw what a bench measured; two runs over one another",
		Long: `chart draws the samples of one run, or of two: before and after an upgrade, one
card and another. Both axes are logarithmic; a line is a mode, with its interval
(95%); the second run's lines are dashed. What was measured to be another path than
its cell says is no line: it is noted below, as is where two lines cross.

RUN is a file of nicwright bench, or published:NAME for a measurement that came
with nicwright (` + strings.Join(measurements.Names(), ", ") + `).

With --out DIR each chart is written as DIR/NAME.svg and .png, and all of them as
one page, DIR/charts.html, that needs nothing beside it.`,
		Example: `  nicwright bench chart run.ndjson
  nicwright bench chart run.ndjson --out charts
  nicwright bench chart before.ndjson after.ndjson --out charts --terminal
  nicwright bench chart run.ndjson published:` + measurements.Names()[0],
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var runs []*sample.Run
			for _, name := range args {
				run, err := readRun(name)
				if err != nil {
					return err
				}
				runs = append(runs, run)
			}
			charts := chart.FromRuns(runs...)
			if len(charts) == 0 {
				return fmt.Errorf("%s has no figure to draw: %s", strings.Join(args, " and "), noFigure(runs))
			}
			var files []string
			if out != "" {
				var err error
				if files, err = writeCharts(cmd.Context(), out, "nicwright bench: "+strings.Join(args, " and "), charts); err != nil {
					return err
				}
			}
			if a.json() {
				return a.printJSON(struct {
					Files  []string      `json:"files,omitempty"`
					Charts []chart.Named `json:"charts"`
				}{files, charts})
			}
			if out == "" || terminal {
				if err := printCharts(a, charts); err != nil {
					return err
				}
			}
			for _, f := range files {
				if _, err := fmt.Fprintln(a.out, f); err != nil {
					return fmt.Errorf("printing: %w", err)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "write the charts into this `directory`; it is made if it is not there")
	c.Flags().BoolVar(&terminal, "terminal", false, "draw them here, too (without --out they are)")
	return c
}

// noFigure says why: of a run in which nothing was as its cells say.
func noFigure(runs []*sample.Run) string {
	for _, r := range runs {
		for _, s := range r.Samples {
			if s.Gate.Verdict == sample.Finding {
				return "every sample took another path than it says, the first: " + s.Gate.Words
			}
		}
	}
	return "its samples are of the control, or moved no bytes"
}

func printCharts(a *app, charts []chart.Named) error {
	columns := plainColumns
	if a.raw == os.Stdout && term.IsTerminal(os.Stdout.Fd()) {
		if w, _, err := term.GetSize(os.Stdout.Fd()); err == nil {
			columns = w
		}
	}
	for i, c := range charts {
		var b strings.Builder
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(c.Terminal(columns))
		if err := style.Flush(a.out, &b); err != nil {
			return err
		}
	}
	return nil
}

// writeCharts draws all before it writes any.
func writeCharts(ctx context.Context, dir, title string, charts []chart.Named) ([]string, error) {
	type file struct {
		name string
		text []byte
	}
	var files []file
	draw := func(name string, render func(io.Writer) error) error {
		var b bytes.Buffer
		if err := render(&b); err != nil {
			return err
		}
		files = append(files, file{filepath.Join(dir, name), b.Bytes()})
		return nil
	}
	for _, c := range charts {
		if err := errors.Join(draw(c.Name+".svg", c.SVG), draw(c.Name+".png", c.PNG)); err != nil {
			return nil, err
		}
	}
	if err := draw("charts.html", func(w io.Writer) error { return chart.HTML(w, title, charts) }); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of the charts: %w", err)
	}
	var names []string
	for _, f := range files {
		if err := report.WriteFile(ctx, f.name, f.text); err != nil {
			return nil, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

// readRun reads the samples of a file, or a measurement that came with nicwright.
func readRun(name string) (*sample.Run, error) {
	if published, is := strings.CutPrefix(name, "published:"); is {
		text, err := measurements.Open(published)
		if err != nil {
			return nil, err
		}
		return parseRun(name, bytes.NewReader(text))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the samples of a bench: %w", err)
	}
	defer f.Close()
	return parseRun(name, f)
}

func parseRun(name string, r io.Reader) (*sample.Run, error) {
	run, err := sample.Read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return run, nil
}
