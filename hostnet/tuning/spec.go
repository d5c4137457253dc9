// SPDX-License-Identifier: Apache-2.0

// Package tuning owns what a profile tells the driver of the own netdev of a PF or VF: the
// MTU of a VF's, rings, channels, coalescing, pause, FEC, private flags and features, by
// the names of ethtool(8) and the kernel. What hangs on a netdev, and the settings that no
// profile names, are hostnet's, which carries them over a netdev that is made again: what
// is named here it leaves to this package.
package tuning

// Domain is the package's name in steps.
const Domain = "tuning"

// Rings are how many descriptors the rings of a netdev have (ethtool -g).
type Rings struct {
	// RX is how many descriptors the receive ring of each channel has: a power of two, up to what ethtool -g shows.
	RX *int `json:"rx,omitempty" jsonschema:"minimum=1"`
	// TX is how many descriptors the send ring of each channel has.
	TX *int `json:"tx,omitempty" jsonschema:"minimum=1"`
}

// Channels are how many queues a netdev has (ethtool -l).
type Channels struct {
	// Combined is how many channels of a receive and a send queue each there are, at most as many as the function has event queues and the host processors.
	Combined *int `json:"combined,omitempty" jsonschema:"minimum=1"`
}

// Coalesce is when a netdev interrupts (ethtool -c).
type Coalesce struct {
	// AdaptiveRX: the driver chooses rx-usecs and rx-frames by the traffic.
	AdaptiveRX *bool `json:"adaptive-rx,omitempty"`
	// AdaptiveTX: the driver chooses tx-usecs and tx-frames by the traffic.
	AdaptiveTX *bool `json:"adaptive-tx,omitempty"`
	// RXUsecs is how long a received packet waits for others before the interrupt, in microseconds.
	RXUsecs *int `json:"rx-usecs,omitempty" jsonschema:"minimum=0"`
	// RXFrames is how many received packets interrupt at once.
	RXFrames *int `json:"rx-frames,omitempty" jsonschema:"minimum=0"`
	// TXUsecs is how long a packet that was sent waits for others before the interrupt, in microseconds.
	TXUsecs *int `json:"tx-usecs,omitempty" jsonschema:"minimum=0"`
	// TXFrames is how many packets that were sent interrupt at once.
	TXFrames *int `json:"tx-frames,omitempty" jsonschema:"minimum=0"`
}

// Pause is flow control on the wire (ethtool -a).
type Pause struct {
	// Autoneg: rx and tx are negotiated with the other end.
	Autoneg *bool `json:"autoneg,omitempty"`
	// RX: the pause frames of the other end are obeyed.
	RX *bool `json:"rx,omitempty"`
	// TX: pause frames are sent when the port cannot take more.
	TX *bool `json:"tx,omitempty"`
}

// Spec is what both a PF's netdev and a VF's can be told. A field that is not set is left alone.
type Spec struct {
	// Rings are the sizes of the netdev's rings.
	Rings Rings `json:"rings,omitzero"`
	// Channels are the netdev's queues.
	Channels Channels `json:"channels,omitzero"`
	// Coalesce is when the netdev interrupts.
	Coalesce Coalesce `json:"coalesce,omitzero"`
	// PrivateFlags are switches of the driver's own, by its names (ethtool --show-priv-flags).
	PrivateFlags map[string]bool `json:"private_flags,omitempty"`
	// Features are offloads of the netdev by the kernel's names (ethtool -k); those of TLS, IPsec and TC are said under offload.
	Features map[string]bool `json:"features,omitempty"`
}

// UplinkSpec is what the netdev of a PF can be told.
type UplinkSpec struct {
	Spec

	// Pause is flow control of the port.
	Pause Pause `json:"pause,omitzero"`
	// FEC is the forward error correction of the port's link, auto for what the module and the other end take.
	FEC *string `json:"fec,omitempty" jsonschema:"enum=auto,enum=off,enum=rs,enum=baser,enum=llrs"`
}

// VFSpec is what the own netdev of a VF can be told.
type VFSpec struct {
	Spec

	// MTU of the VF's own netdev in bytes; more than its port and its representor have is dropped on the way out.
	MTU *int `json:"mtu,omitempty" jsonschema:"minimum=68,maximum=9978"`
}

// Values are what is set, by the attributes of steps.
func (s UplinkSpec) Values() Values {
	return whole{Spec: &s.Spec, Pause: &s.Pause, FEC: &s.FEC}.values()
}

// Values are what is set, by the attributes of steps.
func (s VFSpec) Values() Values { return whole{Spec: &s.Spec, MTU: &s.MTU}.values() }

// Lay is under, with what over sets in its place.
func Lay(over, under VFSpec) VFSpec {
	var s VFSpec
	to := whole{Spec: &s.Spec, MTU: &s.MTU}
	to.set(under.Values())
	to.set(over.Values())
	return s
}
