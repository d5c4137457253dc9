// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// measure is one kind of chart.
type measure struct {
	name, title, axis string // name: in a file's
	unit              Unit
	get               func(*sample.Sample) float64
	second            func(*sample.Sample) float64 // drawn dashed beside it, where one run is shown
	first, other      string                       // what the two are called, where there is a second
	cost, figure      func(x, y float64) float64   // of Chart, over size
	metric            fit.Metric                   // by which lines are compared; nil: not at all
	of                []sample.Bench
}

func measures() []measure {
	latency := func(get func(sample.Percentiles) float64) func(*sample.Sample) float64 {
		return func(s *sample.Sample) float64 { return get(s.Latency[sample.Whole]) }
	}
	every := []sample.Bench{sample.HTTPS, sample.NFS, sample.IPsec}
	return []measure{
		{name: "throughput", title: "Throughput", axis: "content a second", unit: PerSecond, get: (*sample.Sample).Throughput, cost: quotient, figure: quotient, metric: fit.Seconds, of: every},
		{name: "requests", title: "Requests a second", axis: "requests a second", unit: Rate, cost: inverse, figure: inverse, get: func(s *sample.Sample) float64 { return float64(s.Operations) / s.Seconds }, of: []sample.Bench{sample.HTTPS, sample.NFS}},
		{name: "cpu", title: "Processor time of the server", axis: "seconds of processors for a GB", unit: SecondsPerGB, cost: func(x, y float64) float64 { return x * y }, figure: func(x, t float64) float64 { return t / x }, get: func(s *sample.Sample) float64 { return s.CPU.Server / (float64(s.Bytes) / 1e9) }, metric: fit.CPU, of: every},
		{
			name: "latency", title: "Time of a request", axis: "from its beginning to its last byte", unit: Seconds, cost: same, figure: same, of: []sample.Bench{sample.HTTPS, sample.NFS},
			get:    latency(func(p sample.Percentiles) float64 { return p.P50 }),
			second: latency(func(p sample.Percentiles) float64 { return p.P99 }), first: "p50", other: "p99",
		},
	}
}

func quotient(x, y float64) float64 { return x / y }
func inverse(_, y float64) float64  { return 1 / y }
func same(_, y float64) float64     { return y }

// Named is a chart and the name of its file, without what comes after the dot.
type Named struct {
	Name string
	*Chart
}

// FromRuns makes the charts of one run, or of two, of which the second is drawn dashed.
// A chart without a figure is left out. Names are unlike: throughput, throughput-2 ...
func FromRuns(runs ...*sample.Run) []Named {
	var all []Named
	count := map[string]int{}
	for _, b := range []sample.Bench{sample.HTTPS, sample.NFS, sample.IPsec} {
		for _, p := range panels(b, runs) {
			for _, m := range measures() {
				if !slices.Contains(m.of, b) {
					continue
				}
				c := p.chart(m)
				if len(c.Series) == 0 {
					continue
				}
				name := string(b) + "-" + m.name
				if count[name]++; count[name] > 1 {
					name = fmt.Sprintf("%s-%d", name, count[name])
				}
				all = append(all, Named{name, c})
			}
		}
	}
	return all
}

// runWords name the runs where there are two.
func (p *panel) runWords(i int) string {
	if len(p.runs) < 2 {
		return ""
	}
	if t := p.runs[i].header.Title; t != "" && p.runs[0].header.Title != p.runs[1].header.Title {
		return t
	}
	return fmt.Sprintf("run %d", i+1)
}

func (p *panel) chart(m measure) *Chart {
	c := &Chart{
		Title: benchWords(p.bench) + ": " + lower(m.title) + " over " + p.x.label,
		X:     Axis{p.x.label, p.x.unit}, Y: Axis{m.axis, m.unit},
	}
	if p.bench == sample.HTTPS && p.x.unit == Bytes {
		c.cost, c.figure = m.cost, m.figure
	}
	c.Subtitle = conditions(p.bench, p.measured())
	for i, r := range p.runs {
		if a := about(r.header); a != "" {
			if w := p.runWords(i); w != "" {
				a = w + ": " + a
			}
			c.Subtitle += "; " + a
		}
	}
	for i, r := range p.runs {
		for _, line := range p.cells {
			label := LineWords(p.bench, line, p.measured())
			if w := p.runWords(i); w != "" {
				label += " (" + w + ")"
			}
			p.add(c, r, line, m, label, i > 0)
		}
	}
	p.notes(c, m)
	return c
}

func (p *panel) add(c *Chart, r *panelRun, line sample.Cell, m measure, label string, dashed bool) {
	points := p.points(r, line, m.get)
	if len(points) == 0 {
		return
	}
	// Lines of one mode that differ in something else need colours of their own.
	of := colour(line)
	for slices.ContainsFunc(c.Series, func(s Series) bool { return s.Colour == of && s.Dashed == dashed }) && of < colour(line)+len(palette) {
		of++
	}
	of %= len(palette)
	two := m.second != nil && len(p.runs) == 1
	name := label
	if two {
		name += ", " + m.first
	}
	c.Series = append(c.Series, Series{Label: name, Colour: of, Dashed: dashed, Points: points})
	if !two {
		return
	}
	if more := p.points(r, line, m.second); len(more) > 0 {
		c.Series = append(c.Series, Series{Label: label + ", " + m.other, Colour: of, Dashed: true, Points: more})
	}
}

func benchWords(b sample.Bench) string {
	switch b {
	case sample.NFS:
		return "NFS"
	case sample.IPsec:
		return "IPsec"
	case sample.HTTPS:
	}
	return "HTTPS"
}

func lower(s string) string { return string(s[0]|0x20) + s[1:] }
