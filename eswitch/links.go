// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"fmt"

	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
)

// dmfs is the steering by firmware; it is older than smfs, the default since Linux 5.17.
const dmfs = "dmfs"

// UplinkLink is whether TLS can be on a function's netdev: never on an uplink in
// switchdev (m5/en_main.c, mlx5e_fix_uplink_rep_features).
func (p Port) UplinkLink(fn pci.Function) chain.Link {
	const name = "uplink"
	switch {
	case fn.IsVF():
		return chain.Held(name, "it is a VF")
	case p.Mode == switchdev:
		return chain.Broke(name, "it is the uplink of an eswitch in switchdev, which never offers TLS to the card (NW101)",
			"use TLS on the VFs: profile: vf: {offload: {tls-hw-tx-offload: true}} at the port",
			"profile: eswitch-mode: legacy at the port")
	case p.Mode == "":
		return chain.Held(name, "its driver has no eswitch")
	}
	return chain.Held(name, "its eswitch is in "+p.Mode)
}

// SteeringLink is whether the steering goes together with packet offload
// (m5/en_accel/ipsec_offload.c, mlx5_ipsec_device_caps): dmfs does, smfs in
// legacy mode does. A VF has no eswitch of its own, so that only hmfs is in its way;
// its own steering is not what p says.
func (p Port) SteeringLink(fn pci.Function) chain.Link {
	const name = "steering"
	switch {
	case fn.IsVF():
		return chain.Held(name, "a VF steers as in legacy mode")
	case p.Steering == "":
		return chain.Open(name, "the driver does not say how it steers (devlink param flow_steering_mode)")
	case p.Steering == dmfs:
		return chain.Held(name, "it is dmfs")
	case p.Steering == "smfs" && p.Mode != switchdev:
		return chain.Held(name, "it is smfs, in "+p.Mode+" mode")
	}
	dev := device(p.Address).String()
	mend := []string{"profile: flow_steering_mode: dmfs at the port"}
	if p.Mode == switchdev {
		mend = append(mend, fmt.Sprintf("devlink dev eswitch set %s mode legacy; devlink dev param set %s name flow_steering_mode value dmfs cmode runtime; devlink dev eswitch set %s mode switchdev", dev, dev, dev))
	} else {
		mend = append(mend, fmt.Sprintf("devlink dev param set %s name flow_steering_mode value dmfs cmode runtime", dev))
	}
	return chain.Broke(name, fmt.Sprintf("it is %s in %s mode, and packet offload takes dmfs, set before switchdev, or a legacy eswitch", p.Steering, p.Mode), mend...)
}

// EncapLink is whether tunnel mode goes together with the eswitch and its encap-mode
// (m5/en_accel/ipsec.c: "Packet offload tunnel mode is disabled due to encap
// settings"). tunnels is OffloadsTunnels.
func (p Port) EncapLink(fn pci.Function, tunnel bool, tunnels probe.Fact) chain.Link {
	const name = "encap-mode"
	switch {
	case !tunnel:
		return chain.Held(name, "transport mode needs none in particular")
	case fn.IsVF():
		return chain.Held(name, "it is a VF")
	case p.Mode != switchdev:
		return chain.Held(name, fmt.Sprintf("it is %s, in %s mode", orText(p.EncapMode, "not there"), orText(p.Mode, "no eswitch")))
	}
	takes := tunnels.Ask()
	switch {
	case takes.Denied():
		return chain.Broke(name, "the driver takes no tunnels in packet mode on a PF in switchdev, as mainline since Linux 6.18: "+takes.Source,
			"use crypto offload, transport mode, or IPsec on the VFs", "profile: eswitch-mode: legacy at the port")
	case p.EncapMode != "none":
		return chain.Broke(name, "it is "+p.EncapMode+" in switchdev, and packet offload of tunnels takes none",
			"profile: encap-mode: none at the port", "devlink dev eswitch set "+device(p.Address).String()+" encap-mode none (without flows and tunnels)")
	case !takes.Known:
		return chain.Open(name, "it is none; whether the driver takes tunnels in switchdev at all: "+takes.Source)
	}
	return chain.Held(name, "it is none, in "+p.Mode+" mode")
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
