// SPDX-License-Identifier: Apache-2.0

// Package chart draws what a bench measured: figures over a size (or another axis of
// the matrix), both axes logarithmic, a line a mode with its interval, as SVG, PNG, one
// HTML page, and for a terminal. Two runs can lie over one another.
package chart

import (
	"math"

	"github.com/nicwright/nicwright/provision/bench/fit"
)

// Chart is what is drawn, whatever draws it.
type Chart struct {
	Title    string
	Subtitle string // conditions
	X, Y     Axis
	Series   []Series
	Bands    []Band // sizes at which two lines cross
	// Notes are what has to be said beside the lines: findings, crossings, flags.
	Notes []string

	// cost and figure turn a y at x into the cost of a transfer, and back. Between two points the cost is
	// linear in x, as fit takes it, so that lines cross where fit says; nil: a straight line as it is drawn.
	cost, figure func(x, y float64) float64
}

// Axis is one of the two; both are logarithmic.
type Axis struct {
	Label string
	Unit  Unit
}

// Series is one line.
type Series struct {
	Label  string
	Colour int  // of the palette: the same mode has the same in every chart
	Dashed bool // of the second run, or of a higher percentile
	Points []Point
}

// Point is one figure. Where its interval is not known, only the value is drawn.
type Point struct {
	X float64
	Y fit.Estimate
}

// Band is a part of the x axis.
type Band struct{ From, To float64 }

// limits are the least and greatest of both axes, intervals cut at a factor of three: one of
// two runs is not to become the whole chart.
func (c *Chart) limits() (x0, x1, y0, y1 float64, ok bool) {
	first := true
	for _, s := range c.Series {
		for _, p := range s.Points {
			low, high := p.bar()
			if first {
				x0, x1, y0, y1, first = p.X, p.X, low, high, false
			}
			x0, x1, y0, y1 = min(x0, p.X), max(x1, p.X), min(y0, low), max(y1, high)
		}
	}
	return x0, x1, y0, y1, !first
}

// between is the figure at an x between two points.
func (c *Chart) between(p, q Point, x float64) float64 {
	if c.cost == nil {
		t := math.Log(x/p.X) / math.Log(q.X/p.X)
		return math.Exp((1-t)*math.Log(p.Y.Value) + t*math.Log(q.Y.Value))
	}
	t := (x - p.X) / (q.X - p.X)
	return c.figure(x, (1-t)*c.cost(p.X, p.Y.Value)+t*c.cost(q.X, q.Y.Value))
}

// bar is the interval as it is drawn.
func (p Point) bar() (low, high float64) {
	if !p.Y.Known() {
		return p.Y.Value, p.Y.Value
	}
	return max(p.Y.Low, p.Y.Value/3), min(p.Y.High, p.Y.Value*3)
}
