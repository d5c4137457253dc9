// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Model is t(size) = A + size/B: what a transfer costs before its first byte, and how
// fast its bytes are. Unit is that of the metric: seconds, or seconds of processors.
type Model struct {
	A       Estimate // unit; at least 0
	PerByte Estimate // unit a byte: 1/B; at least 0
	// Misfit is how far, at most, the mean of a size is from the model: 0.2 is 20%.
	Misfit   float64
	MisfitAt uint64 // bytes
}

// At is what a transfer of so many bytes costs.
func (m Model) At(size float64) float64 { return m.A.Value + size*m.PerByte.Value }

// Rate is B in bytes a unit of the metric; infinite where a byte costs nothing that could be measured.
func (m Model) Rate() Estimate {
	return Estimate{1 / m.PerByte.Value, 1 / m.PerByte.High, 1 / m.PerByte.Low, m.PerByte.N}
}

// ErrFewSizes is that of a line with less than two sizes.
var ErrFewSizes = errors.New("a model takes figures of two sizes at least")

// observation is one figure.
type observation struct{ size, t, weight float64 }

// Fit finds the model of a line. Errors of figures are relative, so it minimises
// relative residuals, with Huber's weights against outliers. The interval is wider
// where the sizes' means do not lie on a line (a test for lack of fit). Errors: ErrFewSizes.
func Fit(l *Line, metric Metric) (Model, error) {
	var obs []observation
	var sizes []float64
	for _, z := range l.Sizes {
		for _, t := range l.at(z.Bytes, metric) {
			obs = append(obs, observation{float64(z.Bytes), t, 1})
			sizes = append(sizes, float64(z.Bytes))
		}
	}
	// Maps have no order, and sums of floats depend on it.
	slices.SortFunc(obs, func(a, b observation) int {
		if a.size != b.size {
			return int(math.Copysign(1, a.size-b.size))
		}
		return int(math.Copysign(1, a.t-b.t))
	})
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	if len(sizes) < 2 {
		return Model{}, fmt.Errorf("%w: %s has %d", ErrFewSizes, l.Cell.Mode, len(sizes))
	}
	s := &solver{obs: obs}
	s.start()
	for range 100 {
		a, p := s.a, s.p
		s.huber()
		s.solve()
		if math.Abs(s.a-a) <= 1e-10*s.a && math.Abs(s.p-p) <= 1e-10*s.p {
			break
		}
	}
	return s.model(sizes), nil
}

// solver holds the present a and p = 1/b.
type solver struct {
	obs  []observation
	a, p float64
	// the inverse of the normal equations' matrix
	vaa, vpp float64
}

func (s *solver) at(size float64) float64 { return s.a + size*s.p }

// start takes a from the least size and the slope from both ends.
func (s *solver) start() {
	first, last := s.obs[0], s.obs[len(s.obs)-1]
	s.p = max((last.t-first.t)/(last.size-first.size), last.t/last.size*1e-6)
	s.a = max(first.t-first.size*s.p, first.t*1e-6)
}

// huber gives weights: full up to 1.345 robust standard deviations, then less and less.
func (s *solver) huber() {
	r := make([]float64, len(s.obs))
	for i, o := range s.obs {
		r[i] = math.Abs(o.t/s.at(o.size) - 1)
	}
	sorted := slices.Sorted(slices.Values(r))
	scale := max(sorted[len(sorted)/2]/0.6745, 1e-6)
	for i := range s.obs {
		s.obs[i].weight = min(1, 1.345*scale/max(r[i], 1e-12))
	}
}

// solve minimises the weighted squares of (t - a - size p)/fitted, for a and p that are not negative.
func (s *solver) solve() {
	var saa, sap, spp, sat, spt float64
	for _, o := range s.obs {
		w := o.weight / (s.at(o.size) * s.at(o.size))
		saa, sap, spp = saa+w, sap+w*o.size, spp+w*o.size*o.size
		sat, spt = sat+w*o.t, spt+w*o.size*o.t
	}
	det := saa*spp - sap*sap
	s.vaa, s.vpp = spp/det, saa/det
	s.a, s.p = (spp*sat-sap*spt)/det, (saa*spt-sap*sat)/det
	switch {
	case s.a < 0: // the least sum on the edge
		s.a, s.p = 0, spt/spp
	case s.p < 0:
		s.a, s.p = sat/saa, 0
	}
}

func (s *solver) model(sizes []float64) Model {
	n, k := len(s.obs), len(sizes)
	m := Model{}
	var lack, pure float64
	for _, size := range sizes {
		var r []float64
		for _, o := range s.obs {
			if o.size == size {
				r = append(r, math.Sqrt(o.weight)*(o.t/s.at(o.size)-1))
			}
		}
		mean := 0.0
		for _, x := range r {
			mean += x / float64(len(r))
		}
		lack += float64(len(r)) * mean * mean
		for _, x := range r {
			pure += (x - mean) * (x - mean)
		}
		if math.Abs(mean) > m.Misfit {
			m.Misfit, m.MisfitAt = math.Abs(mean), uint64(size)
		}
	}
	variance, freedom := (lack+pure)/float64(max(n-2, 1)), n-2
	if k > 2 && n > k && pure > 0 {
		ratio := lack / float64(k-2) / (pure / float64(n-k))
		if (distuv.F{D1: float64(k - 2), D2: float64(n - k)}).Survival(ratio) < 1-Confidence {
			variance, freedom = lack/float64(k-2), k-2 // repeats do not make the model truer
		}
	}
	estimate := func(v, unscaled float64) Estimate {
		half := student(freedom) * math.Sqrt(max(variance, 1e-18)*unscaled)
		if freedom < 1 {
			half = math.NaN()
		}
		return Estimate{v, max(v-half, 0), v + half, n}
	}
	m.A, m.PerByte = estimate(s.a, s.vaa), estimate(s.p, s.vpp)
	return m
}

// Crossing is the size at which two models cost the same, and ok tells whether there is
// one above 0: that of less set-up and slower bytes is the cheaper one below it.
func (m Model) Crossing(other Model) (size float64, ok bool) {
	size = (m.A.Value - other.A.Value) / (other.PerByte.Value - m.PerByte.Value)
	return size, size > 0 && !math.IsInf(size, 0)
}
