// SPDX-License-Identifier: Apache-2.0

package https

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Print prints what samples say, for people: the control, the set-up, a line a cell,
// and the findings. Figures are geometric means with half of their interval of 95%;
// it is said how many throughputs have a wider one than is wanted (0.05 is 5%).
func Print(w io.Writer, samples []sample.Sample, wanted float64) error {
	var b strings.Builder
	rounds.Control(&b, samples)
	setUps(&b, samples)
	cells(&b, samples, wanted)
	findings(&b, samples)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func setUps(b *strings.Builder, samples []sample.Sample) {
	type key struct {
		cipher string
		at     int
	}
	times := map[key]map[sample.Mode][]float64{}
	var keys []key
	for _, s := range samples {
		l, ok := s.Latency[sample.SetUp]
		if !ok || s.Gate.Verdict != sample.AsSaid {
			continue
		}
		k := key{s.Cell.Cipher, s.Cell.Clients}
		if times[k] == nil {
			times[k], keys = map[sample.Mode][]float64{}, append(keys, k)
		}
		times[k][s.Cell.Mode] = append(times[k][s.Cell.Mode], l.Mean*1e6)
	}
	slices.SortFunc(keys, func(x, y key) int {
		if c := strings.Compare(x.cipher, y.cipher); c != 0 {
			return c
		}
		return x.at - y.at
	})
	for _, k := range keys {
		fmt.Fprintf(b, "Set-up of kernel TLS, %s, %d at a time: by the card %s, in software %s us\n", k.cipher, k.at,
			rounds.Figure(times[k][sample.CardTx], "%.0f"), rounds.Figure(times[k][sample.Kernel], "%.0f"))
	}
}

// row is all samples of a cell.
type row struct {
	cell                                  sample.Cell
	rate, connections, perGB, perThousand []float64
	median, worst                         []float64
	doubts                                rounds.Doubts
}

func rows(samples []sample.Sample) (all []*row) {
	of := map[sample.Cell]*row{}
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
		r.rate = append(r.rate, s.Throughput()/1e6)
		if s.CPU.Server > 0 {
			r.perGB = append(r.perGB, s.CPU.Server/float64(s.Bytes)*1e9)
		}
		if s.Connections > 0 {
			r.connections = append(r.connections, float64(s.Connections)/s.Seconds)
			if s.CPU.Server > 0 {
				r.perThousand = append(r.perThousand, s.CPU.Server/float64(s.Connections)*1000)
			}
		}
		if l := s.Latency[sample.Whole]; l.Count > 0 {
			r.median, r.worst = append(r.median, l.P50*1e3), append(r.worst, l.P99*1e3)
		}
		r.doubts.Add(s)
	}
	slices.SortStableFunc(all, func(x, y *row) int {
		if c := strings.Compare(kind(x.cell), kind(y.cell)); c != 0 {
			return c
		}
		return int(min(max(int64(x.cell.Size)-int64(y.cell.Size), -1), 1))
	})
	return all
}

// kind is a cell without its size.
func kind(c sample.Cell) string {
	words := []string{string(c.Mode)}
	if c.TLS != "" {
		words = append(words, "TLS "+c.TLS, c.Cipher)
	}
	words = append(words, fmt.Sprintf("%d clients", c.Clients))
	for _, w := range []struct {
		is   bool
		word string
	}{{c.KeepAlive, "keep-alive"}, {c.Resumption, "resumed"}, {!c.Sendfile && c.Mode != sample.User, "no sendfile"}, {c.Rate > 0, fmt.Sprintf("%g/s", c.Rate)}, {c.Variant != "", c.Variant}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ", ")
}

// size is in the units that the flags take.
func size(n uint64) string {
	for _, u := range []struct {
		of   uint64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.of {
			return fmt.Sprintf("%g %s", float64(n)/float64(u.of), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

func cells(b *strings.Builder, samples []sample.Sample, wanted float64) {
	all := rows(samples)
	if len(all) == 0 {
		b.WriteString("No cell gave a figure.\n")
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	last, wide := "", 0
	for _, r := range all {
		if k := kind(r.cell); k != last {
			fmt.Fprintf(t, "\n%s\n  size\tMB/s\tconnections/s\tserver CPU s/GB\ts/1000 connections\tp50 ms\tp99 ms\t\n", k)
			last = k
		}
		if rounds.Unsure(r.rate, wanted) {
			wide++
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", size(r.cell.Size), rounds.Figure(r.rate, "%.4g"), rounds.Figure(r.connections, "%.4g"),
			rounds.Figure(r.perGB, "%.3g"), rounds.Figure(r.perThousand, "%.3g"), rounds.Figure(r.median, "%.3g"), rounds.Figure(r.worst, "%.3g"), r.doubts.String())
	}
	_ = t.Flush() // a strings.Builder takes everything
	if wide > 0 {
		fmt.Fprintf(b, "\n%d of %d throughputs are less certain than ±%g%%: the time was over. Give it more (--time), or vary fewer things.\n", wide, len(all), 100*wanted)
	}
}

// findings are said once for each kind of cell and words.
func findings(b *strings.Builder, samples []sample.Sample) {
	sizes := map[string][]uint64{}
	var order []string
	for _, s := range samples {
		if s.Gate.Verdict != sample.Finding {
			continue
		}
		k := kind(s.Cell)
		if sizes[k] == nil {
			order = append(order, k)
			fmt.Fprintf(b, "\nNo figure, but a finding: %s, %s: %s\n", k, size(s.Cell.Size), s.Gate.Words)
		}
		if !slices.Contains(sizes[k], s.Cell.Size) {
			sizes[k] = append(sizes[k], s.Cell.Size)
		}
	}
	for _, k := range order {
		if n := len(sizes[k]); n > 1 {
			fmt.Fprintf(b, "  %s: so with all %d sizes that have none\n", k, n)
		}
	}
}
