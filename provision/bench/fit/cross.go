// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"math"
	"slices"
)

// At is the ratio of the costs of two lines at a size.
type At struct {
	Bytes uint64
	Ratio Estimate // how many times a's cost is b's: above 1, b is the better one
}

// Crossing is a size below which one of two lines is the better one, and above which the other is.
type Crossing struct {
	Bytes float64
	// Low and High are the sizes between which the measurement does not tell the two apart; 0 and infinite
	// where that goes on to the end of what was measured.
	Low, High float64
	BAbove    bool // b is the better one above
}

// Outcome is how two lines compare over all sizes.
type Outcome string

// The outcomes.
const (
	Crosses  Outcome = "crosses"
	AAlways  Outcome = "a"        // a is the better one wherever the two are told apart
	BAlways  Outcome = "b"        // b is
	NotTold  Outcome = "not told" // at no size are they told apart
	NoShared Outcome = "no sizes" // no size was measured of both in two turns
)

// Comparison is two lines, compared by one metric.
type Comparison struct {
	A, B      *Line
	Sizes     []At // that both have
	Outcome   Outcome
	Crossings []Crossing
	// Beyond is where the models cross, in bytes, if that is outside of what was measured; 0: nowhere.
	Beyond float64
}

// Compare compares two lines.
func Compare(a, b *Line, metric Metric) Comparison {
	c := Comparison{A: a, B: b, Outcome: NoShared}
	for _, z := range a.Sizes {
		if r := Ratio(a.at(z.Bytes, metric), b.at(z.Bytes, metric)); r.N > 0 {
			c.Sizes = append(c.Sizes, At{z.Bytes, r})
		}
	}
	if !slices.ContainsFunc(c.Sizes, func(x At) bool { return x.Ratio.Known() }) {
		return c
	}
	c.Outcome = NotTold
	c.Crossings = crossings(a, b, metric, c.Sizes)
	aWins := slices.ContainsFunc(c.Sizes, func(x At) bool { return x.Ratio.Told() && x.Ratio.Value < 1 })
	bWins := slices.ContainsFunc(c.Sizes, func(x At) bool { return x.Ratio.Told() && x.Ratio.Value > 1 })
	switch {
	case len(c.Crossings) > 0:
		c.Outcome = Crosses
	case aWins && !bWins:
		c.Outcome = AAlways
	case bWins && !aWins:
		c.Outcome = BAlways
	}
	if c.Outcome == AAlways || c.Outcome == BAlways {
		c.Beyond = beyond(a, b, metric, c)
	}
	return c
}

// beyond is where the models cross outside of what was measured, if that makes the other one the better one there.
func beyond(a, b *Line, metric Metric, c Comparison) float64 {
	ma, errA := Fit(a, metric)
	mb, errB := Fit(b, metric)
	if errA != nil || errB != nil {
		return 0
	}
	// Slopes that are not told apart cross anywhere.
	apart := func(x, y Estimate) bool { return x.Low > y.High || y.Low > x.High }
	at, ok := ma.Crossing(mb)
	low, high := float64(c.Sizes[0].Bytes), float64(c.Sizes[len(c.Sizes)-1].Bytes)
	switch {
	case !ok || at >= low && at <= high:
		return 0
	case at > high && !apart(ma.PerByte, mb.PerByte), at < low && !apart(ma.A, mb.A):
		return 0
	}
	return at
}

// crossings finds where the ratio passes 1. Two lines that lie on one another do so by
// chance: on either side a size is needed at which they are told apart.
func crossings(a, b *Line, metric Metric, at []At) []Crossing {
	var found []Crossing
	for i := 0; i+1 < len(at); i++ {
		below, above := at[i].Ratio.Value > 1, at[i+1].Ratio.Value > 1
		if below == above {
			continue
		}
		told := func(part []At, bWins bool) bool {
			return slices.ContainsFunc(part, func(x At) bool { return x.Ratio.Told() && (x.Ratio.Value > 1) == bWins })
		}
		if !told(at[:i+1], below) || !told(at[i+1:], above) {
			continue
		}
		size, ok := zero(a, b, metric, at[i].Bytes, at[i+1].Bytes)
		if !ok {
			continue
		}
		c := Crossing{Bytes: size, Low: 0, High: math.Inf(1), BAbove: above}
		c.Low, c.High = around(a, b, metric, at, i, size)
		found = append(found, c)
	}
	return found
}

// between is the ratio at a size between two that were measured, by the turns that have both of both.
func between(a, b *Line, metric Metric, low, high uint64, size float64) Estimate {
	part := func(l *Line) map[int]float64 {
		x, y, out := l.at(low, metric), l.at(high, metric), map[int]float64{}
		for turn, v := range x {
			if w, both := y[turn]; both {
				out[turn] = linear(float64(low), float64(high), v, w, size)
			}
		}
		return out
	}
	return Ratio(part(a), part(b))
}

// zero finds the size at which the ratio is 1, by halving the interval in the logarithm.
func zero(a, b *Line, metric Metric, low, high uint64) (float64, bool) {
	x, y := math.Log(float64(low)), math.Log(float64(high))
	at := func(z float64) float64 { return between(a, b, metric, low, high, math.Exp(z)).Value - 1 }
	left := at(x)
	if math.IsNaN(left) || (left > 0) == (at(y) > 0) {
		return 0, false // turns differ: those that have all four figures do not cross
	}
	for range 60 {
		z := (x + y) / 2
		if (at(z) > 0) == (left > 0) {
			x = z
		} else {
			y = z
		}
	}
	return math.Exp((x + y) / 2), true
}

// around walks from a crossing to both sides, as long as the two are not told apart.
func around(a, b *Line, metric Metric, at []At, segment int, from float64) (low, high float64) {
	const step = 0.004 // of the logarithm
	told := func(i int, z float64) bool {
		return between(a, b, metric, at[i].Bytes, at[i+1].Bytes, math.Exp(z)).Told()
	}
	low, high = 0, math.Inf(1)
	for i, z := segment, math.Log(from); i >= 0; z -= step {
		if z < math.Log(float64(at[i].Bytes)) {
			if at[i].Ratio.Told() {
				low = float64(at[i].Bytes)
				break
			}
			i--
			continue
		}
		if told(i, z) {
			low = math.Exp(z)
			break
		}
	}
	for i, z := segment, math.Log(from); i+1 < len(at); z += step {
		if z > math.Log(float64(at[i+1].Bytes)) {
			if at[i+1].Ratio.Told() {
				high = float64(at[i+1].Bytes)
				break
			}
			i++
			continue
		}
		if told(i, z) {
			high = math.Exp(z)
			break
		}
	}
	return low, high
}
