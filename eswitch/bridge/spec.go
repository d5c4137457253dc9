// SPDX-License-Identifier: Apache-2.0

// Package bridge owns the kernel's own VLAN-filtering bridge over a card's eswitch,
// as hosts without Open vSwitch have it: that the bridge is there, some of its
// options, and of its ports those that are a bond of the uplinks, an uplink or the
// representor of a VF, with their VLANs. Other ports, and what hangs on the bridge
// itself, are left alone: the first are put back by hostnet where they are lost, and so
// are addresses and routes.
package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/vlans"
)

// Domain is the domain's name in steps.
const Domain = "bridge"

// Spec is one bridge. A field that is not set is left alone. The options have the
// kernel's names (ip-link(8), bridge).
type Spec struct {
	// Name of the bridge's netdev, 1..15 bytes. One that is there is adopted: it keeps its addresses, and ports that are not named.
	Name string `yaml:"name" json:"name" jsonschema:"required,minLength=1,maxLength=15,pattern=^[^/:\\s]+$"`
	// VLANFiltering: frames go only where the VLANs of the ports let them. It is switched on after the
	// VLANs of the ports are set.
	VLANFiltering *bool `yaml:"vlan_filtering,omitempty" json:"vlan_filtering,omitempty"`
	// VLANDefaultPVID is the VLAN that a port gets when it goes into the bridge, 0 for none. It changes only
	// while vlan_filtering is off.
	VLANDefaultPVID *int `yaml:"vlan_default_pvid,omitempty" json:"vlan_default_pvid,omitempty" jsonschema:"minimum=0,maximum=4094"`
	// STPState: the bridge takes part in the spanning tree protocol.
	STPState *bool `yaml:"stp_state,omitempty" json:"stp_state,omitempty"`
	// MulticastSnooping: multicast goes only to ports from which somebody asked for it.
	MulticastSnooping *bool `yaml:"mcast_snooping,omitempty" json:"mcast_snooping,omitempty"`
	// MTU in bytes, of the bridge itself; without it the least of its ports'.
	MTU *int `yaml:"mtu,omitempty" json:"mtu,omitempty" jsonschema:"minimum=68,maximum=65535"`
	// Up: administratively up. A bridge that is made is up unless this is false; one with addresses or routes is up.
	Up *bool `yaml:"up,omitempty" json:"up,omitempty"`
	// Ports, merged by name.
	Ports []Port `yaml:"ports,omitempty" json:"ports,omitempty"`

	// Of what was observed, for a rollback:
	Exact   bool   `yaml:"-" json:"exact,omitempty"`    // Owner is what there was
	Owner   string `yaml:"-" json:"owner,omitempty"`    // "": somebody else's
	IfThere bool   `yaml:"-" json:"if_there,omitempty"` // it is not made where it is gone
}

// Port is one port of a bridge: the kernel bond of the uplinks, the representor of a VF, or the
// uplink of a card that is in no bond. Exactly one of Bond, VF and Uplink is set. A port that says
// anything of VLANs has exactly those; one that says nothing keeps what it has.
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
	// PVID is the VLAN of frames that come in without a tag, 1..4094. They leave with the tag, unless it is
	// also in untagged.
	PVID *int `yaml:"pvid,omitempty" json:"pvid,omitempty" jsonschema:"minimum=1,maximum=4094"`
	// Untagged are the VLANs, and ranges of them, whose frames leave without a tag.
	Untagged vlans.List `yaml:"untagged,omitzero" json:"untagged,omitzero" jsonschema:"uniqueItems=true"`
	// Trunks are the VLANs, and ranges of them, whose frames leave with their tag. An empty list is none.
	Trunks vlans.List `yaml:"trunks,omitzero" json:"trunks,omitzero" jsonschema:"uniqueItems=true"`
	// TakeFrom is the bridge, of the kernel or of Open vSwitch, out of which the netdev may be taken:
	// without it, what is in another one is left there with an error.
	TakeFrom *string `yaml:"take-from,omitempty" json:"take-from,omitempty" jsonschema:"minLength=1,maxLength=15"`
	// TakeAddresses: addresses and routes of the netdev move to the bridge.
	TakeAddresses *bool `yaml:"take-addresses,omitempty" json:"take-addresses,omitempty"`

	// Of what was observed, for a rollback:
	Other    string `yaml:"-" json:"port,omitempty"`     // the resource.ID of a netdev that is none of the above
	IfThere  bool   `yaml:"-" json:"if_there,omitempty"` // it is not put where it is gone
	Back     bool   `yaml:"-" json:"back,omitempty"`     // it is put where it is out, and left alone where it is in
	Settings []byte `yaml:"-" json:"data,omitempty"`     // IFLA_INFO_SLAVE_DATA, for when it has to be put again

	before *Port // what it was, as Fill was told
}

// Netdev is the netdev that is the port, of a resolved one.
func (p Port) Netdev() (resource.ID, error) {
	set := 0
	for _, s := range []string{p.Bond, p.VF, p.Uplink, p.Other} {
		if s != "" {
			set++
		}
	}
	switch {
	case set != 1:
		return resource.ID{}, fmt.Errorf("bridge port %s: exactly one of bond, vf and uplink has to be set", p.Name)
	case p.Bond != "":
		return resource.OfBond(p.Bond), nil
	case p.Other != "":
		id, err := resource.Parse(p.Other)
		if err != nil {
			return resource.ID{}, fmt.Errorf("bridge port %s: %w", p.Name, err)
		}
		return id, nil
	}
	f, err := pci.ParseFunction(p.VF + p.Uplink)
	switch {
	case err != nil:
		return resource.ID{}, fmt.Errorf("bridge port %s: %w", p.Name, err)
	case f.IsVF() != (p.VF != ""):
		return resource.ID{}, fmt.Errorf("bridge port %s: %s is named as the other kind of function: vf: wants a VF, uplink: a PF", p.Name, f)
	case f.IsVF():
		return resource.OfRepresentor(f), nil
	}
	return resource.OfNetdev(f), nil
}

// vlans are those that the port is to have; ok is false where nothing is said.
func (p Port) vlans() (s set, ok bool) {
	if p.PVID == nil && p.Untagged == nil && p.Trunks == nil {
		return nil, false
	}
	s = set{}
	for _, v := range p.Trunks {
		s[v] = member{}
	}
	for _, v := range p.Untagged {
		s[v] = member{untagged: true}
	}
	if p.PVID != nil {
		m := s[*p.PVID]
		m.pvid = true
		s[*p.PVID] = m
	}
	return s, true
}

// Access is the VLAN of a port that has one, whose frames have no tag outside; 0 is that
// of a port that says nothing.
func (p Port) Access() (vid int, ok bool) {
	s, said := p.vlans()
	if !said {
		return 0, true
	}
	if p.PVID == nil || !s[*p.PVID].untagged {
		return 0, false
	}
	return *p.PVID, true
}

// Carried are the VLANs of a port, sorted; ok is false where nothing is said.
func (p Port) Carried() (all []int, ok bool) {
	s, ok := p.vlans()
	return s.sorted(), ok
}

// Check tells what is wrong with the VLANs of a port of a profile, and at which key.
func (p Port) Check() (key string, err error) {
	for _, l := range []struct {
		key  string
		list vlans.List
	}{{"untagged", p.Untagged}, {"trunks", p.Trunks}} {
		if wrong := l.list.Wrong(); wrong != "" {
			return l.key, errors.New("has in " + l.key + " " + wrong)
		}
	}
	for _, v := range p.Trunks {
		if slices.Contains(p.Untagged, v) {
			return "trunks", errors.New("has VLAN " + strconv.Itoa(v) + " in untagged and in trunks: its frames leave with a tag or without one")
		}
	}
	return "", nil
}

// takes tells whether addresses of the port's netdev go to the bridge.
func (p Port) takes() bool { return p.TakeAddresses != nil && *p.TakeAddresses }
