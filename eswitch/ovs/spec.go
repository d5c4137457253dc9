// SPDX-License-Identifier: Apache-2.0

// Package ovs owns the Open vSwitch on top of a card's eswitch: hw-offload,
// bridges, ports and VLANs, through OVSDB. It also takes ports of others off the
// switch while the eswitch below them changes, and puts them back as they were.
package ovs

import (
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/vlans"
)

// Domain is the name of the domain in steps.
const Domain = "ovs"

// Spec is the switch. What is not named in it is left alone.
type Spec struct {
	// HWOffload is Open_vSwitch other_config:hw-offload. It cannot be turned off without a
	// restart of ovs-vswitchd.
	HWOffload *bool `yaml:"hw-offload,omitempty" json:"hw-offload,omitempty"`
	// Bridges, merged by name.
	Bridges []Bridge `yaml:"bridges,omitempty" json:"bridges,omitempty"`
	// OffloadUnset: hw-offload is false for nothing is said of it (of what was observed).
	OffloadUnset bool `yaml:"-" json:"hw-offload-unset,omitempty"`
}

// Bridge is one bridge, with the ports nicwright owns on it.
type Bridge struct {
	// Name of the bridge and of its internal port, 1..15 bytes.
	Name string `yaml:"name" json:"name" jsonschema:"required,minLength=1,maxLength=15,pattern=^[^/:\\s]+$"`
	// MTU in bytes, of the bridge's own netdev, asked for in the database; without it the least of its ports'.
	MTU *int `yaml:"mtu,omitempty" json:"mtu,omitempty" jsonschema:"minimum=68,maximum=65535"`
	// Up: the bridge's own netdev, by which the host itself sends and takes, is administratively up. One with addresses or routes is up.
	Up *bool `yaml:"up,omitempty" json:"up,omitempty"`
	// Ports, merged by name.
	Ports []Port `yaml:"ports,omitempty" json:"ports,omitempty"`

	// Of what was observed, for a rollback:
	Exact   bool          `yaml:"-" json:"exact,omitempty"`    // Owner and Rest are what there was
	Owner   string        `yaml:"-" json:"owner,omitempty"`    // "": somebody else's
	IfThere bool          `yaml:"-" json:"if_there,omitempty"` // it is not made where it is gone
	Rest    ovsdb.Columns `yaml:"-" json:"rest,omitempty"`     // its other columns
	// AskedMTU is what the database asked for where MTU was, 0 for nothing.
	AskedMTU *int `yaml:"-" json:"asked_mtu,omitempty"`
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
	// Tag makes an access port of this VLAN, 1..4094; with VLANMode, it is the native VLAN, or the
	// one that a dot1q-tunnel puts round all others.
	Tag *int `yaml:"tag,omitempty" json:"tag,omitempty" jsonschema:"minimum=1,maximum=4094"`
	// Trunks makes a trunk that carries exactly these VLANs, 1..4094 each, and ranges of them; an empty
	// list makes one that carries all. It excludes Tag, unless VLANMode is a native one.
	Trunks vlans.List `yaml:"trunks,omitzero" json:"trunks,omitzero" jsonschema:"uniqueItems=true"`
	// VLANMode is Port.vlan_mode of ovs-vswitchd.conf.db(5); unset: access with a tag, else trunk.
	VLANMode string `yaml:"vlan_mode,omitempty" json:"vlan_mode,omitempty" jsonschema:"enum=access,enum=trunk,enum=native-tagged,enum=native-untagged,enum=dot1q-tunnel"`
	// CVLANs are the VLANs that a dot1q-tunnel carries, written likewise; none: all.
	CVLANs vlans.List `yaml:"cvlans,omitempty" json:"cvlans,omitempty" jsonschema:"uniqueItems=true"`
	// TakeFrom is the bridge, of Open vSwitch or of the kernel, or the bond, out of which the netdev
	// may be taken: without it, what is in another one is left there with an error.
	TakeFrom *string `yaml:"take-from,omitempty" json:"take-from,omitempty" jsonschema:"minLength=1,maxLength=15"`

	// Of what was observed, for a rollback:
	Other   string `yaml:"-" json:"port,omitempty"`     // the name of a port that stands for none of the above
	Exact   bool   `yaml:"-" json:"exact,omitempty"`    // the VLAN columns are these, and Owner is whose it was
	Owner   string `yaml:"-" json:"owner,omitempty"`    // "": somebody else's
	IfThere bool   `yaml:"-" json:"if_there,omitempty"` // it is not put where it is gone
	Stale   bool   `yaml:"-" json:"stale,omitempty"`    // it had no netdev
	OFPort  int    `yaml:"-" json:"ofport,omitempty"`   // its OpenFlow number
	Rest    *Rest  `yaml:"-" json:"rest,omitempty"`     // its other columns, for when it has to be put again

	before *Port // what it was, as Fill was told

	Settings
}

// Settings are what a port is told besides its VLANs. What is not set is left alone.
type Settings struct {
	// OtherConfig are keys of other_config of the port, with their values, by the names of ovs-vswitchd.conf.db(5), Port;
	// "" takes a key away. Keys that are not named are left alone.
	OtherConfig map[string]string `json:"other_config,omitempty"`
	// IngressPolicingRate is the most that the switch takes from the port, in kbit/s, 0 for no limit: with hw-offload
	// the card holds a VF to it, in whole Mbit/s.
	IngressPolicingRate *int `json:"ingress_policing_rate,omitempty" jsonschema:"minimum=0,maximum=4294967295"`
	// IngressPolicingBurst is what may come at once beyond that rate, in kbit, 0 for the switch's own choice (8000).
	IngressPolicingBurst *int `json:"ingress_policing_burst,omitempty" jsonschema:"minimum=0,maximum=4294967295"`
	// IngressPolicingKpktsRate is the most that the switch takes from the port, in 1000 packets/s, 0 for no limit; the
	// card does not hold to it what it forwards itself. From Open vSwitch 2.16 on.
	IngressPolicingKpktsRate *int `json:"ingress_policing_kpkts_rate,omitempty" jsonschema:"minimum=0,maximum=4294967295"`
	// IngressPolicingKpktsBurst is what may come at once beyond that rate, in 1000 packets, 0 for the switch's own choice (16).
	IngressPolicingKpktsBurst *int `json:"ingress_policing_kpkts_burst,omitempty" jsonschema:"minimum=0,maximum=4294967295"`
}

// Rest is what a port has besides its VLANs, as OVSDB has it (RFC 7047, 5.1).
type Rest struct {
	// Port are columns of the Port row; its name where that is not the netdev's.
	Port ovsdb.Columns `json:"port,omitempty"`
	// Interfaces are columns of its Interface rows: of a single one without the name, which is the
	// netdev's at the time; of a bond of Open vSwitch's own, of each with the name.
	Interfaces []ovsdb.Columns `json:"interfaces,omitempty"`
	// Of are, of several interfaces, the IDs of what they stand for ("" for none): their names may change.
	Of []string `json:"of,omitempty"`
}

// id is PortState.ID of the port wanted.
func (p Port) id() (string, error) {
	set := 0
	for _, s := range []string{p.Bond, p.VF, p.Uplink, p.Other} {
		if s != "" {
			set++
		}
	}
	switch {
	case set != 1:
		return "", fmt.Errorf("OVS port %s: exactly one of bond, vf and uplink has to be set", p.Name)
	case p.Bond != "":
		return idBond + p.Bond, nil
	case p.Other != "":
		return idPort + p.Other, nil
	}
	f, err := pci.ParseFunction(p.VF + p.Uplink)
	if err != nil {
		return "", fmt.Errorf("OVS port %s: %w", p.Name, err)
	}
	if f.IsVF() != (p.VF != "") {
		return "", fmt.Errorf("OVS port %s: %s is named as the other kind of function: vf: wants a VF, uplink: a PF", p.Name, f)
	}
	return f.String(), nil
}

// Check tells what is wrong with a port of a profile: which keys of its VLANs
// exclude or need one another.
func (p Port) Check() error {
	native := p.VLANMode == modeNativeTagged || p.VLANMode == modeNativeUntagged
	switch {
	case p.Tag != nil && p.Trunks != nil && !native:
		return fmt.Errorf("tag and trunks exclude each other: an access port has a tag, a trunk has trunks; for a native VLAN write `vlan_mode: %s` or `vlan_mode: %s` besides", modeNativeUntagged, modeNativeTagged)
	case p.VLANMode != "" && p.VLANMode != modeTrunk && p.Tag == nil:
		return fmt.Errorf("vlan_mode: %s needs a tag", p.VLANMode)
	case p.VLANMode == modeTrunk && p.Tag != nil:
		return fmt.Errorf("vlan_mode: %s has no tag; for a native VLAN write `vlan_mode: %s`", modeTrunk, modeNativeUntagged)
	case p.CVLANs != nil && p.VLANMode != modeTunnel:
		return fmt.Errorf("cvlans are of `vlan_mode: %s` only", modeTunnel)
	}
	if _, nameless := p.OtherConfig[""]; nameless {
		return errors.New("a key of other_config has no name")
	}
	return nil
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
