// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// SpecOf is the switch as a want that brings it back. Of ports it has those that
// stand for a bond, a VF or an uplink, or have an uplink below them; nil where
// there is no switch.
func SpecOf(s *State) *Spec {
	if s == nil || !s.Running {
		return nil
	}
	spec := &Spec{HWOffload: &s.HWOffload, OffloadUnset: s.OffloadUnset}
	for _, b := range s.Bridges {
		bridge := Bridge{Name: b.Name, Exact: true, Owner: b.owner(), Rest: b.Rest}
		if b.MTU > 0 {
			bridge.MTU, bridge.AskedMTU, bridge.Up = &b.MTU, &b.AskedMTU, &b.Up
		}
		for _, p := range b.Ports {
			port, ok := specOf(p)
			if ok {
				bridge.Ports = append(bridge.Ports, port)
			}
		}
		for _, a := range b.Away { // what an interrupted operation took off belongs there
			if v, err := parseValue(a.Value); err == nil {
				if port, ok := specOf(a.port(v)); ok {
					port.Stale = false
					bridge.Ports = append(bridge.Ports, port)
				}
			}
		}
		spec.Bridges = append(spec.Bridges, bridge)
	}
	return spec
}

// port is the port that was taken off.
func (a Away) port(v value) PortState {
	p := PortState{
		ID: a.ID, Name: strings.TrimPrefix(a.ID, idPort), Owner: v.owner, OFPort: v.ofport, Rest: v.rest,
		Tag: v.vlan.tag, Trunks: v.vlan.trunks, VLANMode: v.vlan.mode, CVLANs: v.vlan.cvlans,
	}
	if v.rest != nil {
		for _, of := range v.rest.Of {
			if of != "" {
				p.Bonded = append(p.Bonded, of)
			}
		}
	}
	return p
}

func specOf(p PortState) (Port, bool) {
	port := Port{
		Name: p.Name, Exact: true, Owner: p.owner(), Rest: p.Rest, OFPort: p.value().ofport, Stale: p.Netdev == "" && len(p.Bonded) == 0,
		Tag: p.Tag, Trunks: p.Trunks, VLANMode: p.VLANMode, CVLANs: p.CVLANs,
	}
	if name, ok := strings.CutPrefix(p.ID, idBond); ok {
		port.Bond = name
		return port, true
	}
	f, err := pci.ParseFunction(p.ID)
	switch {
	case err == nil && f.IsVF():
		port.VF = p.ID
	case err == nil:
		port.Uplink = p.ID
	case len(p.Bonded) > 0 || p.owner() != "":
		port.Other = strings.TrimPrefix(p.ID, idPort)
	default:
		return port, false
	}
	return port, true
}

// Keep is what of a want that was observed an operation touched. What it only
// changed, and did not make or take away, is not put back where somebody has
// removed it since.
func Keep(s *Spec, touched func(id resource.ID, attribute string) bool) *Spec {
	if s == nil {
		return nil
	}
	kept := &Spec{}
	if touched(resource.OfSwitch(), attrOffload) {
		kept.HWOffload, kept.OffloadUnset = s.HWOffload, s.OffloadUnset
	}
	for _, b := range s.Bridges {
		k := b
		k.Ports = nil
		bridge := touched(resource.OfBridge(b.Name), AttrBridge)
		for _, p := range b.Ports {
			id, err := p.id()
			if err != nil {
				continue
			}
			r := resource.OfSwitchPort(b.Name, id)
			made := touched(r, AttrPort) || bridge // its ports go with a bridge
			told := touched(r, columnConfig) || slices.ContainsFunc(limits, func(n limit) bool { return touched(r, n.name) })
			if !made && !told && !touched(r, attrVLAN) && !touched(r, step.AttrMark) {
				continue
			}
			p.IfThere = !made
			k.Ports = append(k.Ports, p)
		}
		own := func(attribute string) bool { return bridge || touched(resource.OfBridge(b.Name), attribute) }
		if !own(attrMTU) {
			k.MTU, k.AskedMTU = nil, nil
		}
		if !own(attrUp) {
			k.Up = nil
		}
		if own(step.AttrMark) || own(attrMTU) || own(attrUp) || len(k.Ports) > 0 {
			k.IfThere = !bridge
			kept.Bridges = append(kept.Bridges, k)
		}
	}
	if kept.HWOffload == nil && kept.Bridges == nil {
		return nil
	}
	return kept
}

// Fill notes what the ports that over wants were under, as far as over says
// nothing of their VLANs: where one has to be put again, that is what it becomes.
func Fill(over, under *Spec, _ step.Effects) *Spec {
	if over == nil || under == nil {
		return over
	}
	was := map[string]*Port{}
	for _, b := range under.Bridges {
		for _, p := range b.Ports {
			if id, err := p.id(); err == nil {
				was[id] = &p
			}
		}
	}
	filled := *over
	filled.Bridges = slices.Clone(over.Bridges)
	for i := range filled.Bridges {
		b := &filled.Bridges[i]
		b.Ports = slices.Clone(b.Ports)
		for j := range b.Ports {
			if id, err := b.Ports[j].id(); err == nil {
				b.Ports[j].before = was[id]
			}
		}
	}
	return &filled
}

// Lay lays what was before an operation upon base: what the operation touched is
// as over says, and what it made is not there.
func Lay(over, base *Spec, touched func(id resource.ID, attribute string) bool) *Spec {
	if base == nil {
		return over
	}
	laid := Spec{HWOffload: base.HWOffload, OffloadUnset: base.OffloadUnset}
	if over == nil {
		over = &Spec{}
	}
	if over.HWOffload != nil {
		laid.HWOffload, laid.OffloadUnset = over.HWOffload, over.OffloadUnset
	}
	there := map[string]bool{}
	for _, b := range over.Bridges {
		there[b.Name] = true
	}
	said := over.ids()
	for _, b := range base.Bridges {
		if !there[b.Name] && touched(resource.OfBridge(b.Name), AttrBridge) {
			continue // the operation made it
		}
		ports := b.Ports
		b.Ports = nil
		for _, p := range ports {
			id, err := p.id()
			if err == nil && !said[id] && !touched(resource.OfSwitchPort(b.Name, id), AttrPort) {
				b.Ports = append(b.Ports, p)
			}
		}
		laid.Bridges = append(laid.Bridges, b)
	}
	for _, b := range over.Bridges {
		i := slices.IndexFunc(laid.Bridges, func(l Bridge) bool { return l.Name == b.Name })
		if i < 0 {
			laid.Bridges = append(laid.Bridges, b)
			continue
		}
		ports := laid.Bridges[i].Ports
		if b.MTU == nil {
			b.MTU, b.AskedMTU = laid.Bridges[i].MTU, laid.Bridges[i].AskedMTU
		}
		if b.Up == nil {
			b.Up = laid.Bridges[i].Up
		}
		laid.Bridges[i] = b
		laid.Bridges[i].Ports = append(slices.Clone(b.Ports), ports...)
	}
	return &laid
}

// ids are the IDs of all its ports.
func (s *Spec) ids() map[string]bool {
	all := map[string]bool{}
	for _, b := range s.Bridges {
		for _, p := range b.Ports {
			if id, err := p.id(); err == nil {
				all[id] = true
			}
		}
	}
	return all
}
