// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"fmt"
	"math"

	"github.com/nicwright/nicwright/provision/bench/chart"
	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Split is the proposal of two listen addresses on two netdevs, of which one offloads: the
// switch is a netdev's.
type Split struct {
	// Bytes is the size from which on transfers go to the address with the offload, with its interval.
	Bytes float64 `json:"bytes"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// Small is who serves those below.
	Small sample.Mode `json:"small"`
	// Gain is how many times as much is served as by the better of the two alone, with its interval.
	Gain Figure `json:"gain"`
	Why  string `json:"why"`
}

// least is the share of transfers below, and of bytes above, that are worth an address of their own.
const least = 0.05

// split proposes two addresses where the workload has both what is better in software and
// what is better in the card, and two addresses are told to serve more than one.
func (j *judge) split() {
	card := j.ways[sample.CardTx]
	if card == nil || j.options.TLS == "1.3" || j.load.TLS13 != nil && *j.load.TLS13 >= 0.95 {
		return
	}
	best := 0.0
	for _, mode := range []sample.Mode{sample.User, sample.Kernel} {
		if soft := j.ways[mode]; soft != nil {
			s, cost := j.splitWith(soft, card)
			if s != nil && (best == 0 || cost < best) {
				j.advice.Split, best = s, cost
			}
		}
	}
}

// splitWith proposes two addresses of which one is served so without the card, nil where
// they would serve no more; cost is seconds of a transfer.
func (j *judge) splitWith(soft, card *Way) (s *Split, cost float64) {
	x := fit.Compare(soft.line, card.line, fit.Seconds)
	if x.Outcome != fit.Crosses || len(x.Crossings) != 1 || !x.Crossings[0].BAbove {
		return nil, 0
	}
	at := x.Crossings[0]
	transfers, bytes := j.load.above(at.Bytes)
	if 1-transfers < least || bytes < least {
		return nil, 0
	}
	cs, okS := fit.NewCurve(soft.line, fit.Seconds)
	cc, okC := fit.NewCurve(card.line, fit.Seconds)
	if !okS || !okC {
		return nil, 0
	}
	parts, alone := map[int]float64{}, map[int]float64{}
	for turn := range soft.time {
		if _, both := card.time[turn]; !both {
			continue
		}
		alone[turn] = j.cheapest(turn)
		for _, z := range j.load.Sizes {
			if z.Bytes < at.Bytes {
				parts[turn] += z.Share * cs.At(turn, z.Bytes)
			} else {
				parts[turn] += z.Share * cc.At(turn, z.Bytes)
			}
		}
	}
	gain := fit.Ratio(alone, parts)
	if !gain.Known() || gain.Low < margin {
		return nil, 0
	}
	return &Split{
		Bytes: at.Bytes, Low: at.Low, High: at.High, Small: soft.Mode, Gain: figure(gain, 1, false),
		Why: fmt.Sprintf("%.0f%% of the transfers are below %s (%s to %s), where %q is faster than the card, and %.0f%% of the bytes are in those above, where the card is: with an address for each, on two VFs of which one offloads, the throughput is %s than with the best of all alone",
			100*(1-transfers), chart.Bytes.Text(at.Bytes), chart.Bytes.Text(at.Low), chart.Bytes.Text(at.High), chart.ModeWords(sample.HTTPS, soft.Mode), 100*bytes, times(gain, "higher", "lower")),
	}, estimate(parts).Value
}

// cheapest is the cost of a transfer by the best way that has the turn.
func (j *judge) cheapest(turn int) float64 {
	best := math.Inf(1)
	for mode, w := range j.ways {
		if t, has := w.time[turn]; has && mode != sample.Plain && mode != sample.CardRx {
			best = min(best, t)
		}
	}
	return best
}
