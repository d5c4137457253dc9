// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// notes says what lines do not: where two of them cross, what is no figure, and what to trust less.
func (p *panel) notes(c *Chart, m measure) {
	for i, r := range p.runs {
		before := ""
		if w := p.runWords(i); w != "" {
			before = w + ": "
		}
		lines := fit.Lines(r.samples, p.bench)
		if m.metric != nil && p.x.unit == Bytes && p.bench == sample.HTTPS {
			for _, n := range p.crossings(c, lines, m) {
				c.Notes = append(c.Notes, before+n)
			}
		}
		for _, n := range findings(p, r) {
			c.Notes = append(c.Notes, before+n)
		}
		for _, f := range []struct {
			flag  sample.Flag
			words string
		}{
			{sample.ClientBound, "the client was as busy as it can be: the server can do more"},
			{sample.ColdCache, "the server read from its disk"},
			{sample.Noisy, "others used the machine"},
			{sample.Short, "too few requests, or too little time, for the interval that was wanted"},
		} {
			flagged, all := 0, 0
			for _, l := range lines {
				n, of := l.Flagged(f.flag)
				flagged, all = flagged+n, all+of
			}
			if flagged > 0 {
				c.Notes = append(c.Notes, fmt.Sprintf("%s%d of %d samples are %s: %s", before, flagged, all, f.flag, f.words))
			}
		}
	}
	if slices.ContainsFunc(c.Series, func(s Series) bool {
		return slices.ContainsFunc(s.Points, func(q Point) bool { return !q.Y.Known() })
	}) {
		c.Notes = append(c.Notes, "Points without a bar were measured once, or published without a spread.")
	}
}

// numbers are of one sample: findings that differ by them alone are told once.
var numbers = regexp.MustCompile(`[0-9]+`)

// findings are those of a run, those that are equal but for numbers once, in the words of the first.
func findings(p *panel, r *panelRun) []string {
	count := map[string]int{}
	var order, keys []string
	for _, s := range r.samples {
		if s.Gate.Verdict != sample.Finding {
			continue
		}
		line := s.Cell
		p.x.clear(&line)
		of := LineWords(p.bench, line, p.cells)
		key := of + ": " + numbers.ReplaceAllString(s.Gate.Words, "N")
		if count[key]++; count[key] == 1 {
			order, keys = append(order, fmt.Sprintf("no figure of %s: %s", of, s.Gate.Words)), append(keys, key)
		}
	}
	for i, key := range keys {
		order[i] += " (" + style.Count(count[key], "sample") + ")"
	}
	return order
}

// crossings compares each line of the card with each other line, and shades where they cross.
func (p *panel) crossings(c *Chart, lines []*fit.Line, m measure) []string {
	what := "faster"
	if m.name == "cpu" {
		what = "cheaper"
	}
	card := func(l *fit.Line) bool {
		return l.Cell.Mode == sample.CardTx || l.Cell.Mode == sample.CardTxRx || l.Cell.Mode == sample.CardRx
	}
	var out []string
	for _, b := range lines {
		for _, a := range lines {
			if !card(b) || card(a) || a.Cell.Mode == sample.Plain || a.Cell.TLS != b.Cell.TLS || a.Cell.Cipher != b.Cell.Cipher {
				continue
			}
			x := fit.Compare(a, b, m.metric)
			if text := Words(x, LineWords(p.bench, a.Cell, p.measured()), LineWords(p.bench, b.Cell, p.measured()), what); text != "" {
				out = append(out, text)
			}
			for _, at := range x.Crossings {
				c.Bands = append(c.Bands, Band{at.Low, at.High})
			}
		}
	}
	return out
}

// Words say how two lines compare: what is "faster" or "cheaper".
func Words(x fit.Comparison, a, b, what string) string {
	switch x.Outcome {
	case fit.Crosses:
		text := ""
		for _, at := range x.Crossings {
			winner := b
			if !at.BAbove {
				winner = a
			}
			if text != "" {
				text += "; "
			}
			text += fmt.Sprintf("%s and %s cross at %s (%s to %s): above it %q is %s", a, b, Bytes.Text(at.Bytes), edge(at.Low), edge(at.High), winner, what)
		}
		return text
	case fit.AAlways, fit.BAlways:
		winner, loser := a, b
		if x.Outcome == fit.BAlways {
			winner, loser = b, a
		}
		text := fmt.Sprintf("%q is %s than %q at every size at which they are told apart", winner, what, loser)
		if x.Beyond > 0 {
			low, high := float64(x.Sizes[0].Bytes), float64(x.Sizes[len(x.Sizes)-1].Bytes)
			where := "above"
			if x.Beyond < low {
				where = "below"
			}
			return fmt.Sprintf("%s; they cross %s what was measured (%s to %s), by the models at about %s", text, where, Bytes.Text(low), Bytes.Text(high), Bytes.Text(x.Beyond))
		}
		return text + "; no crossing in the range"
	case fit.NotTold:
		return fmt.Sprintf("%q and %q are not told apart at any size", a, b)
	case fit.NoShared:
	}
	return ""
}

func edge(size float64) string {
	switch {
	case size == 0:
		return "below what was measured"
	case math.IsInf(size, 1):
		return "above what was measured"
	}
	return Bytes.Text(size)
}
