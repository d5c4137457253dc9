// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"fmt"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/bench/chart"
	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// beyondLimit is the share of extrapolated cost above which nothing is told.
const beyondLimit = 0.5

// tx decides on what is sent.
func (j *judge) tx() {
	d := &j.advice.Tx
	j.software = j.soft()
	if j.options.TLS == "1.3" {
		d.say(Same, "the connections are TLS 1.3, and %s", kernelsLack)
		return
	}
	if s := j.load.TLS13; s != nil && *s >= 0.95 {
		d.say(Same, "%.0f%% of the transfers come over TLS 1.3, and %s", 100**s, kernelsLack)
		return
	}
	card := j.ways[sample.CardTx]
	if card == nil {
		j.missing(d, sample.CardTx)
		return
	}
	if j.software == nil {
		d.say(CannotTell, "neither TLS in the program nor in the kernel was measured as this workload needs it: there is nothing to compare the card with")
		return
	}
	card = j.shared(d, card)
	j.decide(d, card, j.software)
	j.losses(d)
}

// missing says why there is no figure of a mode.
func (j *judge) missing(d *Decision, m sample.Mode) {
	if l := j.lines[m]; l != nil && len(l.Findings) > 0 {
		d.say(CannotTell, "every sample of %q took another path: %s", chart.ModeWords(sample.HTTPS, m), l.Findings[0].Gate.Words)
		return
	}
	d.say(CannotTell, "%q was not measured as this workload needs it (TLS %s, %s): `nicwright bench https` does", chart.ModeWords(sample.HTTPS, m), j.options.TLS, kept(j.options.KeepAlive))
}

func kept(k bool) string {
	if k {
		return "connections kept"
	}
	return "a new connection for each request"
}

// shared is the card's way where not all connections can be in the card: those beyond its
// contexts, and those that are TLS 1.3, are the kernel's.
func (j *judge) shared(d *Decision, card *Way) *Way {
	kernel := j.ways[sample.Kernel]
	if kernel == nil {
		kernel = j.software
	}
	share := 1.0
	if c := j.run.Header.Card; c != nil && c.TLSContexts > 0 && uint64(j.clients) > c.TLSContexts {
		share = float64(c.TLSContexts) / float64(j.clients)
		d.because("the card holds %d connections and there are %d at one time: of each 100, %.0f stay in software", c.TLSContexts, j.clients, 100*(1-share))
	}
	if s := j.load.TLS13; s != nil && *s > 0.01 {
		share *= 1 - *s
	}
	if share == 1 {
		return card
	}
	return mix(card, kernel, share, j.load)
}

// decide compares the card with what does without, by throughput, and by processors where
// the demand is far below what either can serve, or throughput is the same.
func (j *judge) decide(d *Decision, card, other *Way) {
	if b := max(card.Beyond, other.Beyond); b > beyondLimit {
		d.say(CannotTell, "%.0f%% of the cost is of sizes beyond those measured, where the lines are not straight yet: measure them (`nicwright bench https --sizes`)", 100*b)
		return
	}
	c := compare(card, other)
	name := chart.ModeWords(sample.HTTPS, other.Mode)
	if j.idle(card) && j.idle(other) && c.cpu.N > 0 {
		d.because("%s are asked for, less than half of what either can do: processors count here, not throughput", chart.Rate.Text(j.demand()))
		j.byCPU(d, c, name, CannotTell)
		return
	}
	switch relate(c.time) {
	case better:
		d.say(On, "against %q, the throughput is %s", name, times(c.time, "higher", "lower"))
		j.alsoCPU(d, c)
	case worse:
		d.say(Off, "against %q, the throughput is %s: %s", name, times(c.time, "higher", "lower"), j.reason(card, other))
		j.alsoCPU(d, c)
	case same:
		d.because("the throughput is that of %q within %.0f%%", name, 100*(margin-1))
		if bound := j.bound(card, other); bound != "" {
			d.say(CannotTell, "%s", bound)
			return
		}
		j.byCPU(d, c, name, Same)
	case unknown:
		if c.time.N < 2 {
			d.say(CannotTell, "each way was measured in less than two turns: without a spread nothing is told apart")
			return
		}
		d.say(CannotTell, "against %q, the throughput is %s: the interval is too wide to say more; measure longer, or with more turns", name, times(c.time, "higher", "lower"))
	}
}

// bound says that a client that was as busy as it can be may be what is equal.
func (j *judge) bound(ways ...*Way) string {
	for _, w := range ways {
		if n, all := w.line.Flagged(sample.ClientBound); 2*n > all {
			return fmt.Sprintf("%d of %s of %q are client-bound: it may be the client that is equally fast; give it more processors, or another host", n, style.Count(all, "sample"), chart.ModeWords(sample.HTTPS, w.Mode))
		}
	}
	return ""
}

// byCPU decides by processors; otherwise is the answer where they do not tell.
func (j *judge) byCPU(d *Decision, c compared, name string, otherwise Answer) {
	switch relate(c.cpu) {
	case better:
		d.say(On, "for a GB, the server's processors work %s than with %q", times(inverse(c.cpu), "more", "less"), name)
	case worse:
		d.say(Off, "for a GB, the server's processors work %s than with %q", times(inverse(c.cpu), "more", "less"), name)
	case same:
		d.say(Same, "processors, too, are the same within %.0f%%", 100*(margin-1))
	case unknown:
		if c.cpu.N == 0 {
			d.say(otherwise, "the time of the server's processors was not measured")
			return
		}
		d.say(otherwise, "the time of the server's processors does not tell them apart")
	}
}

// alsoCPU adds what processors say to an answer by throughput.
func (j *judge) alsoCPU(d *Decision, c compared) {
	if r := relate(c.cpu); r == better || r == worse {
		d.because("for a GB, the server's processors work %s", times(inverse(c.cpu), "more", "less"))
	}
}

// inverse turns "how many times the other's cost is ours" round.
func inverse(e fit.Estimate) fit.Estimate {
	return fit.Estimate{Value: 1 / e.Value, Low: 1 / e.High, High: 1 / e.Low, N: e.N}
}

// reason says which part of the model makes the card the slower one.
func (j *judge) reason(card, other *Way) string {
	c, errC := fit.Fit(card.line, fit.Seconds)
	o, errO := fit.Fit(other.line, fit.Seconds)
	if errC != nil || errO != nil {
		return "by the sizes that were measured"
	}
	mean := j.load.Mean()
	if setup, bytes := c.A.Value-o.A.Value, mean*(c.PerByte.Value-o.PerByte.Value); setup > bytes {
		return fmt.Sprintf("a connection's set-up takes %s instead of %s of the whole server's time, and %s on average are not enough to earn that back", chart.Time(c.A.Value), chart.Time(o.A.Value), chart.Bytes.Text(mean))
	}
	return fmt.Sprintf("bytes go at %s at most instead of %s", chart.PerSecond.Text(c.Rate().Value), chart.PerSecond.Text(o.Rate().Value))
}

// losses takes in retransmits: each one has the card read a whole record again.
func (j *judge) losses(d *Decision) {
	measured, known := retransmits(j.lines[sample.CardTx])
	if known && measured >= 0.001 {
		d.because("%.2g%% of the segments were sent again as this was measured: for each, the card reads a whole record again", 100*measured)
	}
	own := j.load.Retransmits
	if own == nil || d.Answer != On || *own <= max(2*measured, measured+0.002) {
		return
	}
	was := "it is not known how many were as the card was measured"
	if known {
		was = fmt.Sprintf("%.2g%% were as the card was measured", 100*measured)
	}
	d.say(CannotTell, "here %.2g%% of the segments are sent again, and %s: for each, the card reads a whole record again, which Linux does not stop; measure on a path that loses as much", 100**own, was)
}

// retransmits is the share of segments that were sent again.
func retransmits(l *fit.Line) (share float64, known bool) {
	if l == nil {
		return 0, false
	}
	var again, all uint64
	for _, z := range l.Sizes {
		for _, s := range z.Turns {
			again, all = again+s.Retransmits, all+s.Segments
		}
	}
	if all == 0 {
		return 0, false
	}
	return float64(again) / float64(all), true
}

// rx decides on what is received.
func (j *judge) rx() {
	d := &j.advice.Rx
	if j.options.TLS == "1.3" {
		d.say(Same, "the connections are TLS 1.3, and %s", kernelsLack)
		return
	}
	with, without := j.ways[sample.CardTxRx], j.ways[sample.CardTx]
	if j.advice.Tx.Answer != On || with == nil || without == nil {
		with, without = j.ways[sample.CardRx], j.software
	}
	switch {
	case with != nil && without != nil:
		j.decide(d, with, without)
	case j.load.Received != nil && *j.load.Received < 0.05:
		d.say(Off, "the server receives requests and little else: there is next to nothing to decrypt, and each connection would make a second key in the card (this follows from how it works; it was not measured)")
	default:
		d.say(CannotTell, "receiving in the card was not measured as this workload needs it, and how much the server receives is not known")
	}
}
