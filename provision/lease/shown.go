// SPDX-License-Identifier: Apache-2.0

package lease

import "time"

// ShownVersion is the version of what vf lease and vf list print as JSON.
const ShownVersion = 1

// Answer is a lease as it is printed: all that a machine's manager needs to give the
// VF to a machine.
type Answer struct {
	// Version of the document: 1.
	Version int `json:"version" jsonschema:"enum=1"`
	Shown
}

// List is all leases, and the VFs that can be leased.
type List struct {
	// Version of the document: 1.
	Version int `json:"version" jsonschema:"enum=1"`
	// VFs of the networks in force, and leased ones that are in none any more.
	VFs []Shown `json:"vfs"`
}

// Shown is a VF of a network, and its lease if it has one.
type Shown struct {
	// Name by which the lease is released; absent of a VF that is not leased.
	Name string `json:"name,omitempty"`
	// Network that it is leased of.
	Network string `json:"network,omitempty"`
	// Networks that it can be leased of.
	Networks []string `json:"networks,omitempty"`
	// VM is the machine that it is for.
	VM string `json:"vm,omitempty"`
	// Profile that has the network.
	Profile string `json:"profile,omitempty"`
	// State is free, used (by somebody without a lease), leased, stale (its process has ended), setting or clearing (half done,
	// and taken back by the next lease, release or apply), or gone (the VF is not there).
	State string `json:"state" jsonschema:"enum=free,enum=used,enum=leased,enum=stale,enum=setting,enum=clearing,enum=gone"`
	// Function is the VF by its port and index, as in pci/0000:3b:00.0/vf/3.
	Function string `json:"function"`
	// Address on the PCI bus, as in 0000:3b:00.5.
	Address string `json:"address,omitempty"`
	// PF is the PCI address of its port.
	PF string `json:"pf"`
	// PFNetdev is the netdev of its port now, absent where it has none here.
	PFNetdev string `json:"pf_netdev,omitempty"`
	// PFVFs is how many VFs the port has.
	PFVFs int `json:"pf_vfs,omitempty"`
	// ID is the PCI vendor and device ID of the VF, as in 15b3:101e.
	ID string `json:"id,omitempty"`
	// SubsystemID is the PCI subsystem's vendor and device ID.
	SubsystemID string `json:"subsystem_id,omitempty"`
	// Netdev is the VF's own, where it has one here.
	Netdev string `json:"netdev,omitempty"`
	// IOMMUGroup is its number, absent without an IOMMU.
	IOMMUGroup *int `json:"iommu_group,omitempty"`
	// VFIODevice is its own file below /dev/vfio/devices, as in vfio3, for iommufd; absent unless it is bound to a vfio driver.
	VFIODevice string `json:"vfio_device,omitempty"`
	// NUMANode of the card, -1 where the host has none.
	NUMANode int `json:"numa_node"`
	// MAC address of the VF.
	MAC string `json:"mac,omitempty"`
	// Driver that it is bound to now, none without one.
	Driver string `json:"driver,omitempty"`
	// EswitchMode of its port, switchdev or legacy.
	EswitchMode string `json:"eswitch_mode,omitempty"`
	// VLAN that isolates the machine: the tag of the port in switchdev, the VF's own in legacy mode; absent for none.
	VLAN *int `json:"vlan,omitempty"`
	// MaxTxRate is the highest rate in Mbit/s, absent without a limit.
	MaxTxRate *int `json:"max_tx_rate,omitempty"`
	// Migratable says whether the VF can be migrated live, by its port function; absent where the driver does not say.
	Migratable *bool `json:"migratable,omitempty"`
	// Representor is the netdev on the switch's side, in switchdev.
	Representor *Representor `json:"representor,omitempty"`
	// Port is that of the switch.
	Port *Port `json:"port,omitempty"`
	// Differs says what of the VF is not as its lease says; apply mends it.
	Differs []string `json:"differs,omitempty"`
	// HeldBy says in words who uses the VF now: a machine, a process, a network namespace.
	HeldBy []string `json:"held_by,omitempty"`
	// PID of the process whose end ends the lease.
	PID int `json:"pid,omitempty"`
	// Since when it is leased.
	Since *time.Time `json:"since,omitempty"`
}

// Representor is a representor as it is now.
type Representor struct {
	// Netdev is its name now, which another kernel may make another.
	Netdev string `json:"netdev"`
	// Ifindex is its number now.
	Ifindex int `json:"ifindex"`
	// Up administratively.
	Up bool `json:"up"`
	// Carrier: the VF's driver is up.
	Carrier bool `json:"carrier"`
	// MTU in bytes.
	MTU int `json:"mtu"`
}

// The kinds of a bridge.
const (
	KindOVS   = "openvswitch"
	KindLinux = "linux"
)

// Port is a port of a bridge as it is now.
type Port struct {
	// Kind of the bridge, openvswitch or linux.
	Kind string `json:"kind" jsonschema:"enum=openvswitch,enum=linux"`
	// Bridge, of Open vSwitch or of the kernel.
	Bridge string `json:"bridge"`
	// Name of the port's row; of the kernel's, of its netdev now.
	Name string `json:"name"`
	// OFPort is its OpenFlow number; above 0 it works. 0 at a bridge of the kernel, which has none.
	OFPort int `json:"ofport"`
	// VLANs in words, as in access 100.
	VLANs string `json:"vlans"`
	// Tag, Trunks and VLANMode are its columns, as far as they are set; at a bridge of the kernel, its VLANs in those words.
	Tag      *int   `json:"tag,omitempty"`
	Trunks   []int  `json:"trunks,omitempty"`
	VLANMode string `json:"vlan_mode,omitempty"`
	// Error that ovs-vswitchd has with it.
	Error string `json:"error,omitempty"`
}
