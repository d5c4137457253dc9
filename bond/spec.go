// SPDX-License-Identifier: Apache-2.0

// Package bond owns the kernel bond over a card's uplinks and the VF LAG that
// the card makes of it.
package bond

import "fmt"

// Spec is one bond. A field that is not set is left alone.
type Spec struct {
	// Name of the bond's netdev, 1..15 bytes.
	Name string `yaml:"name" json:"name" jsonschema:"required,minLength=1,maxLength=15,pattern=^[^/:\\s]+$"`
	// Mode as in Documentation/networking/bonding.rst: balance-rr, active-backup, balance-xor,
	// broadcast, 802.3ad, balance-tlb, balance-alb.
	Mode *string `yaml:"mode,omitempty" json:"mode,omitempty" jsonschema:"enum=balance-rr,enum=active-backup,enum=balance-xor,enum=broadcast,enum=802.3ad,enum=balance-tlb,enum=balance-alb"`
	// XmitHashPolicy chooses the member for a packet; TLS offload needs layer3+4.
	XmitHashPolicy *string `yaml:"xmit_hash_policy,omitempty" json:"xmit_hash_policy,omitempty" jsonschema:"enum=layer2,enum=layer3+4,enum=layer2+3,enum=encap2+3,enum=encap3+4,enum=vlan+srcmac"`
	// LACPRate: slow asks the partner for a LACPDU every 30 s, fast every 1 s.
	LACPRate *string `yaml:"lacp_rate,omitempty" json:"lacp_rate,omitempty" jsonschema:"enum=slow,enum=fast"`
	// Miimon is the link check interval in milliseconds, 0 = off.
	Miimon *int `yaml:"miimon,omitempty" json:"miimon,omitempty" jsonschema:"minimum=0,maximum=10000"`
	// MTU in bytes.
	MTU *int `yaml:"mtu,omitempty" json:"mtu,omitempty" jsonschema:"minimum=68,maximum=9978"`
	// Up: administratively up.
	Up *bool `yaml:"up,omitempty" json:"up,omitempty"`
	// Members are exactly the uplinks of the bond. In a profile CARD/PORT; resolved, the PF's
	// PCI address.
	Members []string `yaml:"members,omitempty" json:"members,omitempty"`
	// LAG asks that the card reports a VF LAG active over this bond.
	LAG *bool `yaml:"lag,omitempty" json:"lag,omitempty" jsonschema:"description=the card has to report its VF LAG active over this bond"`
}

// Validate finds what the types and the schema cannot: fields that exclude one
// another.
func (s Spec) Validate() error {
	if s.LACPRate != nil && s.Mode != nil && *s.Mode != mode8023ad {
		return fmt.Errorf("bond %s: lacp_rate is set, but mode is %s: only 802.3ad has it: change mode, or leave lacp_rate out", s.Name, *s.Mode)
	}
	return nil
}

// ProofSpec is the proof of a bond: its partner, its aggregator, its hash, its
// LAG in the card.
type ProofSpec struct {
	// Require: holds makes it an obligation; unset: it is tried and reported.
	Require *string `yaml:"require,omitempty" json:"require,omitempty" jsonschema:"enum=holds"`
	// Failover: take each link down in turn, and look whether traffic goes on. It costs the traffic of
	// others a moment, so it is done only where this is set.
	Failover bool `yaml:"failover,omitempty" json:"failover,omitempty"`
}
