// SPDX-License-Identifier: Apache-2.0

package rounds

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Print prints what samples say, for people: the control, a line a cell, and the
// findings. kind names a cell's table, and name the cell in it. Figures are geometric
// means with half of their interval of 95%. CPU is that of the server's processes, and
// of the whole machine, which has the softirqs and kernel threads of both ends.
func Print(w io.Writer, samples []sample.Sample, kind, name func(sample.Cell) string) error {
	var b strings.Builder
	Control(&b, samples)
	cells(&b, samples, kind, name)
	findings(&b, samples, func(c sample.Cell) string { return kind(c) + ": " + name(c) })
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// Figure is the mean of values with half of its interval, "-" where there are none.
func Figure(v []float64, format string) string {
	e := fit.Mean(v)
	if e.N == 0 {
		return "-"
	}
	s := fmt.Sprintf(format, e.Value)
	if !e.Known() {
		return s
	}
	return s + fmt.Sprintf(" ±%.0f%%", 50*(e.High-e.Low)/e.Value)
}

// Control says by how much the same cell, measured twice, differs.
func Control(b *strings.Builder, samples []sample.Sample) {
	halves := [2]map[int]float64{{}, {}}
	for _, s := range samples {
		if s.Control > 0 && s.Seconds > 0 && s.Gate.Verdict == sample.AsSaid {
			halves[s.Control-1][s.Turn] = s.Throughput()
		}
	}
	r := fit.Ratio(halves[0], halves[1])
	if !r.Known() {
		return
	}
	fmt.Fprintf(b, "A/A control: the same cell twice differs by %+.1f%% (%+.1f to %+.1f%%)", 100*(r.Value-1), 100*(r.Low-1), 100*(r.High-1))
	if r.Told() {
		b.WriteString(": this host is not quiet, and no smaller difference means anything")
	}
	b.WriteString("\n")
}

// row is all figures of a cell.
type row struct {
	cell                  sample.Cell
	rate, server, machine []float64 // MB/s, and CPU seconds for each GB
	median, worst         []float64 // latencies, ms
	doubts                Doubts
}

func (r *row) add(s *sample.Sample) {
	r.rate = append(r.rate, s.Throughput()/1e6)
	for _, cpu := range []struct {
		of float64
		to *[]float64
	}{{s.CPU.Server, &r.server}, {s.CPU.Busy, &r.machine}} {
		if cpu.of > 0 {
			*cpu.to = append(*cpu.to, cpu.of/float64(s.Bytes)*1e9)
		}
	}
	if l := s.Latency[sample.Whole]; l.Count > 0 && l.P50 > 0 {
		r.median, r.worst = append(r.median, l.P50*1e3), append(r.worst, l.P99*1e3)
	}
	r.doubts.Add(s)
}

func cells(b *strings.Builder, samples []sample.Sample, kind, name func(sample.Cell) string) {
	of := map[sample.Cell]*row{}
	var all []*row
	for i := range samples {
		s := &samples[i]
		if !s.Figure() {
			continue
		}
		r := of[s.Cell]
		if r == nil {
			r = &row{cell: s.Cell}
			of[s.Cell], all = r, append(all, r)
		}
		r.add(s)
	}
	if len(all) == 0 {
		b.WriteString("No cell gave a figure.\n")
		return
	}
	slices.SortStableFunc(all, func(x, y *row) int {
		if c := strings.Compare(kind(x.cell), kind(y.cell)); c != 0 {
			return c
		}
		return strings.Compare(name(x.cell), name(y.cell))
	})
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	last := ""
	for _, r := range all {
		if k := kind(r.cell); k != last {
			fmt.Fprintf(t, "\n%s\n\tMB/s\tserver CPU s/GB\tmachine CPU s/GB\tp50 ms\tp99 ms\t\n", k)
			last = k
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", name(r.cell), Figure(r.rate, "%.4g"), Figure(r.server, "%.3g"), Figure(r.machine, "%.3g"),
			Figure(r.median, "%.3g"), Figure(r.worst, "%.3g"), r.doubts.String())
	}
	_ = t.Flush() // a strings.Builder takes everything
}

// Doubts are what makes the figures of a cell worth less.
type Doubts struct {
	samples               int
	flagged               map[sample.Flag]int
	retransmits, segments uint64
	operations, missed    uint64
}

// Add takes in a sample of the cell.
func (d *Doubts) Add(s *sample.Sample) {
	d.samples++
	if d.flagged == nil {
		d.flagged = map[sample.Flag]int{}
	}
	for _, f := range s.Flags {
		d.flagged[f]++
	}
	d.retransmits, d.segments = d.retransmits+s.Retransmits, d.segments+s.Segments
	d.operations, d.missed = d.operations+s.Operations, d.missed+s.Missed
}

func (d *Doubts) String() string {
	var words []string
	for _, f := range []sample.Flag{sample.ClientBound, sample.ColdCache, sample.Noisy, sample.Short} {
		switch n := d.flagged[f]; {
		case n == d.samples:
			words = append(words, string(f))
		case n > 0:
			words = append(words, fmt.Sprintf("%s in %d of %d", f, n, d.samples))
		}
	}
	if d.retransmits*1000 > d.segments {
		words = append(words, fmt.Sprintf("%.2g%% of the segments sent again", 100*float64(d.retransmits)/float64(d.segments)))
	}
	if d.missed*100 > d.operations {
		words = append(words, fmt.Sprintf("%.0f%% began late", 100*float64(d.missed)/float64(d.operations)))
	}
	return strings.Join(words, "; ")
}

// findings are said once for each cell.
func findings(b *strings.Builder, samples []sample.Sample, name func(sample.Cell) string) {
	var said []sample.Cell
	for _, s := range samples {
		if s.Gate.Verdict == sample.Finding && !slices.Contains(said, s.Cell) {
			said = append(said, s.Cell)
			fmt.Fprintf(b, "\nNo figure, but a finding: %s: %s\n", name(s.Cell), s.Gate.Words)
		}
	}
}
