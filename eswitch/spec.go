// SPDX-License-Identifier: Apache-2.0

// Package eswitch owns a card: its discovery by PCI address, SR-IOV, the
// devlink eswitch, representors, and VFs.
package eswitch

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
	// MTU of the PF's netdev in bytes.
	MTU *int `yaml:"mtu,omitempty" json:"mtu,omitempty" jsonschema:"minimum=68,maximum=9978"`
	// Up: the PF's netdev is administratively up.
	Up *bool `yaml:"up,omitempty" json:"up,omitempty"`
	// Autoprobe is sysfs sriov_drivers_autoprobe: whether new VFs are bound to a driver at once.
	// nicwright turns it off while it makes VFs, and back on.
	Autoprobe *bool `yaml:"sriov_drivers_autoprobe,omitempty" json:"sriov_drivers_autoprobe,omitempty"`
	// VF is how every VF of the port is to be.
	VF FunctionSpec `yaml:"vf,omitempty" json:"vf,omitempty"`
}

// FunctionSpec is how a VF is to be.
type FunctionSpec struct {
	// Driver is the name of the PCI driver the VF is bound to, or "none".
	Driver *string `yaml:"driver,omitempty" json:"driver,omitempty" jsonschema:"enum=mlx5_core,enum=vfio-pci,enum=none"`
	// IPsecCrypto is the port function attribute ipsec_crypto: the VF may give SAs to the card
	// (crypto offload; switchdev, Linux 6.6). It is set while the VF has no driver.
	IPsecCrypto *bool `yaml:"ipsec_crypto,omitempty" json:"ipsec_crypto,omitempty"`
	// IPsecPacket is ipsec_packet: the same for packet offload.
	IPsecPacket *bool `yaml:"ipsec_packet,omitempty" json:"ipsec_packet,omitempty"`
	// RepresentorUp: the VF's representor is administratively up (switchdev only).
	RepresentorUp *bool `yaml:"representor-up,omitempty" json:"representor-up,omitempty"`
	// RepresentorMTU in bytes (switchdev only).
	RepresentorMTU *int `yaml:"representor-mtu,omitempty" json:"representor-mtu,omitempty" jsonschema:"minimum=68,maximum=9978"`
}
