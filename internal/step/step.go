// SPDX-License-Identifier: Apache-2.0

// Package step has the step of a plan: a change of one attribute of one
// resource, as data. Every domain makes and does its own steps; provision
// orders them. A step knows one direction, from what is to what shall be, and
// may be done again.
package step

import (
	"context"
	"fmt"
)

// Phase is a step's place in the fixed order in which the hardware can be
// brought from one state to another (DESIGN.md, "The plan").
type Phase int

// The phases, in the order in which they are applied.
const (
	Quiesce   Phase = iota + 1 // unbind VFs that must not be bound while the eswitch changes; detach what uses them
	SRIOV                      // VF count
	Params                     // devlink params that must precede the mode
	Eswitch                    // mode, inline-mode, encap-mode
	Functions                  // VF and port function attributes, representors up, MTU
	Bond                       // LACP bond over the uplinks
	LAG                        // wait until the card reports its LAG active
	Bind                       // VFs to their drivers
	Switch                     // OVS
	Offload                    // TLS, ESP and other ethtool features
	Addresses                  // IP addresses
)

var phaseNames = [...]string{
	"", "quiesce", "sriov", "params", "eswitch", "functions", "bond", "lag", "bind", "switch", "offload", "addresses",
}

// String is the phase's name, as printed and as saved.
func (p Phase) String() string {
	if p < Quiesce || p > Addresses {
		return fmt.Sprintf("phase(%d)", int(p))
	}
	return phaseNames[p]
}

// MarshalText is String.
func (p Phase) MarshalText() ([]byte, error) {
	if p < Quiesce || p > Addresses {
		return nil, fmt.Errorf("no phase has the number %d", int(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads a phase's name.
func (p *Phase) UnmarshalText(b []byte) error {
	for i, n := range phaseNames {
		if n != "" && n == string(b) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("no phase is called %q", b)
}

// Step is one change. From and To are in the attribute's own notation; "" is
// absent (From: it does not exist yet or is not known; To: it is removed).
type Step struct {
	Phase     Phase  `json:"phase"`
	Domain    string `json:"domain"`           // the package that does it: eswitch, bond, ovs, crypto
	Device    string `json:"device,omitempty"` // steps of one phase on different devices may run concurrently
	Group     string `json:"group,omitempty"`  // neighbours of one phase with the same group are done in one act
	Resource  string `json:"resource"`         // pci/0000:3b:00.0, pci/0000:3b:00.0/vf/3, bond/bond0, ovs/br0/...
	Attribute string `json:"attribute"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Disrupts  string `json:"disrupts,omitempty"` // whose traffic stops while it is done, in words
	Reason    string `json:"reason,omitempty"`   // why it is in the plan, where that is not plain
}

// String is the step as one line, without colour.
func (s Step) String() string {
	return fmt.Sprintf("%s %s: %s -> %s", s.Resource, s.Attribute, orNone(s.From), orNone(s.To))
}

func orNone(v string) string {
	if v == "" {
		return "(none)"
	}
	return v
}

// Doer does the steps of one domain. It is given either one step or all the
// neighbours that share a group, and returns when the host is as To says, as
// seen by a reader of the kernel or OVSDB, or with an error that tells what was
// being done, to what, what the kernel answered and what to do.
type Doer interface {
	Do(ctx context.Context, steps []Step) error
}

// Replaced is the set of functions whose netdevs, or all of them, a plan's
// eswitch steps take away and make again: what hung on them is unknown and has
// to be set again. Keys are pci.Function.String().
type Replaced map[string]bool
