// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is that of every interval.
const Confidence = 0.95

// Estimate is a figure with its interval. Where it was measured once, Low and High are NaN.
type Estimate struct {
	Value, Low, High float64
	N                int // measurements
}

// Known tells whether there is an interval.
func (e Estimate) Known() bool { return e.N > 1 && !math.IsNaN(e.Low) }

// student is the quantile of Student's t at Confidence for n measurements.
func student(freedom int) float64 {
	if freedom < 1 {
		return math.Inf(1)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(freedom)}.Quantile(0.5 + Confidence/2)
}

// Mean is the geometric mean of positive figures.
func Mean(v []float64) Estimate {
	if len(v) == 0 {
		return Estimate{math.NaN(), math.NaN(), math.NaN(), 0}
	}
	logs := make([]float64, len(v))
	for i, x := range v {
		logs[i] = math.Log(x)
	}
	m, half := center(logs)
	if len(v) == 1 {
		half = math.NaN()
	}
	return Estimate{math.Exp(m), math.Exp(m - half), math.Exp(m + half), len(v)}
}

// center is the mean and half of its interval, infinite for less than two.
func center(v []float64) (mean, half float64) {
	mean, sd := stat.MeanStdDev(v, nil)
	if len(v) < 2 {
		return mean, math.Inf(1)
	}
	// Equal figures are no proof of no spread: a clock and a counter have a grain.
	return mean, student(len(v)-1) * max(sd/math.Sqrt(float64(len(v))), 1e-9)
}

// Of is a metric of a size, over its turns.
func (z Size) Of(m Metric) Estimate {
	var v []float64
	for i := range z.Turns {
		if x := m(&z.Turns[i]); x > 0 {
			v = append(v, x)
		}
	}
	return Mean(v)
}
