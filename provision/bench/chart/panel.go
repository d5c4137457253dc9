// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"cmp"
	"slices"

	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// axis is a field of the cell that can be the x axis.
type axis struct {
	label string
	unit  Unit
	get   func(*sample.Cell) float64
	clear func(*sample.Cell)
}

// axes of each bench; that which has the most values is the x axis, of equal ones the first.
func axes(b sample.Bench) []axis {
	size := axis{"size of the file", Bytes, func(c *sample.Cell) float64 { return float64(c.Size) }, func(c *sample.Cell) { c.Size = 0 }}
	clients := axis{"clients at one time", Number, func(c *sample.Cell) float64 { return float64(c.Clients) }, func(c *sample.Cell) { c.Clients = 0 }}
	switch b {
	case sample.NFS:
		clients.label = "jobs"
		return []axis{
			{"TCP connections (nconnect)", Number, func(c *sample.Cell) float64 { return float64(c.NConnect) }, func(c *sample.Cell) { c.NConnect = 0 }},
			{"block", Bytes, func(c *sample.Cell) float64 { return float64(c.Block) }, func(c *sample.Cell) { c.Block = 0 }},
			{"requests on their way", Number, func(c *sample.Cell) float64 { return float64(c.Depth) }, func(c *sample.Cell) { c.Depth = 0 }},
			clients,
		}
	case sample.IPsec:
		clients.label = "streams"
		return []axis{
			{"pairs of security associations", Number, func(c *sample.Cell) float64 { return float64(c.SAs) }, func(c *sample.Cell) { c.SAs = 0 }},
			clients,
			{"MTU", Bytes, func(c *sample.Cell) float64 { return float64(c.MTU) }, func(c *sample.Cell) { c.MTU = 0 }},
		}
	case sample.HTTPS:
	}
	return []axis{size, clients}
}

// panel is what one chart can show: cells that differ in the x axis and in who does the work.
type panel struct {
	bench sample.Bench
	x     axis
	cells []sample.Cell // of the lines, without x
	// by run and line
	runs []*panelRun
}

// panelRun is what one of the runs has of a panel.
type panelRun struct {
	header  sample.Header
	samples []sample.Sample // figures and findings
}

// panels groups the runs' samples of a bench.
func panels(b sample.Bench, runs []*sample.Run) []*panel {
	x, ok := widest(b, runs)
	if !ok {
		return nil
	}
	var all []*panel
	by := map[sample.Cell]*panel{}
	// Last what was published: it lies over charts of whatever conditions.
	for _, i := range publishedLast(runs) {
		r, over := runs[i], slices.Clone(all)
		for _, s := range r.Samples {
			if s.Bench != b || s.Control != 0 {
				continue
			}
			line := s.Cell
			x.clear(&line)
			key := line
			key.Mode, key.TLS, key.Cipher, key.Variant, key.Sendfile, key.Security, key.Encapsulation = "", "", "", "", false, "", ""
			if key.SAs > 0 && b == sample.NFS {
				key.SAs = 0 // plain has none
			}
			if r.Header.Clock == sample.Published && len(over) > 0 {
				for _, p := range over {
					p.take(i, line, s)
				}
				continue
			}
			p := by[key]
			if p == nil {
				p = &panel{bench: b, x: x}
				for _, r := range runs {
					p.runs = append(p.runs, &panelRun{header: r.Header})
				}
				by[key] = p
				all = append(all, p)
			}
			p.take(i, line, s)
		}
	}
	for _, p := range all {
		slices.SortStableFunc(p.cells, func(a, b sample.Cell) int { return cmp.Compare(colour(a), colour(b)) })
	}
	return all
}

func publishedLast(runs []*sample.Run) []int {
	var first, last []int
	for i, r := range runs {
		if r.Header.Clock == sample.Published {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	return append(first, last...)
}

func (p *panel) take(run int, line sample.Cell, s sample.Sample) {
	if !slices.Contains(p.cells, line) {
		p.cells = append(p.cells, line)
	}
	p.runs[run].samples = append(p.runs[run].samples, s)
}

func widest(b sample.Bench, runs []*sample.Run) (best axis, ok bool) {
	most := 0
	for _, x := range axes(b) {
		values := map[float64]bool{}
		for _, r := range runs {
			for i := range r.Samples {
				// That the set-up was measured with other numbers of clients makes no axis of them.
				if s := &r.Samples[i]; s.Bench == b && x.get(&s.Cell) > 0 && !setUpOnly(s) {
					values[x.get(&s.Cell)] = true
				}
			}
		}
		if len(values) > most {
			best, most = x, len(values)
		}
	}
	return best, most > 0
}

// setUpOnly tells a sample of the set-up by itself, which is in no chart of this package.
func setUpOnly(s *sample.Sample) bool { return s.Bytes == 0 && s.Latency[sample.SetUp].Count > 0 }

// measured are the cells that have a figure.
func (p *panel) measured() []sample.Cell {
	var out []sample.Cell
	for _, line := range p.cells {
		for _, r := range p.runs {
			if len(p.points(r, line, (*sample.Sample).Throughput)) > 0 {
				out = append(out, line)
				break
			}
		}
	}
	if len(out) == 0 {
		return p.cells
	}
	return out
}

// colour is that of a mode, the same in every chart.
func colour(c sample.Cell) int {
	order := map[sample.Mode]int{
		sample.Plain: 0, sample.User: 1, sample.Kernel: 2, sample.CardTx: 3, sample.CardTxRx: 4, sample.CardRx: 5,
		sample.IPsecSoft: 6, sample.IPsecCard: 7, sample.IPsecFull: 3,
	}
	return order[c.Mode]
}

// points are a measure of a line, by the x axis.
func (p *panel) points(r *panelRun, line sample.Cell, measure func(*sample.Sample) float64) []Point {
	by := map[float64][]float64{}
	for i := range r.samples {
		s := &r.samples[i]
		cell := s.Cell
		p.x.clear(&cell)
		if cell != line || !s.Figure() {
			continue
		}
		if v := measure(s); v > 0 {
			by[p.x.get(&s.Cell)] = append(by[p.x.get(&s.Cell)], v)
		}
	}
	var out []Point
	for x, v := range by {
		out = append(out, Point{x, fit.Mean(v)})
	}
	slices.SortFunc(out, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
	return out
}
