// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"maps"
	"slices"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
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
		if l.KernelPort != nil {
			c.Bridges = withKernelPort(c.Bridges, l.Bridge, *l.KernelPort)
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

// withKernelPort is the same of the kernel's bridges. One that the profile no longer has is not made for the lease.
func withKernelPort(all []bridge.Spec, name string, port bridge.Port) []bridge.Spec {
	all = slices.Clone(all)
	there := false
	for i := range all {
		b := &all[i]
		b.Ports = slices.DeleteFunc(slices.Clone(b.Ports), func(p bridge.Port) bool { return p.VF == port.VF })
		if b.Name == name {
			b.Ports, there = append(b.Ports, port), true
		}
	}
	if !there {
		all = append(all, bridge.Spec{Name: name, IfThere: true, Ports: []bridge.Port{port}})
	}
	return all
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
	for _, b := range w.Bridges {
		if n := slices.IndexFunc(b.Ports, func(p bridge.Port) bool { return p.VF == vf.String() }); n >= 0 {
			b.Ports = []bridge.Port{b.Ports[n]}
			c.Bridges = append(c.Bridges, b)
		}
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

// IsPort tells whether it is the VF's port of a switch, of Open vSwitch or of a bridge of the kernel.
func IsPort(id resource.ID, vf pci.Function) bool {
	switch id.Kind {
	case resource.SwitchPort:
		return id.Of == vf.String()
	case resource.BridgePort:
		return id.Of == resource.OfRepresentor(vf).String()
	}
	return false
}
