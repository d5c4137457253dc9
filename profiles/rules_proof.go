// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
)

// What is known of proofs of TLS and IPsec, over the plain values that a
// profile's verify section has. "" is that nothing is against it.

// packetUnmet says why IPsec in packet mode cannot be on a PF: in switchdev it takes
// dmfs, set before (m5/en_accel/ipsec_offload.c, mlx5_ipsec_device_caps), and tunnels
// take encap-mode none (m5/en_accel/ipsec.c; some drivers take none at all, which
// nicwright doctor says).
func packetUnmet(port eswitch.PortSpec) []string {
	if !isSet(port.Mode, "switchdev") {
		return nil
	}
	var why []string
	if !isSet(port.Steering, "dmfs") {
		why = append(why, "flow_steering_mode is "+orUnset(port.Steering)+" in switchdev, and packet offload takes dmfs")
	}
	if !isSet(port.EncapMode, "none") {
		why = append(why, "encap-mode is "+orUnset(port.EncapMode)+" in switchdev, and packet offload of tunnels takes none")
	}
	return why
}

// checkVFIPsec holds the proof of IPsec that is to be offloaded against the port
// functions of VFs in switchdev.
func checkVFIPsec(p *Profile, report report) {
	if p.Verify == nil || p.Verify.IPsec == nil || !isSet(p.Verify.IPsec.Require, "offloaded") {
		return
	}
	offloads := p.Verify.IPsec.Offloads
	if offloads == nil {
		offloads = crypto.Offloads
	}
	said := map[string]bool{} // of the ranges of one port once
	p.eachGroup(func(ref portRef, g group) {
		if !isSet(g.port.Mode, "switchdev") || g.size() == 0 || g.elsewhere() {
			return
		}
		for name, on := range map[string]*bool{"crypto": g.spec.IPsecCrypto, "packet": g.spec.IPsecPacket} {
			if key := ref.String() + " " + name; slices.Contains(offloads, name) && !isTrue(on) && !said[key] {
				said[key] = true
				report(p.At("verify", "ipsec", "require"), "IPsec (%s) of a VF of %s has to be offloaded, and its ipsec_%s is not set", name, ref, name)
			}
		}
	})
}

// checkPacketOnPF: who requires ESP of an uplink in switchdev may want packet
// mode, and has to know what it takes.
func checkPacketOnPF(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(path ...any) Position) {
		if !isTrue(port.Offload.ESP) || !isSet(port.Mode, "switchdev") || port.Steering == nil {
			return // what is left alone may be as it has to be
		}
		if why := packetUnmet(port.PortSpec); why != nil {
			report(at("offload", "esp-hw-offload"), "ESP on %s: %s", ref, strings.Join(why, "; "))
		}
	})
}

// eachVFIPsec goes over the port function attributes for IPsec that are wanted.
func (s *subject) eachVFIPsec(do func(ref portRef, name string, at Position)) {
	seen := map[Position]bool{} // what vf says is said of every range
	s.eachGroup(func(ref portRef, g group) {
		for name, on := range map[string]*bool{"crypto": g.spec.IPsecCrypto, "packet": g.spec.IPsecPacket} {
			if at := g.at("ipsec_" + name); isTrue(on) && !seen[at] {
				seen[at] = true
				do(ref, name, at)
			}
		}
	})
}

func checkVFIPsecStates(s *subject, report report) {
	s.eachVFIPsec(func(ref portRef, name string, at Position) {
		if n := s.info(ref).States; n > 0 {
			report(at, "ipsec_%s is wanted of the VFs of %s, and %d states are on the PF", name, ref, n)
		}
	})
}
