// SPDX-License-Identifier: Apache-2.0

package rounds

import (
	"strings"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// maxWords is what a finding may say, in bytes.
const maxWords = 400

// Gate is the gate of a sample: a finding where there are words, which may be of a
// kernel's or a program's making. software is the share, 0 to 1, of what was not in
// the card.
func Gate(words []string, software float64) sample.Gate {
	if len(words) == 0 {
		return sample.Gate{Verdict: sample.AsSaid}
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, strings.Join(words, "; "))
	if len(text) > maxWords {
		text = text[:maxWords-3] + "..."
	}
	return sample.Gate{Verdict: sample.Finding, Words: text, Software: software}
}

// Finding makes the sample of a cell one that could not be measured, for err: no
// measurement ends by that.
func Finding(s sample.Sample, software float64, err error) (sample.Sample, error) {
	s.Gate = Gate([]string{err.Error()}, software)
	return s, nil
}

// Moved is how far each counter moved; those that did not are left out.
func Moved(before, after map[string]int64) map[string]int64 {
	d := map[string]int64{}
	for name, v := range after {
		if v != before[name] {
			d[name] = v - before[name]
		}
	}
	return d
}

// Shares from which on a sample is flagged.
const (
	mostBusy  = 0.9  // of the processors
	mostHeld  = 0.1  // of the time that a bound holds the client
	mostNoise = 0.05 // of the processors
)

// Flags are reasons to trust a sample less: of so many seconds, with short where too
// little came to pass in it, and cold where the server read from its disk.
func (d Used) Flags(seconds float64, cold, short bool) (all []sample.Flag) {
	whole := seconds * float64(d.Processors)
	busy := d.Known && d.Busy >= mostBusy*whole
	// Both on one machine: where all of it is busy, the one that takes more is in the other's way.
	if d.Client.Throttled >= mostHeld*seconds || d.Client.Usage >= mostBusy*whole || busy && d.Client.Usage > d.Server.Usage {
		all = append(all, sample.ClientBound)
	}
	if cold {
		all = append(all, sample.ColdCache)
	}
	if d.User-d.Server.User-d.Client.User+d.Steal > mostNoise*whole {
		all = append(all, sample.Noisy)
	}
	if short {
		all = append(all, sample.Short)
	}
	return all
}

// CPU is what goes into a sample of so many seconds.
func (d Used) CPU(seconds float64) sample.CPU {
	c := sample.CPU{Server: max(0, d.Server.Usage), Client: max(0, d.Client.Usage)}
	if d.Known {
		c.Busy = d.Busy
		c.Idle = max(0, seconds*float64(d.Processors)-d.Busy)
	}
	return c
}
