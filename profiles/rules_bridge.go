// SPDX-License-Identifier: Apache-2.0

package profiles

// bridgeRules are of the kernel's own bridges.
func bridgeRules() []rule {
	return []rule{
		{
			"NW020", "a VLAN of a port of a kernel bridge leaves with its tag or without, and the bridge filters VLANs",
			"net/bridge/br_vlan.c", checkBridgeVLANs,
		},
		{"NW019", "a bridge has a name of its own: it is a netdev, as bonds and the bridges of Open vSwitch are", "", checkBridgeNames},
	}
}

func checkBridgeVLANs(p *Profile, report report) {
	eachSwitchPort(p, func(sp switchPort) {
		if sp.kernel == nil {
			return
		}
		if key, err := sp.kernel.Check(); err != nil {
			report(sp.at(key), "port %s of bridge %s %v", sp.Name, sp.bridge, err)
		}
		if sp.VF != "" && isTrue(sp.kernel.TakeAddresses) {
			report(sp.at("take-addresses"), "port %s of bridge %s is the representor of a VF, which has no addresses to take: leave take-addresses out", sp.Name, sp.bridge)
		}
	})
	for i, b := range p.Bridges {
		for _, port := range b.Ports {
			if _, said := port.Carried(); said && isFalse(b.VLANFiltering) {
				report(p.At("bridges", i, "vlan_filtering"), "vlan_filtering of %s is to be off, and its port %s has VLANs, which keep nothing apart then", b.Name, port.Name)
				break
			}
		}
	}
}

// netdevs are what the names of the profile's bonds, and of its bridges of Open vSwitch, are names of.
func (p *Profile) netdevs() map[string]string {
	all := map[string]string{}
	for _, b := range p.Bonds {
		all[b.Name] = "a bond"
	}
	if p.OVS != nil {
		for _, b := range p.OVS.Bridges {
			all[b.Name] = "a bridge of Open vSwitch"
		}
	}
	return all
}

func checkBridgeNames(p *Profile, report report) {
	taken := p.netdevs()
	for i, b := range p.Bridges {
		if what := taken[b.Name]; what != "" {
			report(p.At("bridges", i, "name"), "%s is the name of %s of the profile as well", b.Name, what)
		}
	}
}
