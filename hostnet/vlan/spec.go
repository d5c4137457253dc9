// SPDX-License-Identifier: Apache-2.0

// Package vlan owns VLAN netdevs on bonds and uplinks: that they are there, their MTU and
// whether they are up. Their addresses and routes are hostnet's, and so is what a profile
// says of no VLAN: it is left alone, and put back where it is lost.
package vlan

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

// Domain is the domain's name in steps.
const Domain = "vlan"

// Present is the attribute that a VLAN is there: "100 on bond/bond0".
const Present = "vlan"

// MaxID is the highest id of a VLAN (IEEE 802.1Q).
const MaxID = 4094

// The attributes of a VLAN's own netdev.
const (
	attrMTU = "mtu"
	attrUp  = "up"
)

// Spec is one VLAN netdev. A field that is not set is left alone. Exactly one of Bond
// and Uplink is set.
type Spec struct {
	// Name of the netdev, 1..15 bytes. A VLAN of that name with the same id on the same netdev is adopted.
	Name string `json:"name" jsonschema:"required,minLength=1,maxLength=15,pattern=^[^/:\\s]+$"`
	// Bond is the name of the kernel bond that it is on.
	Bond string `json:"bond,omitempty" jsonschema:"minLength=1"`
	// Uplink is the port that it is on, CARD/PORT, which is in no bond.
	Uplink string `json:"uplink,omitempty" jsonschema:"minLength=1"`
	// ID of the VLAN, 1..4094.
	ID int `json:"id" jsonschema:"required,minimum=1,maximum=4094"`
	// Protocol of its tag; unset: 802.1Q.
	Protocol string `json:"protocol,omitempty" jsonschema:"enum=802.1Q,enum=802.1ad"`
	// MTU in bytes, at most that of the netdev below; unset: that one's, as it is when the VLAN is made.
	MTU *int `json:"mtu,omitempty" jsonschema:"minimum=68,maximum=65535"`
	// Up: administratively up. A VLAN that is made is up unless this is false; one with addresses or routes is up.
	Up *bool `json:"up,omitempty"`

	// On is the netdev that it is on, of a resolved one.
	On resource.ID `yaml:"-" json:"on,omitzero"`

	// Of what was observed, for a rollback:
	Exact   bool   `yaml:"-" json:"exact,omitempty"`    // Owner is what there was
	Owner   string `yaml:"-" json:"owner,omitempty"`    // "": somebody else's
	IfThere bool   `yaml:"-" json:"if_there,omitempty"` // it is not made where it is gone
	Data    []byte `yaml:"-" json:"data,omitempty"`     // IFLA_INFO_DATA
	MAC     string `yaml:"-" json:"mac,omitempty"`      // where it is not that of the netdev below

	before *Spec // what it was, as Fill was told
}

// protocols are those of the tag, by the names of ip-link(8).
var protocols = map[string]int{"802.1Q": rtlink.VLAN8021Q, "802.1ad": rtlink.VLAN8021AD}

// DefaultProtocol is that of a VLAN of which nothing is said.
const DefaultProtocol = "802.1Q"

func (s Spec) protocol() string {
	if s.Protocol == "" {
		return DefaultProtocol
	}
	return s.Protocol
}

// Tag tells the VLANs of one netdev apart, as the kernel does.
func (s Spec) Tag() string { return strconv.Itoa(s.ID) + "/" + s.protocol() }

// text is which VLAN it is.
func (s Spec) text() string {
	protocol := ""
	if s.protocol() != DefaultProtocol {
		protocol = " (" + s.protocol() + ")"
	}
	return fmt.Sprintf("%d%s on %s", s.ID, protocol, s.On)
}

func (s Spec) id() resource.ID { return resource.OfLink(s.Name) }

// Told are the attributes of the netdev that the spec says.
func (s Spec) Told() (names []string) {
	if s.MTU != nil {
		names = append(names, attrMTU)
	}
	if s.Up != nil {
		names = append(names, attrUp)
	}
	return names
}

// Specs are all VLANs of a state as a want that brings them back.
func Specs(s State) []Spec {
	var all []Spec
	for _, v := range s.VLANs {
		all = append(all, v.spec())
	}
	return all
}

func (v VLAN) spec() Spec {
	return Spec{
		Name: v.Name, ID: v.ID, Protocol: v.Protocol, MTU: &v.MTU, Up: &v.Up, On: v.On,
		Exact: true, Owner: v.Owner, Data: v.Data, MAC: v.MAC,
	}
}

// Captured is a VLAN as a profile would say it, but for what it is on.
func (v VLAN) Captured(below int) Spec {
	s := Spec{Name: v.Name, ID: v.ID, Protocol: v.Protocol, Up: &v.Up}
	if v.Protocol == DefaultProtocol {
		s.Protocol = ""
	}
	if v.MTU != below {
		s.MTU = &v.MTU
	}
	if v.Up {
		s.Up = nil
	}
	return s
}

// Keep is what of a want that was observed an operation touched. What it did not make or
// take away is not made again where somebody has removed it since.
func Keep(specs []Spec, touched func(id resource.ID, attribute string) bool) []Spec {
	var all []Spec
	for _, s := range specs {
		id := s.id()
		made := touched(id, Present)
		if !made {
			s.IfThere = true
			if !touched(id, attrMTU) {
				s.MTU = nil
			}
			if !touched(id, attrUp) {
				s.Up = nil
			}
			if !touched(id, step.AttrMark) {
				s.Exact, s.Owner = false, ""
			}
		}
		if made || s.MTU != nil || s.Up != nil || s.Exact {
			all = append(all, s)
		}
	}
	return all
}

// Fill notes what the VLANs that over wants were under: one that is made again keeps what
// nobody says of it.
func Fill(over, under []Spec, _ step.Effects) []Spec {
	filled := slices.Clone(over)
	for i, s := range filled {
		if n := named(under, s.Name); n >= 0 {
			filled[i].before = &under[n]
		}
	}
	return filled
}

func named(all []Spec, name string) int {
	return slices.IndexFunc(all, func(s Spec) bool { return s.Name == name })
}

// Lay lays what was before an operation upon base: what the operation touched is as over
// says, and what it made is not there.
func Lay(over, base []Spec, touched func(id resource.ID, attribute string) bool) []Spec {
	var all []Spec
	for _, b := range base {
		i := named(over, b.Name)
		switch {
		case i < 0 && touched(b.id(), Present):
			continue // the operation made it
		case i >= 0:
			b = over[i].upon(b)
		}
		all = append(all, b)
	}
	for _, s := range over {
		if named(base, s.Name) < 0 {
			all = append(all, s)
		}
	}
	return all
}

// upon is s with what it does not say of b.
func (s Spec) upon(b Spec) Spec {
	if s.MTU == nil {
		s.MTU = b.MTU
	}
	if s.Up == nil {
		s.Up = b.Up
	}
	if !s.Exact {
		s.Exact, s.Owner = b.Exact, b.Owner
	}
	s.IfThere = s.IfThere && b.IfThere
	return s
}
