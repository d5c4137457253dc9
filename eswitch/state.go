// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

// Card is a network card as observed: the ports (PFs) that share a serial
// number.
type Card struct {
	VendorID   string `json:"vendor_id"`             // PCI vendor, "15b3"
	DeviceID   string `json:"device_id"`             // PCI device, "101d"
	Model      string `json:"model,omitempty"`       // by the PCI ids, "ConnectX-6 Dx"; else the VPD's product
	Product    string `json:"product,omitempty"`     // the VPD's identifier string
	PartNumber string `json:"part_number,omitempty"` // the VPD's PN
	Serial     string `json:"serial,omitempty"`      // the VPD's SN, else devlink's
	Driver     string `json:"driver,omitempty"`      // of the first port that has one
	Firmware   string `json:"firmware,omitempty"`    // running version
	PSID       string `json:"psid,omitempty"`        // firmware variant (devlink info fw.psid)
	Ports      []Port `json:"ports"`                 // by address
}

// Port is one port of a card (a PF) as observed.
type Port struct {
	Address pci.Address `json:"address"`
	// Number is the port's own on the card: devlink's physical port number where the driver says it,
	// else that of the PCI function.
	Number int    `json:"number"`
	Driver string `json:"driver,omitempty"` // "" if none is bound
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

	// Params are the devlink params of its device but for flow_steering_mode, by name.
	Params map[string]Param `json:"params,omitempty"`
	// ParamsErr is why they cannot be read, "" where they can.
	ParamsErr string `json:"params_error,omitempty"`

	// RateGroups are the rate nodes of the eswitch; there are none in legacy mode.
	RateGroups []RateGroup `json:"rate_groups,omitempty"`

	VFs []VF `json:"vfs,omitempty"` // by index, all NumVFs of them

	// SFs are the numbers of its scalable functions, which switchdev alone has.
	SFs []uint32 `json:"sfs,omitempty"`

	// NetdevIn and DevlinkIn are where its netdev and its devlink instance are, if not in this network
	// namespace, as in "the network namespace tenant".
	NetdevIn  string `json:"netdev_in,omitempty"`
	DevlinkIn string `json:"devlink_in,omitempty"`
	// Busy are netdevs of the eswitch with TC rules in hardware that are not Open vSwitch's, in words: with
	// them the driver changes neither mode nor steering.
	Busy map[resource.ID]string `json:"busy,omitempty"`
	// IPsec are IPsec states and policies in hardware, in words: with them the driver does not change the mode.
	IPsec string `json:"ipsec,omitempty"`
	// Err is what could not be read of the port; the rest is what could.
	Err string `json:"error,omitempty"`
}

// VF is a virtual function as observed.
type VF struct {
	Index int `json:"index"`
	// Address is its PCI address; "" on netdevsim, whose VFs are no PCI functions.
	Address pci.Address `json:"address,omitempty"`
	Driver  string      `json:"driver,omitempty"` // "" if none is bound
	// NoNetdev: its driver is bound and could not make its netdev.
	NoNetdev bool `json:"no_netdev,omitempty"`
	// Override is its driver_override, "" for none; where sriov_drivers_autoprobe is on it is not looked at.
	Override string `json:"driver_override,omitempty"`
	// Netdev is its own; "" when it has none in this network namespace: not bound, or moved.
	Netdev      string       `json:"netdev,omitempty"`
	Admin       *Admin       `json:"admin,omitempty"`       // absent where its PF has no netdev here
	Representor *Representor `json:"representor,omitempty"` // in switchdev only
	// Caps are the port function attributes that the driver has, by devlink's names; in switchdev only.
	Caps map[string]bool `json:"caps,omitempty"`
	// MaxIOEQs is the port function's max_io_eqs; absent where the driver does not say.
	MaxIOEQs *int `json:"max_io_eqs,omitempty"`
	// RateGroup is the rate node that the port function is below, "" for none.
	RateGroup string `json:"rate_group,omitempty"`
	Uses      []Use  `json:"uses,omitempty"` // by whom it is used
}

// Admin is what the PF's driver keeps of a VF (ip link show PF).
type Admin struct {
	MAC       string `json:"mac,omitempty"` // all zero: none was given
	VLAN      int    `json:"vlan"`          // 0 = none
	QoS       int    `json:"qos"`
	VLANProto string `json:"vlan_proto,omitempty"`
	SpoofChk  *bool  `json:"spoofchk,omitempty"` // absent: the driver does not say
	Trust     *bool  `json:"trust,omitempty"`
	MinTxRate int    `json:"min_tx_rate"` // Mbit/s, 0 = none
	MaxTxRate int    `json:"max_tx_rate"` // Mbit/s, 0 = no limit
	LinkState string `json:"link_state,omitempty"`
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

// UseKind is how a VF is used.
type UseKind string

// The kinds of use.
const (
	Held      UseKind = "held"      // a process holds it over vfio
	UserSpace UseKind = "driver"    // it is bound to a driver that makes no netdev: for a machine, or user space
	Elsewhere UseKind = "namespace" // its netdev is in another network namespace
	Upper     UseKind = "upper"     // netdevs are on top of its own
	Enslaved  UseKind = "master"    // its netdev is in a bridge or a bond
	Addressed UseKind = "address"   // its netdev has addresses
	Leased    UseKind = "leased"    // it was given out (nicwright vf lease)
)

// Use is one way in which a VF is used.
type Use struct {
	Kind UseKind `json:"kind"`
	By   string  `json:"by"` // the process, the driver, the namespace, the netdev, the address
}

// String completes "the VF is in use: ...".
func (u Use) String() string {
	switch u.Kind {
	case Held:
		return u.By + " holds it"
	case UserSpace:
		return "it is bound to " + u.By
	case Elsewhere:
		return "its netdev is in " + u.By
	case Upper:
		return u.By + " is on top of its netdev"
	case Enslaved:
		return "its netdev is in " + u.By
	case Addressed:
		return "its netdev has the address " + u.By
	case Leased:
		return "it is leased as " + u.By
	}
	return u.By
}
