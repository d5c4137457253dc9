// SPDX-License-Identifier: Apache-2.0

// Package ovs owns the Open vSwitch on top of a card's eswitch: hw-offload,
// bridges, ports and VLANs, through OVSDB.
package ovs

// Spec is the switch. What is not named in it is left alone.
type Spec struct {
	// HWOffload is Open_vSwitch other_config:hw-offload. It cannot be turned off without a
	// restart of ovs-vswitchd.
	HWOffload *bool `yaml:"hw-offload,omitempty" json:"hw-offload,omitempty"`
	// Bridges, merged by name.
	Bridges []Bridge `yaml:"bridges,omitempty" json:"bridges,omitempty"`
}

// Bridge is one bridge, with the ports nicwright owns on it.
type Bridge struct {
	// Name of the bridge and of its internal port, 1..15 bytes.
	Name string `yaml:"name" json:"name" jsonschema:"required,minLength=1,maxLength=15,pattern=^[^/:\\s]+$"`
	// Ports, merged by name.
	Ports []Port `yaml:"ports,omitempty" json:"ports,omitempty"`
}

// Port is one port: either the kernel bond of the uplinks, or the representor of a VF, or the
// uplink of a card that is in no bond. Exactly one of Bond, VF and Uplink is set.
type Port struct {
	// Name of the entry in the profile, by which layers merge; not a netdev name.
	Name string `yaml:"name" json:"name" jsonschema:"required,minLength=1"`
	// Bond is the name of a kernel bond.
	Bond string `yaml:"bond,omitempty" json:"bond,omitempty"`
	// VF is CARD/PORT/vfN, or a range CARD/PORT/vfN-M that stands for one port each; resolved,
	// pci.Function.String() of one VF, whose representor is the port.
	VF string `yaml:"vf,omitempty" json:"vf,omitempty"`
	// Uplink is CARD/PORT; resolved, pci.Function.String() of the PF.
	Uplink string `yaml:"uplink,omitempty" json:"uplink,omitempty"`
	// Tag makes an access port of this VLAN, 1..4094.
	Tag *int `yaml:"tag,omitempty" json:"tag,omitempty" jsonschema:"minimum=1,maximum=4094"`
	// Trunks makes a trunk that carries exactly these VLANs, 1..4094 each; an empty list makes one
	// that carries all. It excludes Tag.
	Trunks []int `yaml:"trunks,omitzero" json:"trunks,omitzero" jsonschema:"minimum=1,maximum=4094,uniqueItems=true"`
}

// VLANProofSpec is the proof that VFs of one VLAN reach one another, VFs of two
// do not, and an uplink carries exactly the VLANs that its port has.
type VLANProofSpec struct {
	// Require: holds makes it an obligation; unset: it is tried and reported.
	Require *string `yaml:"require,omitempty" json:"require,omitempty" jsonschema:"enum=holds"`
}

// FlowsProofSpec is the proof that the packets between two VFs are forwarded by
// the card: the flows are offloaded, and the representors do not see them.
type FlowsProofSpec struct {
	// Require is the verdict without which verify fails, offloaded or software; unset: any.
	Require *string `yaml:"require,omitempty" json:"require,omitempty" jsonschema:"enum=offloaded,enum=software"`
}
