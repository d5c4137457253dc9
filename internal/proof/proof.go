// SPDX-License-Identifier: Apache-2.0

// Package proof has what a proof found, as data: a verdict, and the evidence it
// rests on. Every domain makes its own proofs; provision runs and reports them
// without knowing what they are about.
package proof

import (
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/internal/kernel"
)

// Verdict is what a proof found.
type Verdict string

// The verdicts. Holds is of claims that are not about who does the work: that
// two VLANs do not reach one another, that a bond survives a link.
const (
	Offloaded   Verdict = "offloaded"         // the card did it, by its own counters
	Software    Verdict = "software"          // it works, and the CPU did it
	Holds       Verdict = "holds"             // the claim was tried and is true
	Failed      Verdict = "failed"            // bytes lost or changed, or the claim is false
	NotPossible Verdict = "not possible here" // it was not tried: Reason says why and what would change it
)

// Field is a named value: of a cell's name, or something that was seen.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Counter is one counter before and after.
type Counter struct {
	// Where says whose it is: a function and its netdev, or a file of the kernel.
	Where  string `json:"where"`
	Name   string `json:"name"`
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// Delta is how far the counter moved.
func (c Counter) Delta() uint64 { return c.After - c.Before }

// Sample is a part of a transfer.
type Sample struct {
	Bytes      int64   `json:"bytes"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds,omitempty"` // as Proof has it
}

// Proof is one cell of the matrix: what was proved, the verdict, and what it
// rests on.
type Proof struct {
	// Kind is the group of the matrix: ktls, ipsec, vlan, flows, bond.
	Kind string `json:"kind"`
	// Cell tells this proof from the others of its kind, in the order of the matrix:
	// version, cipher, direction, from, to, ...
	Cell    []Field `json:"cell"`
	Verdict Verdict `json:"verdict"`
	// Reason is why not offloaded, and what to do; "" where there is nothing to say.
	Reason string `json:"reason,omitempty"`
	// Refused is what the kernel refused, where that is why.
	Refused *Refusal `json:"refused,omitempty"`

	Bytes   int64   `json:"bytes,omitempty"`   // of payload that arrived and compared equal
	Seconds float64 `json:"seconds,omitempty"` // of the transfer, without its set-up
	// CPUSeconds is the time all processors were busy meanwhile, interrupts included (internal/cpu).
	CPUSeconds float64 `json:"cpu_seconds,omitempty"`
	// NoCPU is why CPUSeconds was not measured, "" where it was.
	NoCPU string `json:"no_cpu,omitempty"`
	// Samples are parts of the transfer, one after the other; none of one that was too short.
	Samples []Sample `json:"samples,omitempty"`

	Seen     []Field   `json:"seen,omitempty"` // what the kernel and OVS said: txconf, flows, ...
	Counters []Counter `json:"counters,omitempty"`
}

// Refusal is what the kernel answered.
type Refusal struct {
	Op     string `json:"op"`               // what was being done
	Errno  string `json:"errno"`            // EOPNOTSUPP, ...
	ExtAck string `json:"extack,omitempty"` // its extended ack
}

// refusal finds one in an error, or gives nil.
func refusal(err error) *Refusal {
	var e interface {
		error
		Refused() (op, extack string)
	}
	n := kernel.Errno(err)
	if n == 0 || !errors.As(err, &e) {
		return nil
	}
	op, ack := e.Refused()
	return &Refusal{Op: op, Errno: kernel.Name(n), ExtAck: ack}
}

// Get is the value of a field of the cell, "" if it has none.
func (p Proof) Get(name string) string {
	for _, f := range p.Cell {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// CPUPerGB is the CPU seconds that 10^9 bytes took, 0 if nothing was sent.
func (p Proof) CPUPerGB() float64 {
	if p.Bytes == 0 {
		return 0
	}
	return p.CPUSeconds / float64(p.Bytes) * 1e9
}

// Fail makes the proof failed, with the error as its reason.
func (p *Proof) Fail(err error) {
	p.Verdict, p.Reason, p.Refused = Failed, err.Error(), refusal(err)
}

// Impossible makes the proof not possible here.
func (p *Proof) Impossible(format string, args ...any) {
	p.Verdict, p.Reason = NotPossible, fmt.Sprintf(format, args...)
	for _, a := range args {
		if err, ok := a.(error); ok && p.Refused == nil {
			p.Refused = refusal(err)
		}
	}
}
