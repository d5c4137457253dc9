// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/ovs"
)

// switchPort is a port of a bridge of the profile, and where it was written: one of Open
// vSwitch, or one of the kernel, of which Port has what both have.
type switchPort struct {
	ovs.Port
	bridge string
	kernel *bridge.Port // of a bridge of the kernel
	at     func(path ...any) Position
}

func eachSwitchPort(p *Profile, do func(switchPort)) {
	for i, b := range p.Bridges {
		for j, port := range b.Ports {
			do(switchPort{
				Port:   ovs.Port{Name: port.Name, Bond: port.Bond, VF: port.VF, Uplink: port.Uplink},
				bridge: b.Name, kernel: &port, at: func(path ...any) Position {
					return p.At(append([]any{"bridges", i, "ports", j}, path...)...)
				},
			})
		}
	}
	if p.OVS == nil {
		return
	}
	for i, b := range p.OVS.Bridges {
		for j, port := range b.Ports {
			do(switchPort{Port: port, bridge: b.Name, at: func(path ...any) Position {
				return p.At(append([]any{"ovs", "bridges", i, "ports", j}, path...)...)
			}})
		}
	}
}

func checkPortKind(p *Profile, report report) {
	eachSwitchPort(p, func(sp switchPort) {
		n := 0
		for _, v := range []string{sp.Bond, sp.VF, sp.Uplink} {
			if v != "" {
				n++
			}
		}
		if n != 1 {
			report(sp.at(), "port %s of bridge %s has %d of bond, vf and uplink", sp.Name, sp.bridge, n)
		}
	})
}

func checkPortTarget(p *Profile, report report) {
	eachSwitchPort(p, func(sp switchPort) {
		if sp.Bond != "" {
			var bonds []string
			found := false
			for _, b := range p.Bonds {
				bonds = append(bonds, b.Name)
				found = found || b.Name == sp.Bond
			}
			if !found {
				report(sp.at("bond"), "the profile has no bond %q (it has: %s)%s", sp.Bond, orNone(bonds), didYouMean(sp.Bond, bonds))
			}
		}
		if sp.Uplink != "" {
			ref, err := parsePortRef(sp.Uplink)
			if err == nil {
				_, err = p.find(ref)
			}
			if err != nil {
				report(sp.at("uplink"), "uplink: %v", err)
			}
		}
		if sp.VF != "" {
			if _, err := p.checkVF(sp.VF); err != nil {
				report(sp.at("vf"), "vf: %v", err)
			}
		}
	})
}

// checkVF reads a reference to VFs and holds it against the ports and their VF counts.
func (p *Profile) checkVF(s string) (vfRef, error) {
	r, err := parseVFRef(s)
	if err != nil {
		return vfRef{}, err
	}
	port, err := p.find(r.portRef)
	if err != nil {
		return vfRef{}, err
	}
	if port.VFs != nil {
		err = inRange(r, *port.VFs)
	}
	return r, err
}

// inRange says whether a port with n VFs has those of r.
func inRange(r vfRef, n int) error {
	switch {
	case r.last < n:
		return nil
	case n == 0:
		return fmt.Errorf("%s has no vf%d: it has no VFs", r.portRef, r.last)
	default:
		return fmt.Errorf("%s has no vf%d: it has %d VFs, vf0..vf%d", r.portRef, r.last, n, n-1)
	}
}

func checkPortOnce(p *Profile, report report) {
	inBond := map[string]string{}
	for _, b := range p.Bonds {
		for _, m := range b.Members {
			inBond[m] = b.Name
		}
	}
	taken := map[string]string{}
	eachSwitchPort(p, func(sp switchPort) {
		once := func(key, what string) {
			if before := taken[what]; before != "" {
				report(sp.at(key), "%s is port %s and port %s", what, before, sp.Name)
				return
			}
			taken[what] = sp.Name
		}
		if sp.Bond != "" {
			once("bond", "bond "+sp.Bond)
		}
		if sp.Uplink != "" {
			once("uplink", "uplink "+sp.Uplink)
			if b := inBond[sp.Uplink]; b != "" {
				report(sp.at("uplink"), "uplink %s is a member of %s", sp.Uplink, b)
			}
		}
		if r, err := parseVFRef(sp.VF); err == nil {
			for n := r.first; n <= r.last; n++ {
				once("vf", fmt.Sprintf("%s/vf%d", r.portRef, n))
			}
		}
	})
}

func checkTag(p *Profile, report report) {
	eachSwitchPort(p, func(sp switchPort) {
		key, why := wrongVLANs(sp.Port)
		if why != "" && sp.kernel == nil {
			report(sp.at(key), "port %s of bridge %s %s", sp.Name, sp.bridge, why)
		}
	})
}

// wrongVLANs says what of a port's VLANs does not go together, and at which key.
func wrongVLANs(p ovs.Port) (key, why string) {
	mode := p.VLANMode
	if wrong := p.Trunks.Wrong(); wrong != "" {
		return "trunks", "has in its trunks " + wrong
	}
	if wrong := p.CVLANs.Wrong(); wrong != "" {
		return "cvlans", "has in its cvlans " + wrong
	}
	if p.CVLANs != nil && mode != "dot1q-tunnel" {
		return "cvlans", "has cvlans, and its vlan_mode is " + orNotSet(mode)
	}
	switch mode {
	case "":
		if p.Tag != nil && p.Trunks != nil {
			return "tag", "has tag and trunks, and no vlan_mode that takes both (native-untagged, native-tagged)"
		}
	case "access", "dot1q-tunnel":
		if p.Tag == nil {
			return "vlan_mode", "has vlan_mode " + mode + " and no tag"
		}
		if p.Trunks != nil {
			return "trunks", "has trunks, and its vlan_mode is " + mode
		}
	case "trunk":
		if p.Tag != nil {
			return "tag", "has tag, and its vlan_mode is trunk"
		}
	default: // the native ones
		if p.Tag == nil {
			return "vlan_mode", "has vlan_mode " + mode + " and no tag, which is the native VLAN"
		}
	}
	return "", ""
}

func orNotSet(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

// checkTwoRates finds VFs whose rate two keys set.
func checkTwoRates(p *Profile, report report) {
	if p.OVS != nil && isFalse(p.OVS.HWOffload) {
		return
	}
	limited := func(n *int) bool { return n != nil && *n > 0 }
	eachSwitchPort(p, func(sp switchPort) {
		r, err := parseVFRef(sp.VF)
		if err != nil || !limited(sp.IngressPolicingRate) {
			return
		}
		port, err := p.find(r.portRef)
		if err != nil {
			return
		}
		for n := r.first; n <= r.last; n++ {
			if limited(port.vfSpec(n).MaxTxRate) {
				report(sp.at("ingress_policing_rate"), "port %s of bridge %s has an ingress_policing_rate, and %s/vf%d a max_tx_rate", sp.Name, sp.bridge, r.portRef, n)
				return
			}
		}
	})
	for i, n := range p.Networks {
		if limited(n.IngressPolicingRate) && limited(n.MaxTxRate) {
			report(p.At("networks", i, "ingress_policing_rate"), "network %s has an ingress_policing_rate and a max_tx_rate", n.Name)
		}
	}
}
