// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"errors"
	"math"
	"testing"

	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/sample/sampletest"
)

func lines(t *testing.T, samples []sample.Sample, want int) []*Line {
	t.Helper()
	l := Lines(samples, sample.HTTPS)
	if len(l) != want {
		t.Fatalf("%d lines, want %d", len(l), want)
	}
	return l
}

func TestTheModelIsFoundWithItsUncertainty(t *testing.T) {
	truth := sampletest.CardTruth
	a, b := 0, 0
	const runs = 200
	for seed := range uint64(runs) {
		l := lines(t, sampletest.Samples(seed, 5, 0, sampletest.Sizes, truth), 1)
		m, err := Fit(l[0], Seconds)
		if err != nil {
			t.Fatal(err)
		}
		if m.A.Low <= truth.A && truth.A <= m.A.High {
			a++
		}
		if r := m.Rate(); r.Low <= truth.B && truth.B <= r.High {
			b++
		}
		if m.Misfit > 0.1 {
			t.Errorf("seed %d: a misfit of %v at %d", seed, m.Misfit, m.MisfitAt)
		}
	}
	// Of 95% intervals of 200 runs, less than 180 that hold the truth are seen once in several hundred times.
	if a < 180 || b < 180 {
		t.Errorf("of %d intervals %d have a, %d have b", runs, a, b)
	}
}

func TestOutliersDoNotMoveTheModel(t *testing.T) {
	truth := sampletest.UserTruth
	samples := sampletest.Samples(3, 6, 0, sampletest.Sizes, truth)
	for i := range samples {
		if samples[i].Turn == 4 {
			samples[i].Seconds *= 6 // the machine did something else
		}
	}
	m, err := Fit(lines(t, samples, 1)[0], Seconds)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(m.A.Value/truth.A-1) > 0.1 || math.Abs(m.Rate().Value/truth.B-1) > 0.1 {
		t.Errorf("a %v, b %v, want %v, %v", m.A, m.Rate(), truth.A, truth.B)
	}
}

func TestAModelThatDoesNotFitSaysSo(t *testing.T) {
	samples := sampletest.Samples(1, 6, 0, sampletest.Sizes, sampletest.UserTruth)
	for i := range samples {
		if samples[i].Cell.Size == 1_000_000 {
			samples[i].Seconds *= 2
		}
	}
	l := lines(t, samples, 1)[0]
	m, err := Fit(l, Seconds)
	if err != nil {
		t.Fatal(err)
	}
	good, err := Fit(lines(t, sampletest.Samples(1, 6, 0, sampletest.Sizes, sampletest.UserTruth), 1)[0], Seconds)
	if err != nil {
		t.Fatal(err)
	}
	if m.Misfit < 0.2 || m.PerByte.High-m.PerByte.Low < 3*(good.PerByte.High-good.PerByte.Low) {
		t.Errorf("misfit %v at %d, interval %v; without it %v", m.Misfit, m.MisfitAt, m.PerByte, good.PerByte)
	}
}

func TestOneSizeIsNoModel(t *testing.T) {
	l := lines(t, sampletest.Samples(1, 5, 0, sampletest.Sizes[:1], sampletest.UserTruth), 1)
	if _, err := Fit(l[0], Seconds); !errors.Is(err, ErrFewSizes) {
		t.Errorf("%v", err)
	}
}

func TestAModelHasNoNegativeParts(t *testing.T) {
	for name, truth := range map[string]sampletest.Truth{
		"no set-up":   {Cell: sampletest.UserTruth.Cell, A: 1e-12, B: 1e9, Noise: 0.1},
		"bytes free":  {Cell: sampletest.UserTruth.Cell, A: 1e-3, B: 1e18, Noise: 0.1},
		"both counts": {Cell: sampletest.UserTruth.Cell, A: 1e-3, B: 1e9, Noise: 0.5},
	} {
		for seed := range uint64(20) {
			m, err := Fit(lines(t, sampletest.Samples(seed, 3, 0, sampletest.Sizes, truth), 1)[0], Seconds)
			if err != nil || !(m.A.Value >= 0 && m.PerByte.Value >= 0 && m.A.Low >= 0 && m.PerByte.Low >= 0) {
				t.Errorf("%s, seed %d: %+v, %v", name, seed, m, err)
			}
		}
	}
}

// What the tool finds is where the truth is, whatever the machine does meanwhile.
func TestTheCrossingIsWhereTheModelPutsIt(t *testing.T) {
	user, card := sampletest.UserTruth, sampletest.CardTruth
	truth := (card.A - user.A) / (1/user.B - 1/card.B)
	held, own := 0, 0
	const runs = 100
	for seed := range uint64(runs) {
		l := lines(t, sampletest.Samples(seed, 5, 0.3, sampletest.Sizes, user, card), 2)
		c := Compare(l[0], l[1], Seconds)
		if c.Outcome != Crosses || len(c.Crossings) != 1 || !c.Crossings[0].BAbove {
			t.Fatalf("seed %d: %v, %+v", seed, c.Outcome, c.Crossings)
		}
		x := c.Crossings[0]
		if x.Low <= truth && truth <= x.High {
			held++
		}
		if x.Low > x.Bytes || x.High < x.Bytes || x.Bytes < 0.7*truth || x.Bytes > 1.4*truth {
			t.Errorf("seed %d: %+v, the truth is %.0f", seed, x, truth)
		}
		mu, _ := Fit(l[0], Seconds)
		mc, _ := Fit(l[1], Seconds)
		if at, ok := mu.Crossing(mc); ok && x.Low <= at && at <= x.High {
			own++
		}
	}
	if held < 88 || own < 80 {
		t.Errorf("of %d intervals %d have the truth (%.0f bytes), %d what the models say", runs, held, truth, own)
	}
}

func TestNoCrossingIsMadeUp(t *testing.T) {
	user, card := sampletest.UserTruth, sampletest.CardTruth
	better, same, later := card, user, card
	better.A, better.B = user.A/2, user.B*2
	same.Cell = card.Cell
	later.A = 0.02
	for name, c := range map[string]struct {
		b    sampletest.Truth
		want Outcome
	}{
		"better at every size": {better, BAlways},
		"the same":             {same, NotTold},
		"beyond":               {later, AAlways},
	} {
		t.Run(name, func(t *testing.T) {
			l := lines(t, sampletest.Samples(11, 5, 0.1, sampletest.Sizes, user, c.b), 2)
			got := Compare(l[0], l[1], Seconds)
			if got.Outcome != c.want || len(got.Crossings) > 0 {
				t.Errorf("%v, %+v", got.Outcome, got.Crossings)
			}
			truth := (c.b.A - user.A) / (1/user.B - 1/c.b.B)
			if beyond := got.Beyond > 0; beyond != (name == "beyond") || beyond && (got.Beyond < truth/1.5 || got.Beyond > truth*1.5) {
				t.Errorf("beyond %v, the truth is %v", got.Beyond, truth)
			}
		})
	}
}

// One turn says nothing of the spread: nothing is told.
func TestOneTurnTellsNothing(t *testing.T) {
	l := lines(t, sampletest.Samples(1, 1, 0, sampletest.Sizes, sampletest.UserTruth, sampletest.CardTruth), 2)
	if c := Compare(l[0], l[1], Seconds); c.Outcome != NoShared || len(c.Sizes) != 4 || c.Sizes[0].Ratio.Told() {
		t.Errorf("%+v", c)
	}
}

// Noise so large that the sizes on both sides are not told apart gives an interval to the end.
func TestAnIntervalGoesToTheEndOfWhatWasMeasured(t *testing.T) {
	user, card := sampletest.UserTruth, sampletest.CardTruth
	sizes := []uint64{10_000, 100_000, 1_000_000, 3_000_000}
	card.Noise, user.Noise = 0.35, 0.35
	open := 0
	for seed := range uint64(60) {
		l := lines(t, sampletest.Samples(seed, 3, 0, sizes, user, card), 2)
		for _, x := range Compare(l[0], l[1], Seconds).Crossings {
			if math.IsInf(x.High, 1) {
				t.Errorf("seed %d: a crossing is reported though nothing above it is told apart: %+v", seed, x)
			}
			open++
		}
	}
	if open == 60 {
		t.Error("every run has a crossing, with noise of a third and three turns")
	}
}

func TestOnlyWhatRanAsSaidIsAFigure(t *testing.T) {
	wrong := sampletest.CardTruth
	wrong.Cell.TLS, wrong.Finding = "1.3", "kernel TLS in the card, TLS 1.3: all in software"
	samples := sampletest.Samples(1, 2, 0, sampletest.Sizes, sampletest.UserTruth, wrong)
	control := samples[0]
	control.Control = 1
	l := lines(t, append(samples, control), 2)
	if len(l[0].Sizes) != 4 || len(l[0].Findings) != 0 || len(l[1].Sizes) != 0 || len(l[1].Findings) != 8 || len(l[0].Sizes[0].Turns) != 2 {
		t.Errorf("%+v\n%+v", l[0], l[1])
	}
}

func TestACurveGoesThroughWhatWasMeasured(t *testing.T) {
	truth := sampletest.CardTruth
	truth.Noise = 0
	l := lines(t, sampletest.Samples(1, 2, 0, sampletest.Sizes, truth), 1)
	c, ok := NewCurve(l[0], Seconds)
	if !ok || len(c.Turns()) != 2 {
		t.Fatal("no curve")
	}
	for _, size := range []float64{1000, 10_000, 50_000, 2_345_678, 10_000_000, 1e9} {
		if got, want := c.At(1, size), truth.A+size/truth.B; math.Abs(got/want-1) > 1e-6 {
			t.Errorf("%v bytes: %v s, want %v", size, got, want)
		}
	}
}
