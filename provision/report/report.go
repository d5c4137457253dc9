// SPDX-License-Identifier: Apache-2.0

// Package report is what nicwright says: the report of a verify as text, JSON,
// JUnit XML and one HTML page, the picture of a host, and plans and their steps
// as lines. It reads nothing and changes nothing; whoever has something to say
// fills in its types.
package report

import (
	"time"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/health"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/step"
)

// Report is what a verify found.
type Report struct {
	Profile string      `json:"profile"`
	Started time.Time   `json:"started"`
	Seconds float64     `json:"seconds"`
	Kernel  string      `json:"kernel"` // uname -r
	Quick   bool        `json:"quick"`
	OK      bool        `json:"ok"`             // the host is as wanted, every verdict is what the profile requires, and nothing went wrong
	Drift   []step.Step `json:"drift"`          // what apply would change
	Left    []step.Left `json:"left,omitempty"` // what apply would leave alone
	Taken   []string    `json:"taken"`          // which VFs were taken for the proofs and why, and which were not
	Proofs  []Judged    `json:"proofs"`
	// Said is what the kernel said of itself meanwhile. It is told, and decides nothing.
	Said health.Said `json:"said,omitzero"`
	// Error is why verify did not come to its end: a VF could not be put back, or it was stopped. The
	// proofs are those that had ended.
	Error string `json:"error,omitempty"`
	// Host is for the picture of the topology.
	Host Host `json:"-"`
}

// Judged is a proof with what the profile requires of it.
type Judged struct {
	proof.Proof
	Require proof.Verdict `json:"require,omitempty"` // "": any verdict but failed will do
	OK      bool          `json:"ok"`
}

// Judge holds a proof against what is required of it, and adds it.
func (r *Report) Judge(p proof.Proof, require proof.Verdict) Judged {
	j := Judged{Proof: p, Require: require}
	j.OK = require == "" && p.Verdict != proof.Failed || require == p.Verdict
	r.OK = r.OK && j.OK
	r.Proofs = append(r.Proofs, j)
	return j
}

// Name is the proof's kind and cell on one line.
func (j Judged) Name() string { return Name(j.Kind, j.Cell) }

// Name of a proof that may not have run yet.
func Name(kind string, cell []proof.Field) string {
	name := kind
	for _, f := range cell {
		if f.Value != "" {
			name += " " + f.Value
		}
	}
	return name
}

// Host is the part of a host that a picture shows.
type Host struct {
	Cards   []eswitch.Card                `json:"cards"`
	Bonds   []bond.Bond                   `json:"bonds"`
	VLANs   []vlan.VLAN                   `json:"vlans,omitempty"`
	Bridges []bridge.Bridge               `json:"bridges,omitempty"` // of the kernel
	Switch  *ovs.State                    `json:"switch"`
	Flows   []flows.Spec                  `json:"flows,omitempty"` // OpenFlow rules that nicwright made
	Offload map[pci.Function]crypto.State `json:"offload"`
}

// Port finds a port of a card by its PF's address, or nil.
func (h Host) Port(a pci.Address) *eswitch.Port {
	for i := range h.Cards {
		for j := range h.Cards[i].Ports {
			if h.Cards[i].Ports[j].Address == a {
				return &h.Cards[i].Ports[j]
			}
		}
	}
	return nil
}
