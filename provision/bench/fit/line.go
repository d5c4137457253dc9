// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"cmp"
	"slices"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Line is one way to do the work.
type Line struct {
	Bench sample.Bench
	Cell  sample.Cell // Size is 0
	Sizes []Size      // ascending
	// Findings are the samples in which another path ran than the line says.
	Findings []sample.Sample
}

// Size has the figures of one size, by turn.
type Size struct {
	Bytes uint64
	Turns []sample.Sample // ascending, one a turn
}

// Metric is a cost of one transfer of a sample's size: less is better. A sample that
// does not tell it gives 0.
type Metric func(*sample.Sample) float64

// Seconds are those that a transfer takes of the whole system: with n of them on
// their way at one time, a client waits n times as long.
func Seconds(s *sample.Sample) float64 {
	return s.Seconds * float64(s.Cell.Size) / float64(s.Bytes)
}

// CPU is seconds of the server's processors for a transfer.
func CPU(s *sample.Sample) float64 {
	return s.CPU.Server * float64(s.Cell.Size) / float64(s.Bytes)
}

// Lines groups the samples of a bench, in the order in which its lines first appear.
// The A/A control is left out. Where a cell was measured twice in a turn the later counts.
func Lines(samples []sample.Sample, bench sample.Bench) []*Line {
	var lines []*Line
	by := map[sample.Cell]*Line{}
	for _, s := range samples {
		if s.Bench != bench || s.Control != 0 {
			continue
		}
		c := s.Cell
		c.Size = 0
		l := by[c]
		if l == nil {
			l = &Line{Bench: bench, Cell: c}
			by[c] = l
			lines = append(lines, l)
		}
		if s.Gate.Verdict == sample.Finding {
			l.Findings = append(l.Findings, s)
		} else if s.Figure() {
			l.add(s)
		}
	}
	return lines
}

func (l *Line) add(s sample.Sample) {
	i, found := slices.BinarySearchFunc(l.Sizes, s.Cell.Size, func(z Size, b uint64) int { return cmp.Compare(z.Bytes, b) })
	if !found {
		l.Sizes = slices.Insert(l.Sizes, i, Size{Bytes: s.Cell.Size})
	}
	z := &l.Sizes[i]
	j, found := slices.BinarySearchFunc(z.Turns, s.Turn, func(x sample.Sample, turn int) int { return cmp.Compare(x.Turn, turn) })
	if found {
		z.Turns[j] = s
	} else {
		z.Turns = slices.Insert(z.Turns, j, s)
	}
}

// at gives a metric of a size by turn.
func (l *Line) at(size uint64, m Metric) map[int]float64 {
	out := map[int]float64{}
	for i := range l.Sizes {
		if l.Sizes[i].Bytes != size {
			continue
		}
		for j := range l.Sizes[i].Turns {
			if v := m(&l.Sizes[i].Turns[j]); v > 0 {
				out[l.Sizes[i].Turns[j].Turn] = v
			}
		}
	}
	return out
}

// Flagged counts the samples of the line that are flagged so, and all of its figures.
func (l *Line) Flagged(f sample.Flag) (flagged, all int) {
	for _, z := range l.Sizes {
		for i := range z.Turns {
			all++
			if z.Turns[i].Has(f) {
				flagged++
			}
		}
	}
	return flagged, all
}
