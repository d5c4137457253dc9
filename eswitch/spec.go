// SPDX-License-Identifier: Apache-2.0

// Package eswitch owns a card: its discovery by PCI address, SR-IOV, the
// devlink eswitch, representors, and VFs: their drivers, what their PF's driver
// keeps of them, and by whom they are used.
package eswitch

// Domain is the package's name in steps.
const Domain = "eswitch"

// PortSpec is how one port of a card (one PF) is to be. A field that is not set
// is left alone.
type PortSpec struct {
	// VFs is the number of virtual functions, 0..127.
	VFs *int `yaml:"vfs,omitempty" json:"vfs,omitempty" jsonschema:"minimum=0,maximum=127"`
	// Mode of the eswitch (include/uapi/linux/devlink.h, DEVLINK_ESWITCH_MODE_*).
	Mode *string `yaml:"eswitch-mode,omitempty" json:"eswitch-mode,omitempty" jsonschema:"enum=legacy,enum=switchdev"`
	// InlineMode of the eswitch: how much of a packet's header the driver puts in the work request.
	InlineMode *string `yaml:"inline-mode,omitempty" json:"inline-mode,omitempty" jsonschema:"enum=none,enum=link,enum=network,enum=transport"`
	// EncapMode of the eswitch: whether tunnels can be offloaded.
	EncapMode *string `yaml:"encap-mode,omitempty" json:"encap-mode,omitempty" jsonschema:"enum=none,enum=basic"`
	// Steering is the devlink param flow_steering_mode; it is set while the eswitch is in legacy mode.
	Steering *string `yaml:"flow_steering_mode,omitempty" json:"flow_steering_mode,omitempty" jsonschema:"enum=dmfs,enum=smfs,enum=hmfs"`
	// Params are devlink params of the port by the kernel's names (devlink dev param show), each with true, false, a
	// number or a text. runtime ones are set at once; for driverinit ones the driver is reloaded, once for all
	// of them; what is permanent is stored in the card, and holds after a reboot. Of one that the kernel has in several
	// of these modes, a value by mode.
	Params map[string]ParamValue `yaml:"params,omitempty" json:"params,omitempty"`
	// ParamsAs are, of a rollback and of what is left alone, the params as steps have them.
	ParamsAs map[string]string `yaml:"-" json:"params_as,omitempty"`
	// MTU of the PF's netdev in bytes.
	MTU *int `yaml:"mtu,omitempty" json:"mtu,omitempty" jsonschema:"minimum=68,maximum=9978"`
	// Up: the PF's netdev is administratively up.
	Up *bool `yaml:"up,omitempty" json:"up,omitempty"`
	// Autoprobe is sysfs sriov_drivers_autoprobe: whether new VFs are bound to a driver at once.
	// nicwright turns it off while it makes VFs, and back on.
	Autoprobe *bool `yaml:"sriov_drivers_autoprobe,omitempty" json:"sriov_drivers_autoprobe,omitempty"`
	// TakeFrom is the master (a bridge, a bond) from which the uplink may be taken; the bond that the
	// uplink goes into asks for it.
	TakeFrom *string `yaml:"take-from,omitempty" json:"take-from,omitempty" jsonschema:"minLength=1,maxLength=15"`
	// Follows: MTU and up are its bond's, and not the port's.
	Follows bool `yaml:"-" json:"follows,omitempty"`
	// RateGroups of the eswitch, merged by name: what is set for one, its VFs have together (switchdev only). Others
	// that are there are left alone, and so is one that the profile names no more; a rollback takes away what it made.
	RateGroups []RateGroup `yaml:"rate-groups,omitempty" json:"rate-groups,omitempty"`
	// AllRateGroups is, of a rollback, all that there shall be, as steps have them.
	AllRateGroups *string `yaml:"-" json:"all_rate_groups,omitempty"`
	// Functions are the VFs by index, each with its whole spec; the profile's ranges are resolved into it.
	Functions map[int]FunctionSpec `yaml:"-" json:"functions,omitempty"`
}

// FunctionSpec is how a VF is to be.
type FunctionSpec struct {
	// Driver is the name of the PCI driver the VF is bound to, or "none".
	Driver *string `yaml:"driver,omitempty" json:"driver,omitempty" jsonschema:"enum=mlx5_core,enum=vfio-pci,enum=mlx5_vfio_pci,enum=none"`
	// MAC address of the VF, as its PF's driver gives it (ip link set PF vf N mac); all zero: the VF
	// chooses. The VF's driver sees it when it is bound.
	MAC *string `yaml:"mac,omitempty" json:"mac,omitempty" jsonschema:"pattern=^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"`
	// VLAN that isolates the VF, 0 = none (legacy mode only; mlx5 takes 0 alone in switchdev).
	VLAN *int `yaml:"vlan,omitempty" json:"vlan,omitempty" jsonschema:"minimum=0,maximum=4094"`
	// QoS is the priority of that VLAN.
	QoS *int `yaml:"qos,omitempty" json:"qos,omitempty" jsonschema:"minimum=0,maximum=7"`
	// VLANProto is the protocol of that VLAN.
	VLANProto *string `yaml:"vlan-proto,omitempty" json:"vlan-proto,omitempty" jsonschema:"enum=802.1Q,enum=802.1ad"`
	// Trust: the VF may be promiscuous and change its MAC address (legacy mode only).
	Trust *bool `yaml:"trust,omitempty" json:"trust,omitempty"`
	// SpoofChk: the VF may send with its own MAC address only (legacy mode only).
	SpoofChk *bool `yaml:"spoofchk,omitempty" json:"spoofchk,omitempty"`
	// MinTxRate is the VF's guaranteed rate in Mbit/s, 0 = none.
	MinTxRate *int `yaml:"min_tx_rate,omitempty" json:"min_tx_rate,omitempty" jsonschema:"minimum=0"`
	// MaxTxRate is the VF's highest rate in Mbit/s, 0 = no limit.
	MaxTxRate *int `yaml:"max_tx_rate,omitempty" json:"max_tx_rate,omitempty" jsonschema:"minimum=0"`
	// RateGroup is the name of the rate group of the port that the VF is in, or "none" (switchdev only).
	RateGroup *string `yaml:"rate-group,omitempty" json:"rate-group,omitempty" jsonschema:"minLength=1"`
	// LinkState of the VF: auto follows the uplink's (legacy mode only).
	LinkState *string `yaml:"link-state,omitempty" json:"link-state,omitempty" jsonschema:"enum=auto,enum=enable,enum=disable"`
	// IPsecCrypto is the port function attribute ipsec_crypto: the VF may give SAs to the card
	// (crypto offload; switchdev, Linux 6.6). It is set while the VF has no driver.
	IPsecCrypto *bool `yaml:"ipsec_crypto,omitempty" json:"ipsec_crypto,omitempty"`
	// IPsecPacket is ipsec_packet: the same for packet offload.
	IPsecPacket *bool `yaml:"ipsec_packet,omitempty" json:"ipsec_packet,omitempty"`
	// RoCE is the port function attribute roce: the VF has RDMA over Ethernet, and the memory for
	// it (switchdev; like those that follow, it is set while the VF has no driver).
	RoCE *bool `yaml:"roce,omitempty" json:"roce,omitempty"`
	// Migratable: the VF can be moved with its machine, whose driver is then mlx5_vfio_pci (Linux 6.2).
	Migratable *bool `yaml:"migratable,omitempty" json:"migratable,omitempty"`
	// MaxIOEQs is how many event queues for completions the VF may have, and so how many channels (Linux 6.10).
	MaxIOEQs *int `yaml:"max_io_eqs,omitempty" json:"max_io_eqs,omitempty" jsonschema:"minimum=1,maximum=65535"`
	// RepresentorUp: the VF's representor is administratively up (switchdev only).
	RepresentorUp *bool `yaml:"representor-up,omitempty" json:"representor-up,omitempty"`
	// RepresentorMTU in bytes (switchdev only).
	RepresentorMTU *int `yaml:"representor-mtu,omitempty" json:"representor-mtu,omitempty" jsonschema:"minimum=68,maximum=9978"`

	// DriverKept: Driver is what the VF had before (Fill), and not what the profile asks for.
	DriverKept bool `yaml:"-" json:"driver_kept,omitempty"`
}
