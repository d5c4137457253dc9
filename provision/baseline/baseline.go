// SPDX-License-Identifier: Apache-2.0

// Package baseline records what a host is made of, what its kernel shows of its cards
// and how they behave, as a document: two of them say what a new kernel took away
// (provision/compare). A baseline judges nothing.
package baseline

import (
	"time"

	"github.com/nicwright/nicwright/internal/health"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/provision/report"
)

// Version is the version of the documents that are written.
const Version = 1

// Facts are attributes by name. What is not known is not among them.
type Facts map[string]string

// Baseline is one document.
type Baseline struct {
	Version int       `json:"version" jsonschema:"enum=1"`
	Name    string    `json:"name" jsonschema:"minLength=1"`
	Taken   time.Time `json:"taken"`
	Tool    string    `json:"tool,omitempty"` // version of nicwright
	// Profile is what was verified; without one nothing was.
	Profile string `json:"profile,omitempty"`
	Hash    string `json:"hash,omitempty"` // of what it wanted of this host, sha256, hexadecimal
	// Software is what runs: kernel.*, config.* (Kconfig), module.NAME.*, package.NAME, ...
	Software Facts `json:"software"`
	// Cards are the PFs' hardware and firmware, by PCI address.
	Cards map[string]Facts `json:"cards"`
	// Shown is what the kernel shows of functions ("pci/0000:3b:00.0/vf/3", its representor with
	// " representor" behind it) and of bonds ("bond bond0"). It is keyed by no netdev's name but bonds'.
	Shown map[string]Facts `json:"shown"`
	// Unread is what could not be read, and why.
	Unread []string `json:"unread,omitempty"`
	// Apply is how long the apply that is in force took, in seconds by phase.
	Apply map[string]float64 `json:"apply,omitempty"`
	// Runs are the verifications, one after another, each of all the proofs; none where none was asked for.
	Runs []Run `json:"runs"`
}

// Run is one verification.
type Run struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Quick   bool      `json:"quick,omitempty"`
	Drift   int       `json:"drift"` // steps that an apply would have had
	Proofs  []Result  `json:"proofs"`
	// Said is what the kernel said meanwhile.
	Said health.Said `json:"said,omitzero"`
	// Others is what went over the uplinks meanwhile, in bytes a second: proofs send next to nothing there.
	Others float64 `json:"others"`
	// Error is why it did not come to its end.
	Error string `json:"error,omitempty"`
}

// Result is what one proof found.
type Result struct {
	Kind    string         `json:"kind"`
	Cell    []proof.Field  `json:"cell"`
	Verdict proof.Verdict  `json:"verdict" jsonschema:"enum=offloaded,enum=software,enum=holds,enum=failed,enum=not possible here"`
	OK      bool           `json:"ok"` // it is what the profile requires
	Reason  string         `json:"reason,omitempty"`
	Refused *proof.Refusal `json:"refused,omitempty"`
	Bytes   int64          `json:"bytes,omitempty"`       // that arrived
	Seconds float64        `json:"seconds,omitempty"`     // of the transfer
	CPU     float64        `json:"cpu_seconds,omitempty"` // of all processors, 0 where it was not measured
}

// RunOf is the record of a verification; others is Run.Others.
func RunOf(r *report.Report, others float64) Run {
	run := Run{Started: r.Started, Seconds: r.Seconds, Quick: r.Quick, Drift: len(r.Drift), Said: r.Said, Others: others, Error: r.Error, Proofs: []Result{}}
	for _, j := range r.Proofs {
		one := Result{Kind: j.Kind, Cell: j.Cell, Verdict: j.Verdict, OK: j.OK, Reason: j.Reason, Refused: j.Refused, Bytes: j.Bytes, Seconds: j.Seconds}
		if j.NoCPU == "" {
			one.CPU = j.CPUSeconds
		}
		run.Proofs = append(run.Proofs, one)
	}
	return run
}

// OK tells whether all was as the profile requires.
func (r Run) OK() bool {
	for _, p := range r.Proofs {
		if !p.OK {
			return false
		}
	}
	return r.Drift == 0 && r.Error == ""
}
