// SPDX-License-Identifier: Apache-2.0

package eswitch

import "github.com/nicwright/nicwright/internal/pci"

// Card is a network card as observed: the ports (PFs) that share a serial
// number.
type Card struct {
	VendorID   string `json:"vendor_id"`             // PCI vendor, "15b3"
	DeviceID   string `json:"device_id"`             // PCI device, "101d"
	Model      string `json:"model,omitempty"`       // by the PCI ids, "ConnectX-6 Dx"; else the VPD's product
	Product    string `json:"product,omitempty"`     // the VPD's identifier string
	PartNumber string `json:"part_number,omitempty"` // the VPD's PN
	Serial     string `json:"serial,omitempty"`      // the VPD's SN, else devlink's
	Driver     string `json:"driver,omitempty"`      // of the first port; "" if it has none
	Firmware   string `json:"firmware,omitempty"`    // running version
	PSID       string `json:"psid,omitempty"`        // firmware variant (devlink info fw.psid)
	Ports      []Port `json:"ports"`                 // by address
}

// Port is one port of a card (a PF) as observed.
type Port struct {
	Address pci.Address `json:"address"`
	Driver  string      `json:"driver,omitempty"` // "" if none is bound
	// The PF's netdev; "" and 0 when it has none in this network namespace.
	Netdev  string `json:"netdev,omitempty"`
	Ifindex int    `json:"ifindex,omitempty"`
	MTU     int    `json:"mtu,omitempty"` // bytes
	Up      bool   `json:"up"`            // administratively
	Carrier bool   `json:"carrier"`
	Speed   int    `json:"speed_mbps,omitempty"` // Mbit/s; 0 when not known

	TotalVFs int `json:"total_vfs"` // most that the device offers
	NumVFs   int `json:"num_vfs"`
	// Autoprobe is sysfs sriov_drivers_autoprobe; absent where the device has none.
	Autoprobe *bool `json:"sriov_drivers_autoprobe,omitempty"`

	// The eswitch, as devlink has it; "" where the driver has none or does not say.
	Mode       string `json:"eswitch_mode,omitempty"`
	InlineMode string `json:"inline_mode,omitempty"`
	EncapMode  string `json:"encap_mode,omitempty"`
	Steering   string `json:"flow_steering_mode,omitempty"`

	VFs []VF `json:"vfs,omitempty"` // by index, all NumVFs of them
}

// VF is a virtual function as observed.
type VF struct {
	Index int `json:"index"`
	// Address is its PCI address; "" on netdevsim, whose VFs are no PCI functions.
	Address pci.Address `json:"address,omitempty"`
	Driver  string      `json:"driver,omitempty"` // "" if none is bound
	// Netdev is its own; "" when it has none in this network namespace: not bound, or moved.
	Netdev      string       `json:"netdev,omitempty"`
	Representor *Representor `json:"representor,omitempty"` // in switchdev only
	// Caps are the port function attributes that the driver has, by devlink's names; in switchdev only.
	Caps map[string]bool `json:"caps,omitempty"`
}

// Representor is the netdev on the eswitch's side of a VF.
type Representor struct {
	Netdev       string `json:"netdev"`
	Ifindex      int    `json:"ifindex"`
	PhysPortName string `json:"phys_port_name,omitempty"` // for people; its meaning comes from the devlink port
	Up           bool   `json:"up"`                       // administratively
	Carrier      bool   `json:"carrier"`
	MTU          int    `json:"mtu"` // bytes
}

// Spec is the port as a want that would bring it back: rollback is an apply of
// it. What is not the same on all VFs, and what the device does not have, is
// left unset.
func (p Port) Spec() PortSpec {
	s := PortSpec{
		VFs:        &p.NumVFs,
		Mode:       word(p.Mode),
		InlineMode: word(p.InlineMode),
		EncapMode:  word(p.EncapMode),
		Steering:   word(p.Steering),
		Autoprobe:  p.Autoprobe,
	}
	if p.Netdev != "" {
		s.MTU, s.Up = &p.MTU, &p.Up
	}
	for i, vf := range p.VFs {
		driver := vf.Driver
		if driver == "" {
			driver = noDriver
		}
		same(i == 0, &s.VF.Driver, vf.Address != "", driver)
		var rep Representor
		if vf.Representor != nil {
			rep = *vf.Representor
		}
		same(i == 0, &s.VF.RepresentorUp, vf.Representor != nil, rep.Up)
		same(i == 0, &s.VF.RepresentorMTU, vf.Representor != nil, rep.MTU)
		for _, c := range functionCaps {
			on, has := vf.Caps[c]
			same(i == 0, s.VF.functionCap(c), has, on)
		}
	}
	return s
}

// Fill is s with what it leaves alone set to what before has there, as far as
// that goes together with what s asks for: representors, for one, exist in
// switchdev only.
func (s PortSpec) Fill(before PortSpec) PortSpec {
	fill(&s.VFs, before.VFs)
	fill(&s.Mode, before.Mode)
	fill(&s.InlineMode, before.InlineMode)
	fill(&s.EncapMode, before.EncapMode)
	fill(&s.Steering, before.Steering)
	fill(&s.MTU, before.MTU)
	fill(&s.Up, before.Up)
	fill(&s.Autoprobe, before.Autoprobe)
	fill(&s.VF.Driver, before.VF.Driver)
	if s.Mode != nil && *s.Mode == switchdev {
		fill(&s.VF.RepresentorUp, before.VF.RepresentorUp)
		fill(&s.VF.RepresentorMTU, before.VF.RepresentorMTU)
		for _, c := range functionCaps {
			fill(s.VF.functionCap(c), *before.VF.functionCap(c))
		}
	}
	return s
}

func fill[T any](want **T, before *T) {
	if *want == nil {
		*want = before
	}
}

// same keeps in *all the value that all VFs have in common: it is set by the
// first and unset by the first that differs or has none.
func same[T comparable](first bool, all **T, has bool, v T) {
	switch {
	case first && has:
		*all = &v
	case *all != nil && (!has || **all != v):
		*all = nil
	}
}

func word(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
