// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"bytes"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/nicwright/nicwright/docs/measurements"
	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// slowKeys is the variant of the run in which the card takes so long for a key; onWire and lossy are those in which
// the way goes by two ports and their cables, which lose nothing, or 1% of the frames.
const (
	slowKeys = "set-up 5 s"
	onWire   = "wire"
	lossy    = "1% lost"
)

// The lab's runs that ship: of a weak server, and of a path by two ports.
const (
	weakServer = "lab-weak-server"
	lossyPath  = "lab-lossy-path"
)

// theRun reads a run that ships, or the one of make bench-seed, which is both.
func theRun(t *testing.T, name string) (*sample.Run, map[string]*fit.Line) {
	t.Helper()
	text, err := measurements.Open(name)
	if file := os.Getenv("NICWRIGHT_RUN"); file != "" {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	run, err := sample.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]*fit.Line{}
	for _, l := range fit.Lines(run.Samples, sample.HTTPS) {
		if len(l.Findings) > 0 {
			t.Errorf("%s %s took another path: %s", l.Cell.Mode, l.Cell.Variant, l.Findings[0].Gate.Words)
		}
		lines[string(l.Cell.Mode)+" "+l.Cell.Variant] = l
	}
	return run, lines
}

// per is a metric of one size of a line.
func per(t *testing.T, l *fit.Line, bytes uint64, metric fit.Metric) (sum float64) {
	t.Helper()
	n := 0
	for _, z := range l.Sizes {
		for i := range z.Turns {
			if z.Bytes == bytes {
				sum += metric(&z.Turns[i])
				n++
			}
		}
	}
	if n == 0 {
		t.Fatalf("%s %s has no figure of %d bytes", l.Cell.Mode, l.Cell.Variant, bytes)
	}
	return sum / float64(n)
}

// The measurement that this project began with, in the lab: a card that is slow to make
// keys serves small files at one rate whatever their size, and slower than a program
// does; large ones with less of the processors. Order and crossings are held, no speed.
func TestTheSeedsShape(t *testing.T) {
	_, lines := theRun(t, weakServer)
	user, kernel, card, slow := lines["user "], lines["kernel "], lines["card-tx "], lines["card-tx "+slowKeys]
	for name, l := range map[string]*fit.Line{"user space": user, "kernel": kernel, "card": card, "card, slow": slow} {
		if l == nil {
			t.Fatalf("%s was not measured", name)
		}
		for _, z := range l.Sizes {
			for _, s := range z.Turns {
				device, software := s.Counters["server.TlsTxDevice"], s.Counters["server.TlsTxSw"]
				if (device > 0) != (l.Cell.Mode == sample.CardTx) || (software > 0) != (l.Cell.Mode == sample.Kernel) {
					t.Errorf("%s, %d bytes: %d sessions in the card, %d in the kernel", name, z.Bytes, device, software)
				}
			}
		}
	}
	// Connections a second are flat over size where the set-up is all there is.
	if r := per(t, slow, 100_000, fit.Seconds) / per(t, slow, 10_000, fit.Seconds); r < 0.75 || r > 1.33 {
		t.Errorf("with 5 s for a key, 100 kB take %.2f times as long as 10 kB", r)
	}
	if r := per(t, slow, 10_000, fit.Seconds) / per(t, user, 10_000, fit.Seconds); r < 5 {
		t.Errorf("with 5 s for a key, 10 kB take %.2f times as long as in user space", r)
	}
	if r := per(t, card, 10_000, fit.Seconds) / per(t, user, 10_000, fit.Seconds); r > 1.25 {
		t.Errorf("without a set-up, 10 kB take %.2f times as long as in user space", r)
	}
	for _, l := range []*fit.Line{card, slow} {
		for _, soft := range []*fit.Line{user, kernel} {
			if a, b := per(t, l, 10_000_000, fit.CPU), per(t, soft, 10_000_000, fit.CPU); a >= b {
				t.Errorf("for 10 MB the card (%s) takes %.3g s of the server's processors, %s %.3g s", l.Cell.Variant, a, soft.Cell.Mode, b)
			}
		}
	}
	// The crossing that is found is where the two models have it, as far as they are known.
	for _, soft := range []*fit.Line{user, kernel} {
		c := fit.Compare(soft, slow, fit.Seconds)
		if c.Outcome != fit.Crosses || len(c.Crossings) != 1 || !c.Crossings[0].BAbove {
			t.Fatalf("%s and the slow card: %+v", soft.Cell.Mode, c)
		}
		low, high := modelled(t, soft, slow)
		if x := c.Crossings[0]; x.High < low || high < x.Low || x.High > 10*x.Low || high > 10*low {
			t.Errorf("%s and the slow card cross at %.3g to %.3g bytes, their models at %.3g to %.3g", soft.Cell.Mode, x.Low, x.High, low, high)
		}
		// Without a set-up the card is the better one from smaller files on, by far.
		fast := fit.Compare(soft, card, fit.Seconds)
		for _, x := range fast.Crossings {
			if !x.BAbove || x.High > c.Crossings[0].Low/10 {
				t.Errorf("%s and the card without a set-up cross at %.3g to %.3g bytes", soft.Cell.Mode, x.Low, x.High)
			}
		}
		if fast.Outcome != fit.Crosses && fast.Outcome != fit.BAlways {
			t.Errorf("%s and the card without a set-up: %s", soft.Cell.Mode, fast.Outcome)
		}
	}
}

// modelled is between which sizes the models of two lines cross, with all that their intervals allow.
func modelled(t *testing.T, a, b *fit.Line) (low, high float64) {
	t.Helper()
	x, errX := fit.Fit(a, fit.Seconds)
	y, errY := fit.Fit(b, fit.Seconds)
	if err := errors.Join(errX, errY); err != nil {
		t.Fatal(err)
	}
	low = math.Inf(1)
	both := func(e fit.Estimate) [2]float64 { return [2]float64{e.Low, e.High} }
	for _, a1 := range both(x.A) {
		for _, a2 := range both(y.A) {
			for _, p1 := range both(x.PerByte) {
				for _, p2 := range both(y.PerByte) {
					x.A.Value, y.A.Value, x.PerByte.Value, y.PerByte.Value = a1, a2, p1, p2
					if at, ok := x.Crossing(y); ok {
						low, high = min(low, at), max(high, at)
					}
				}
			}
		}
	}
	return low, high
}

// What was sent again is counted on the path that loses, and on it alone; the card reads a record again for it, and sends on.
func TestLossIsMeasured(t *testing.T) {
	_, lines := theRun(t, lossyPath)
	for variant, want := range map[string][2]float64{onWire: {0, 0.0005}, lossy: {0.004, 0.03}} {
		for _, mode := range []string{"kernel ", "card-tx "} {
			l := lines[mode+variant]
			if l == nil {
				t.Fatalf("%s%s was not measured", mode, variant)
			}
			if again, known := retransmits(l); !known || again < want[0] || again > want[1] {
				t.Errorf("%s%s: %.3g%% of the segments were sent again, known %t", mode, variant, 100*again, known)
			}
		}
	}
}

// Workloads get different answers, each the right one; another card, and another path, change them.
func TestAdviceOnTheSeedsShape(t *testing.T) {
	weak, _ := theRun(t, weakServer)
	path, lines := theRun(t, lossyPath)
	lost, measured := retransmits(lines["card-tx "+lossy]) // where 1% of the frames go
	if !measured {
		t.Fatal("what is sent again where 1% of the frames go was not measured")
	}
	for name, c := range map[string]struct {
		run     *sample.Run // nil: of the weak server
		sizes   string
		options Options
		lost    *float64
		want    []Answer
		split   bool
	}{
		"small files, slow keys":    {sizes: "10k", options: Options{Variant: slowKeys}, want: []Answer{Off}},
		"large files, slow keys":    {sizes: "10M", options: Options{Variant: slowKeys}, want: []Answer{On}},
		"both, slow keys":           {sizes: "10k:90%,10M:10%", options: Options{Variant: slowKeys}, want: []Answer{Off}, split: true},
		"TLS 1.3, slow keys":        {sizes: "10M", options: Options{Variant: slowKeys, TLS: "1.3"}, want: []Answer{Same}},
		"smallish files, slow keys": {sizes: "100k", options: Options{Variant: slowKeys}, want: []Answer{Off}},
		"smallish files":            {sizes: "100k", want: []Answer{On}}, // a key costs nothing
		"both":                      {sizes: "10k:90%,10M:10%", want: []Answer{On}},
		// What was measured without loss says nothing of a path with it, until that has been measured.
		"large files, where 1% goes":                   {sizes: "10M", lost: &lost, want: []Answer{CannotTell}},
		"large files, where 1% goes, measured with it": {run: path, sizes: "10M", options: Options{Variant: lossy}, lost: &lost, want: []Answer{On}},
		"large files, where 1% goes, measured without": {run: path, sizes: "10M", options: Options{Variant: onWire}, lost: &lost, want: []Answer{CannotTell}},
		"large files, by two ports":                    {run: path, sizes: "10M", options: Options{Variant: onWire}, want: []Answer{On}},
	} {
		shares, err := ParseSizes(c.sizes)
		if err != nil {
			t.Fatal(err)
		}
		run := weak
		if c.run != nil {
			run = c.run
		}
		a, err := Advise(run, &Workload{Source: name, Sizes: shares, Retransmits: c.lost}, c.options)
		if err != nil {
			t.Fatal(err)
		}
		is := false
		for _, w := range c.want {
			is = is || a.Tx.Answer == w
		}
		if !is || (a.Split != nil) != c.split {
			t.Errorf("%s: %q, split %t, want %q, %t: %q", name, a.Tx.Answer, a.Split != nil, c.want, c.split, a.Tx.Why)
		}
	}
}
