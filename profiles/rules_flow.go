// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/resource"
)

// flowRules are of OpenFlow rules.
func flowRules() []rule {
	return []rule{
		{"NW038", "an OpenFlow rule matches and does what ovs-ofctl would take, and its ports are ports of its bridge in the profile", "ovs-fields(7), ovs-actions(7)", checkFlows},
		{"NW039", "of the OpenFlow rules of one table of a bridge no two have the same match and the same priority", "OpenFlow 1.4, 6.4", checkFlowsOnce},
	}
}

func checkFlows(p *Profile, report report) {
	p.eachFlow(func(b SwitchBridge, at func(key string) Position, n int) {
		if _, err := p.rules(b, b.Flows[n], nameOfPort); err != nil {
			report(at(""), "flow %s of bridge %s: %v", b.Flows[n].Name, b.Name, err)
		}
	})
}

func checkFlowsOnce(p *Profile, report report) {
	first := map[resource.ID]string{}
	p.eachFlow(func(b SwitchBridge, at func(key string) Position, n int) {
		of := b.Flows[n]
		all, _ := p.rules(b, of, nameOfPort) // NW038
		for _, s := range all {
			if other, twice := first[s.ID()]; twice {
				report(at("match"), "flows %s and %s of bridge %s both are %s", other, of.Name, b.Name, s.ID().Of)
				return
			}
			first[s.ID()] = of.Name
		}
	})
}

// nameOfPort tells ports apart where no host is known.
func nameOfPort(p ovs.Port) string { return p.Bond + p.VF + p.Uplink }

// eachFlow visits the rules of all bridges, with the place of each.
func (p *Profile) eachFlow(do func(b SwitchBridge, at func(key string) Position, n int)) {
	if p.OVS == nil {
		return
	}
	for i, b := range p.OVS.Bridges {
		for j := range b.Flows {
			do(b, func(key string) Position {
				if key == "" {
					return p.At("ovs", "bridges", i, "flows", j)
				}
				return p.At("ovs", "bridges", i, "flows", j, key)
			}, j)
		}
	}
}
