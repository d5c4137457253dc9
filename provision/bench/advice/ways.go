// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/nicwright/nicwright/provision/bench/chart"
	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Way is one way to serve the workload, and what is to be expected of it.
type Way struct {
	Mode sample.Mode `json:"mode"`
	// Transfers a second, bytes of content a second, seconds of the server's processors for a GB and for 1000 transfers.
	Transfers  Figure `json:"transfers"`
	Throughput Figure `json:"throughput"`
	CPU        Figure `json:"cpu_per_gb"`
	CPUEach    Figure `json:"cpu_per_1000"`
	// Beyond is the share of the cost, 0 to 1, of sizes out of those measured, where the line may yet turn.
	Beyond float64 `json:"beyond,omitempty"`

	line      *fit.Line
	time, cpu map[int]float64 // the cost of a transfer of the workload, by turn
}

// Figure is an estimate as JSON has it: where there is no interval, or no figure, it is left out.
type Figure struct {
	Value float64  `json:"value"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
}

// figure scales an estimate: of a cost, or of what is got for one.
func figure(e fit.Estimate, per float64, inverse bool) Figure {
	scale := func(v float64) float64 {
		if inverse {
			return per / v
		}
		return per * v
	}
	if e.N == 0 || math.IsNaN(e.Value) {
		return Figure{}
	}
	f := Figure{Value: scale(e.Value)}
	if low, high := scale(e.Low), scale(e.High); e.Known() && !math.IsInf(low, 0) && !math.IsInf(high, 0) {
		low, high = min(low, high), max(low, high)
		f.Low, f.High = &low, &high
	}
	return f
}

// lines are those of the run that serve as the workload does, one a mode: of the
// asked TLS version, and of all else the cells that are nearest to what is asked.
func lines(run *sample.Run, o Options) (map[sample.Mode]*fit.Line, sample.Cell) {
	var candidates []*fit.Line
	for _, l := range fit.Lines(run.Samples, sample.HTTPS) {
		if l.Cell.Mode != sample.Plain && l.Cell.TLS != o.TLS || l.Cell.KeepAlive != o.KeepAlive || l.Cell.Rate > 0 {
			continue
		}
		if l.Cell.Variant != "" && l.Cell.Variant != o.Variant {
			continue
		}
		candidates = append(candidates, l)
	}
	// What all modes are to have in common: whatever most of them have, of those that are nearest.
	type common struct {
		clients    int
		cipher     string
		resumption bool
	}
	of := func(l *fit.Line) common { return common{l.Cell.Clients, l.Cell.Cipher, l.Cell.Resumption} }
	modes := map[common]int{}
	for _, l := range candidates {
		if len(l.Sizes) > 0 && l.Cell.Mode != sample.Plain {
			modes[of(l)]++
		}
	}
	far := func(c common) float64 {
		if o.Clients == 0 {
			return 0
		}
		return math.Abs(math.Log(float64(c.clients) / float64(o.Clients)))
	}
	var order []common
	for c := range modes {
		order = append(order, c)
	}
	slices.SortFunc(order, func(a, b common) int {
		return cmp.Or(-cmp.Compare(min(modes[a], 2), min(modes[b], 2)), cmp.Compare(far(a), far(b)), -cmp.Compare(modes[a], modes[b]), -cmp.Compare(a.clients, b.clients), cmp.Compare(a.cipher, b.cipher))
	})
	if len(order) == 0 {
		return nil, sample.Cell{}
	}
	out := map[sample.Mode]*fit.Line{}
	for _, l := range candidates {
		if of(l) != order[0] {
			continue
		}
		have := out[l.Cell.Mode]
		// The variant that is asked for goes before what has none, sendfile before none.
		better := have == nil || l.Cell.Variant == o.Variant && have.Cell.Variant != o.Variant ||
			l.Cell.Variant == have.Cell.Variant && l.Cell.Sendfile && !have.Cell.Sendfile
		if better && (len(l.Sizes) > 0 || have == nil) {
			out[l.Cell.Mode] = l
		}
	}
	return out, sample.Cell{Clients: order[0].clients, Cipher: order[0].cipher, Resumption: order[0].resumption}
}

// way prices the workload on a line; ok is false where it has no turn with all its sizes.
func way(l *fit.Line, w *Workload) (*Way, bool) {
	curve, ok := fit.NewCurve(l, fit.Seconds)
	if !ok {
		return nil, false
	}
	out := &Way{Mode: l.Cell.Mode, line: l, time: map[int]float64{}, cpu: map[int]float64{}}
	low, high := curve.Range()
	flat, straight := settled(l, low, high)
	all, beyond := 0.0, 0.0
	for _, turn := range curve.Turns() {
		for _, s := range w.Sizes {
			cost := s.Share * curve.At(turn, s.Bytes)
			out.time[turn] += cost
			all += cost
			if s.Bytes < low/2 && !flat || s.Bytes > high*2 && !straight {
				beyond += cost
			}
		}
	}
	out.Beyond = beyond / all
	if busy, ok := fit.NewCurve(l, fit.CPU); ok {
		for _, turn := range busy.Turns() {
			for _, s := range w.Sizes {
				out.cpu[turn] += s.Share * busy.At(turn, s.Bytes)
			}
		}
	}
	out.expect(w)
	return out, true
}

// settled tells whether, at the least size, nearly all of the cost is the set-up, and at
// the greatest nearly all is that of bytes: then it goes on so beyond.
func settled(l *fit.Line, low, high float64) (flat, straight bool) {
	m, err := fit.Fit(l, fit.Seconds)
	if err != nil {
		return false, false
	}
	return m.A.Value/m.At(low) > 0.5, m.A.Value/m.At(high) < 0.2
}

// expect writes down what is to be expected.
func (w *Way) expect(load *Workload) {
	mean := load.Mean()
	time, cpu := estimate(w.time), estimate(w.cpu)
	w.Transfers, w.Throughput = figure(time, 1, true), figure(time, mean, true)
	w.CPU, w.CPUEach = figure(cpu, 1e9/mean, false), figure(cpu, 1000, false)
}

func estimate(by map[int]float64) fit.Estimate {
	var v []float64
	for _, turn := range order(by) {
		v = append(v, by[turn])
	}
	return fit.Mean(v)
}

func order(by map[int]float64) []int {
	var turns []int
	for t := range by {
		turns = append(turns, t)
	}
	slices.Sort(turns)
	return turns
}

// mix is a way of which only a share of the connections is served by a, the others by b.
func mix(a, b *Way, share float64, load *Workload) *Way {
	both := func(x, y map[int]float64) map[int]float64 {
		out := map[int]float64{}
		for t, v := range x {
			if w, ok := y[t]; ok {
				out[t] = share*v + (1-share)*w
			}
		}
		return out
	}
	out := &Way{Mode: a.Mode, line: a.line, time: both(a.time, b.time), cpu: both(a.cpu, b.cpu), Beyond: max(a.Beyond, b.Beyond)}
	out.expect(load)
	return out
}

// Words say what is to be expected of it.
func (w *Way) Words() string {
	text := fmt.Sprintf("%s: %s, %s", chart.ModeWords(sample.HTTPS, w.Mode), w.Throughput.text(chart.PerSecond), w.Transfers.text(chart.Rate))
	if w.CPU.Value > 0 {
		text += fmt.Sprintf(", %s of the server's processors (%s for 1000 transfers)", w.CPU.text(chart.SecondsPerGB), chart.Time(w.CPUEach.Value))
	}
	return text
}

func (f Figure) text(u chart.Unit) string {
	if f.Low == nil {
		return u.Text(f.Value)
	}
	return fmt.Sprintf("%s (%s to %s)", u.Text(f.Value), u.Text(*f.Low), u.Text(*f.High))
}
