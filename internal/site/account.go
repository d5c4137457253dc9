// SPDX-License-Identifier: Apache-2.0

package site

import (
	"time"

	"github.com/nicwright/nicwright/internal/cpu"
	"github.com/nicwright/nicwright/internal/proof"
)

// accounting follows a transfer with the clock and the processors' meter.
type accounting struct {
	p     *proof.Proof
	start time.Time
	meter *cpu.Meter  // nil: this kernel has none
	first cpu.Reading // at start
	last  struct {    // where the present sample began
		bytes int64
		at    time.Time
		cpu   cpu.Reading
	}
}

// account begins. That the processors cannot be measured fails no proof: it says
// so, and has no figure.
func account(p *proof.Proof) *accounting {
	a := &accounting{p: p}
	m, err := cpu.New()
	if err == nil {
		a.first, err = m.Read()
	}
	if err != nil {
		p.NoCPU = err.Error()
	} else {
		a.meter = m
	}
	a.start = time.Now()
	return a
}

func (a *accounting) seconds() float64 { return time.Since(a.start).Seconds() }

// read gives no CPU time any more once something was wrong with it.
func (a *accounting) read() (r cpu.Reading) {
	if a.meter == nil {
		return r
	}
	r, err := a.meter.Read()
	if err != nil {
		a.inexact(err.Error())
	}
	return r
}

func (a *accounting) inexact(why string) {
	a.meter, a.p.NoCPU = nil, why
	for i := range a.p.Samples {
		a.p.Samples[i].CPUSeconds = 0
	}
}

func (a *accounting) busy(now, since cpu.Reading) float64 {
	if a.meter == nil {
		return 0
	}
	s, ok := now.Busy(since)
	if !ok {
		a.inexact("a processor came or went meanwhile")
	}
	return s
}

// sample ends a sample where n bytes have arrived, if it was long enough. The first
// begins with the first bytes: what set-up took is none of it.
func (a *accounting) sample(n int64) {
	now := time.Now()
	took := now.Sub(a.last.at)
	if !a.last.at.IsZero() && took < window {
		return
	}
	reading := a.read()
	if !a.last.at.IsZero() {
		s := proof.Sample{Bytes: n - a.last.bytes, Seconds: took.Seconds()}
		s.CPUSeconds = a.busy(reading, a.last.cpu)
		a.p.Samples = append(a.p.Samples, s)
	}
	a.last.bytes, a.last.at, a.last.cpu = n, now, reading
}

// end is of the whole transfer.
func (a *accounting) end() {
	now := a.read()
	a.p.CPUSeconds = a.busy(now, a.first)
}
