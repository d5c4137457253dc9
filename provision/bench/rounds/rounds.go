// SPDX-License-Identifier: Apache-2.0

// Package rounds measures the cells of a matrix in rounds: every cell once a turn, in
// an order that is random and can be had again, until each is known as well as is
// wanted; and judges what was measured by what else was used meanwhile. What a cell is
// and how it is measured is its caller's.
package rounds

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Plan is what is measured, how often.
type Plan struct {
	Cells    []sample.Cell // different ones
	Control  sample.Cell   // measured twice a turn before the others, as if it were two (A/A)
	Controls int           // its turns; 0: none
	Turns    int           // at least, from 1
	Interval float64       // half of each cell's as a part of its figure, 0.05 is 5%; 0: no more than Turns
	Time     time.Duration // after which no cell is begun
	Seed     uint64        // of the order
	Before   int           // samples of the same run that this plan did not make: orders are counted from there
	// Measure measures a cell once. What keeps it from being measured is a finding in its sample; an error ends all.
	Measure func(context.Context, sample.Cell) (sample.Sample, error)
	// Write gets each sample, complete.
	Write func(sample.Sample) error
	// Now is the clock; nil: the time of day.
	Now func() time.Time
}

// hopeless is after how many findings a cell is left out: its path will not change.
const hopeless = 2

type run struct {
	Plan
	random   *rand.Rand
	start    time.Time
	order    int
	figures  map[sample.Cell][]float64 // bytes a second
	findings map[sample.Cell]int
}

// Run measures until the plan is fulfilled or its time is over. An error is Measure's,
// Write's, or the end of ctx.
func (p Plan) Run(ctx context.Context) error {
	if p.Now == nil {
		p.Now = time.Now
	}
	r := &run{
		Plan: p, random: rand.New(rand.NewPCG(p.Seed, 0)), //nolint:gosec // an order, no secret
		start: p.Now(), order: p.Before, figures: map[sample.Cell][]float64{}, findings: map[sample.Cell]int{},
	}
	for turn := 1; turn <= p.Controls; turn++ {
		for _, half := range r.random.Perm(2) {
			if r.late() {
				return nil
			}
			if err := r.one(ctx, p.Control, turn, half+1); err != nil {
				return err
			}
		}
	}
	for turn := 1; ; turn++ {
		open := slices.DeleteFunc(slices.Clone(p.Cells), func(c sample.Cell) bool { return r.findings[c] >= hopeless })
		if len(open) == 0 || turn > p.Turns && !slices.ContainsFunc(open, r.unsure) {
			return nil
		}
		r.random.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		for _, c := range open {
			if r.late() {
				return nil
			}
			if err := r.one(ctx, c, turn, 0); err != nil {
				return err
			}
		}
	}
}

func (r *run) late() bool { return r.Now().Sub(r.start) > r.Time }

func (r *run) unsure(c sample.Cell) bool { return Unsure(r.figures[c], r.Interval) }

// Unsure tells whether the interval of figures is wider than wanted; 0 wants none.
func Unsure(figures []float64, wanted float64) bool {
	if wanted == 0 {
		return false
	}
	e := fit.Mean(figures)
	return !e.Known() || (e.High-e.Low)/2 > wanted*e.Value
}

func (r *run) one(ctx context.Context, c sample.Cell, turn, control int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s, err := r.Measure(ctx, c)
	if err != nil {
		return err
	}
	r.order++
	s.Turn, s.Order, s.Control = turn, r.order, control
	switch {
	case control > 0:
	case s.Figure():
		r.figures[c] = append(r.figures[c], s.Throughput())
	default:
		r.findings[c]++
	}
	return r.Write(s)
}
