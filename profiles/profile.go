// SPDX-License-Identifier: Apache-2.0

// Package profiles owns the profile document: it loads and layers it, says with
// file, line and column what is wrong in it, and turns its references into the
// identities of a host's cards. What the attributes mean, and what may be
// written for them, is said by the Spec types of eswitch, ovs, bond, bridge, hostnet, vlan, tuning and crypto;
// what a host is like, and how it gets to be as a profile says, is provision's.
//
// A profile is made of layers, a later one over an earlier one: the built-in
// profile, CONFIG/profiles/NAME.yaml, files that are given, the drop-ins
// CONFIG/profiles.d/NAME/*.yaml in lexical order, the environment (NICWRIGHT_*
// with "__" between the parts of a path), and --set path=value. Mappings merge
// key by key; lists whose entries have a name merge by name; other lists, and
// values, replace. null takes away what the lower layers said: the attribute is
// then left alone on the host.
package profiles

import (
	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/hostnet/vlan"
)

// Version is the version of the document that this package reads.
const Version = 1

// Profile is a merged document: how a host's cards, bonds and switch are to be.
// What is not set in it is left alone.
type Profile struct {
	// Version of the document: 1.
	Version int `json:"version" jsonschema:"required,enum=1"`
	// Name of the profile; drop-ins are found by it. Letters, digits, ".", "_" and "-".
	Name string `json:"name,omitempty" jsonschema:"minLength=1,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$"`
	// Description says in a sentence what the profile is for.
	Description string `json:"description,omitempty"`
	// Cards of the host, merged by name.
	Cards []Card `json:"cards,omitempty"`
	// Bonds over the cards' ports, merged by name.
	Bonds []Bond `json:"bonds,omitempty"`
	// VLANs are netdevs of VLANs on bonds and uplinks, merged by name.
	VLANs []VLAN `json:"vlans,omitempty"`
	// Bridges of the kernel with VLAN filtering on top, for hosts without Open vSwitch, merged by name.
	Bridges []Bridge `json:"bridges,omitempty"`
	// OVS is the Open vSwitch on top.
	OVS *Switch `json:"ovs,omitempty"`
	// Networks are what VFs are leased for, merged by name.
	Networks []Network `json:"networks,omitempty"`
	// Verify says what has to be proven with traffic.
	Verify *VerifySpec `json:"verify,omitempty"`
	// Bench says what `nicwright bench` measures; nothing on the host is changed by it; unset: as without a profile.
	Bench *BenchSpec `json:"bench,omitempty"`

	doc    *node // the merged document with the positions of its values
	layers []Layer
}

// Card is one card: which one of the host's it is, and how its ports are to be.
type Card struct {
	// Name of the card in this profile, for references CARD/PORT. Letters, digits, ".", "_" and "-".
	Name string `json:"name" jsonschema:"required,minLength=1,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$"`
	// Select says which card of the host it is.
	Select Select `json:"select,omitempty"`
	// Ports of the card, merged by name.
	Ports []Port `json:"ports,omitempty"`
}

// Select says which card of a host is meant. All that is given has to hold, and
// exactly one card of the host has to match.
type Select struct {
	// PCI is the address of any of the card's ports, as in 0000:3b:00.0 (or short, 3b:00.0).
	PCI string `json:"pci,omitempty" jsonschema:"pattern=^([0-9A-Fa-f]{4\\,8}:)?[0-9A-Fa-f]{2}:[01][0-9A-Fa-f][.][0-7]$"`
	// Vendor is the PCI vendor ID, four hexadecimal digits (15b3), or vendor and device (15b3:101d).
	Vendor string `json:"vendor,omitempty" jsonschema:"pattern=^[0-9A-Fa-f]{4}(:[0-9A-Fa-f]{4})?$"`
	// Device is the PCI device ID, four hexadecimal digits (101d).
	Device string `json:"device,omitempty" jsonschema:"pattern=^[0-9A-Fa-f]{4}$"`
	// Model as nicwright show prints it, as in ConnectX-6 Dx; upper and lower case are the same.
	Model string `json:"model,omitempty" jsonschema:"minLength=1"`
	// Serial number of the card, as nicwright show and devlink dev info print it.
	Serial string `json:"serial,omitempty" jsonschema:"minLength=1"`
}

// Port is one port of a card (one PF) and how it is to be.
type Port struct {
	// Name of the port in this profile, for references CARD/PORT. Letters, digits, ".", "_" and "-".
	Name string `json:"name" jsonschema:"required,minLength=1,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$"`
	// Port is the number of the port on the card, from 0: its PCI function's own number, whichever ports there are.
	Port *int `json:"port,omitempty" jsonschema:"minimum=0,maximum=7"`

	eswitch.PortSpec
	tuning.UplinkSpec
	hostnet.AddressSpec

	// VFList is the number of VFs, 0..127, or ranges of them, merged by name: up to the highest index.
	VFList VFList `json:"vfs,omitzero"`
	// Offload has the offload switches of the PF's netdev.
	Offload crypto.Spec `json:"offload,omitzero"`
	// VF is how every VF of the port is to be.
	VF VF `json:"vf,omitzero"`
}

// Bond is a bond over ports, and what its netdev has.
type Bond struct {
	bond.Spec
	hostnet.AddressSpec
}

// VLAN is a VLAN on a bond or an uplink, and what its netdev has.
type VLAN struct {
	vlan.Spec
	hostnet.AddressSpec
}

// Bridge is a bridge of the kernel, and what its netdev has.
type Bridge struct {
	bridge.Spec
	hostnet.AddressSpec
}

// Switch is the Open vSwitch on top, and what its bridges' own netdevs have.
type Switch struct {
	ovs.Spec

	// Bridges, merged by name.
	Bridges []SwitchBridge `json:"bridges,omitempty"`
}

// SwitchBridge is a bridge of Open vSwitch, and what its own netdev has.
type SwitchBridge struct {
	ovs.Bridge
	hostnet.AddressSpec

	// Flows are OpenFlow rules of the bridge, for filters beyond the VLANs of its ports, merged by name.
	Flows []flows.Rule `json:"flows,omitempty"`
}

// VF is how every VF of a port is to be.
type VF struct {
	eswitch.FunctionSpec
	tuning.VFSpec

	// Offload has the offload switches of the VF's own netdev.
	Offload crypto.Spec `json:"offload,omitzero"`
}

// Layer is one document that a profile was made of, or one override.
type Layer struct {
	Source string // a file, builtin:NAME.yaml, or where an override is from
	Text   string
}

// Layers are what the profile was made of, the first below the others.
func (p *Profile) Layers() []Layer { return p.layers }
