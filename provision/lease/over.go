// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"maps"
	"slices"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/profiles"
)

// netdevDriver is the driver whose VFs have netdevs, and so offload switches and settings, here.
const netdevDriver = "mlx5_core"

// Over is a want with the leases laid over it: the leased VFs of its ports, and their
// ports of the switch, are as the leases say. VFs that there will not be are left out.
func Over(w *profiles.Want, leases []*Lease) *profiles.Want {
	if len(leases) == 0 {
		return w
	}
	c := *w
	c.Ports, c.Offload, c.Tuning = maps.Clone(w.Ports), maps.Clone(w.Offload), maps.Clone(w.Tuning)
	for _, l := range leases {
		port, ok := c.Ports[l.VF.PF]
		if !ok || port.VFs != nil && l.VF.VF >= *port.VFs || l.State != Leased {
			continue
		}
		port.Functions = maps.Clone(port.Functions)
		if port.Functions == nil {
			port.Functions = map[int]eswitch.FunctionSpec{}
		}
		port.Functions[l.VF.VF] = l.Function.Over(port.Functions[l.VF.VF])
		c.Ports[l.VF.PF] = port
		if l.Driver() != netdevDriver {
			delete(c.Offload, l.VF)
			delete(c.Tuning, l.VF)
		}
		if l.Port != nil {
			c.OVS = withPort(c.OVS, l.Bridge, *l.Port)
		}
	}
	return &c
}

// withPort is the switch with a port of a VF in the place of the one that it has.
func withPort(s *ovs.Spec, bridge string, port ovs.Port) *ovs.Spec {
	c := ovs.Spec{}
	if s != nil {
		c = *s
	}
	c.Bridges = slices.Clone(c.Bridges)
	there := false
	for i := range c.Bridges {
		b := &c.Bridges[i]
		n := slices.IndexFunc(b.Ports, func(p ovs.Port) bool { return p.VF == port.VF })
		b.Ports = slices.Clone(b.Ports)
		if n >= 0 {
			b.Ports = slices.Delete(b.Ports, n, n+1)
		}
		if b.Name == bridge {
			b.Ports, there = append(b.Ports, port), true
		}
	}
	if !there {
		c.Bridges = append(c.Bridges, ovs.Bridge{Name: bridge, Ports: []ovs.Port{port}})
	}
	return &c
}

// Only is what a want says of one VF, its representor, and its port of the switch.
func Only(w *profiles.Want, vf pci.Function) *profiles.Want {
	c := &profiles.Want{Profile: w.Profile, Ports: map[pci.Address]eswitch.PortSpec{vf.PF: {}}}
	if f, ok := w.Ports[vf.PF].Functions[vf.VF]; ok {
		c.Ports[vf.PF] = eswitch.PortSpec{Functions: map[int]eswitch.FunctionSpec{vf.VF: f}}
	}
	if o, ok := w.Offload[vf]; ok {
		c.Offload = map[pci.Function]crypto.Spec{vf: o}
	}
	if t, ok := w.Tuning[vf]; ok {
		c.Tuning = map[pci.Function]tuning.Want{vf: t}
	}
	c.OVS = &ovs.Spec{}
	if w.OVS == nil {
		return c
	}
	for _, b := range w.OVS.Bridges {
		for _, p := range b.Ports {
			if p.VF == vf.String() {
				b.Ports = []ovs.Port{p}
				c.OVS.Bridges = append(c.OVS.Bridges, b)
				break
			}
		}
	}
	return c
}

// onlyPorts lets ports of the switch be deleted, by what they stand for, and nothing else.
func onlyPorts(of []string) func(resource.ID) bool {
	return func(id resource.ID) bool { return id.Kind == resource.SwitchPort && slices.Contains(of, id.Of) }
}
