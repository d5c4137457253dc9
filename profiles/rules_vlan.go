// SPDX-License-Identifier: Apache-2.0

package profiles

// vlanRules are of VLAN netdevs.
func vlanRules() []rule {
	return []rule{
		{"NW034", "a VLAN is on one bond of the profile, or on one of its ports that is in no bond: frames that come in by a member are the bond's", "net/core/dev.c, __netif_receive_skb_core", checkVLANTarget},
		{"NW035", "of the VLANs on one netdev each has its own id, or its own protocol; a VLAN has a name of its own, as bonds and bridges have", "net/8021q/vlan.c, vlan_check_real_dev", checkVLANOnce},
		{"NW036", "the MTU of a VLAN is at most that of the netdev below it", "net/8021q/vlan_dev.c, vlan_dev_change_mtu", checkVLANMTU},
		{"NW037", "a VLAN that is up is on a netdev that is up", "net/8021q/vlan_dev.c, vlan_dev_open", checkVLANUp},
	}
}

func checkVLANTarget(p *Profile, report report) {
	for i, v := range p.VLANs {
		switch {
		case (v.Bond == "") == (v.Uplink == ""):
			report(p.At("vlans", i), "VLAN %s has to say bond or uplink, and not both", v.Name)
		case v.Bond != "" && p.bondNamed(v.Bond) == nil:
			report(p.At("vlans", i, "bond"), "VLAN %s is on %s, which is no bond of the profile", v.Name, v.Bond)
		case v.Uplink != "":
			ref, err := parsePortRef(v.Uplink)
			if err == nil {
				_, err = p.find(ref)
			}
			if err != nil {
				report(p.At("vlans", i, "uplink"), "VLAN %s: %v", v.Name, err)
			} else if _, b := p.bondOf(ref); b != nil {
				report(p.At("vlans", i, "uplink"), "VLAN %s is on %s, which is a member of %s", v.Name, ref, b.Name)
			}
		}
	}
}

func checkVLANOnce(p *Profile, report report) {
	netdevs, tags := p.netdevs(), map[string]string{}
	for _, b := range p.Bridges {
		netdevs[b.Name] = "a bridge"
	}
	for i, v := range p.VLANs {
		if what := netdevs[v.Name]; what != "" {
			report(p.At("vlans", i, "name"), "%s is the name of %s of the profile as well", v.Name, what)
		}
		tag := v.Tag() + " " + v.Bond + v.Uplink
		if other := tags[tag]; other != "" {
			report(p.At("vlans", i, "id"), "VLAN %s is %d on %s, and %s is that already", v.Name, v.ID, v.Bond+v.Uplink, other)
		}
		tags[tag] = v.Name
	}
}

// below is what the profile says of the netdev that a VLAN is on.
func (p *Profile) below(v VLAN) (mtu *int, up *bool) {
	if b := p.bondNamed(v.Bond); b != nil {
		return b.MTU, b.Up
	}
	if ref, err := parsePortRef(v.Uplink); err == nil {
		if port, err := p.find(ref); err == nil {
			return port.MTU, port.Up
		}
	}
	return nil, nil
}

func checkVLANUp(p *Profile, report report) {
	for i, v := range p.VLANs {
		if _, up := p.below(v); isFalse(up) && !isFalse(v.Up) {
			report(p.At("vlans", i), "VLAN %s is to be up, and %s down", v.Name, v.Bond+v.Uplink)
		}
	}
}

func checkVLANMTU(p *Profile, report report) {
	for i, v := range p.VLANs {
		below, _ := p.below(v)
		if v.MTU != nil && below != nil && *v.MTU > *below {
			report(p.At("vlans", i, "mtu"), "VLAN %s has an MTU of %d, and %s one of %d", v.Name, *v.MTU, v.Bond+v.Uplink, *below)
		}
	}
}

// bondNamed is a bond of the profile, or nil.
func (p *Profile) bondNamed(name string) *Bond {
	for i := range p.Bonds {
		if p.Bonds[i].Name == name {
			return &p.Bonds[i]
		}
	}
	return nil
}
