// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"maps"
	"math"
	"slices"
)

// Curve is what a transfer of any size costs on a line, turn by turn. Between two sizes
// that were measured the cost is taken to be linear in the size, as in the model;
// beyond them it goes on as the model does.
type Curve struct {
	sizes []float64
	turns map[int][]float64 // the cost at each size, of turns that have all of them
	model Model
	known bool // there is a model
}

// NewCurve makes the curve of a line; ok is false where no turn has all sizes.
func NewCurve(l *Line, metric Metric) (c *Curve, ok bool) {
	c = &Curve{turns: map[int][]float64{}}
	for i, z := range l.Sizes {
		at := l.at(z.Bytes, metric)
		if len(at) == 0 {
			return nil, false
		}
		c.sizes = append(c.sizes, float64(z.Bytes))
		for turn, v := range at {
			if len(c.turns[turn]) == i {
				c.turns[turn] = append(c.turns[turn], v)
			}
		}
	}
	maps.DeleteFunc(c.turns, func(_ int, v []float64) bool { return len(v) < len(c.sizes) })
	if m, err := Fit(l, metric); err == nil {
		c.model, c.known = m, true
	}
	return c, len(c.turns) > 0
}

// Range is the least and the greatest size that were measured, in bytes.
func (c *Curve) Range() (low, high float64) { return c.sizes[0], c.sizes[len(c.sizes)-1] }

// Turns are those that have all sizes, ascending.
func (c *Curve) Turns() []int { return slices.Sorted(maps.Keys(c.turns)) }

// At is the cost at a size in a turn of Turns.
func (c *Curve) At(turn int, size float64) float64 {
	v := c.turns[turn]
	low, high := c.Range()
	switch {
	case size <= low:
		return v[0] * c.beyond(size, low)
	case size >= high:
		return v[len(v)-1] * c.beyond(size, high)
	}
	i, _ := slices.BinarySearch(c.sizes, size)
	return linear(c.sizes[i-1], c.sizes[i], v[i-1], v[i], size)
}

// beyond is how the cost goes on from the end of what was measured.
func (c *Curve) beyond(size, end float64) float64 {
	if !c.known {
		return size / end
	}
	return c.model.At(size) / c.model.At(end)
}

func linear(x0, x1, y0, y1, x float64) float64 { return y0 + (y1-y0)*(x-x0)/(x1-x0) }

// Ratio is the mean of a/b over the turns that both have, in pairs.
func Ratio(a, b map[int]float64) Estimate {
	var v []float64
	for _, turn := range slices.Sorted(maps.Keys(a)) {
		if y, both := b[turn]; both && a[turn] > 0 && y > 0 {
			v = append(v, a[turn]/y)
		}
	}
	return Mean(v)
}

// Told tells whether the ratio is not 1: on which side all of its interval lies.
func (e Estimate) Told() bool {
	return e.Known() && !math.IsInf(e.High, 0) && (e.Low > 1 || e.High < 1)
}
