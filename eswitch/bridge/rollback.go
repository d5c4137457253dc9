// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"slices"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/vlans"
)

// Specs are all bridges as a want that brings them back.
func Specs(s State) []Spec {
	var all []Spec
	for _, b := range s.Bridges {
		w := Spec{Name: b.Name, MTU: &b.MTU, Up: &b.Up, Exact: true, Owner: b.Owner}
		for _, o := range options {
			if n, has := b.Options[o.name]; has {
				o.set(&w, n)
			}
		}
		for _, p := range b.Ports {
			w.Ports = append(w.Ports, p.spec())
		}
		all = append(all, w)
	}
	return all
}

// spec is a port as a want that brings it back.
func (p PortState) spec() Port {
	w := Port{Name: p.Name, Untagged: vlans.List{}, Trunks: vlans.List{}, Settings: p.Settings}
	w.Untagged, w.Trunks = append(w.Untagged, p.Untagged...), append(w.Trunks, p.Tagged...)
	if p.PVID != 0 {
		w.PVID = &p.PVID
	}
	switch id := p.Netdev; {
	case id.Kind == resource.Bond:
		w.Bond = id.Name
	case id.IsSF || id.Kind == resource.Link || id.Kind == resource.Netdev && id.Function.IsVF():
		w.Other = id.String()
	case id.Kind == resource.Representor:
		w.VF = id.Function.String()
	default:
		w.Uplink = id.Function.String()
	}
	return w
}

// Keep is what of a want that was observed an operation touched. What it only
// changed, and did not make or take away, is not put back where somebody has removed
// it since. Of a port whose netdev was touched, as by a bond that took it, nobody knows
// whether it is there still: it is put back where it is not.
func Keep(specs []Spec, touched func(id resource.ID, attribute string) bool) []Spec {
	var all []Spec
	for _, s := range specs {
		id := resource.OfLink(s.Name)
		made := touched(id, Present)
		k := s
		k.Ports = nil
		some := made
		for _, p := range s.Ports {
			netdev, err := p.Netdev()
			if err != nil {
				continue
			}
			r := resource.OfBridgePort(s.Name, netdev)
			put := made || touched(r, AttrPort)
			exact := put || touched(r, attrVLANs)
			put = put || ours(netdev) && touched(netdev, AttrPort)
			if !exact && !put {
				continue
			}
			p.IfThere, p.Back = !put, !exact
			k.Ports, some = append(k.Ports, p), true
		}
		k.IfThere = !made
		if !made {
			some = k.cut(id, touched) || some
		}
		if some {
			all = append(all, k)
		}
	}
	return all
}

// ours tells the netdevs of which a profile can make a port; others, as those of VFs,
// which come with their drivers, are hostnet's to put back.
func ours(id resource.ID) bool {
	return id.Kind == resource.Bond || id.Kind == resource.Representor && !id.IsSF || id.Kind == resource.Netdev && !id.IsSF && !id.Function.IsVF()
}

// cut takes out of a bridge's own what was not touched, and tells whether anything was.
func (s *Spec) cut(id resource.ID, touched func(id resource.ID, attribute string) bool) (some bool) {
	for _, o := range options {
		if touched(id, o.name) {
			some = true
		} else {
			o.unset(s)
		}
	}
	if touched(id, attrMTU) {
		some = true
	} else {
		s.MTU = nil
	}
	if touched(id, attrUp) {
		some = true
	} else {
		s.Up = nil
	}
	if touched(id, step.AttrMark) {
		return true
	}
	s.Exact, s.Owner = false, ""
	return some
}

// Fill notes what the ports that over wants were under: where one that says nothing of
// VLANs has to be put again, that is what it becomes.
func Fill(over, under []Spec, _ step.Effects) []Spec {
	was := map[resource.ID]*Port{}
	for _, s := range under {
		for _, p := range s.Ports {
			if id, err := p.Netdev(); err == nil {
				was[id] = &p
			}
		}
	}
	filled := slices.Clone(over)
	for i := range filled {
		filled[i].Ports = slices.Clone(filled[i].Ports)
		for j, p := range filled[i].Ports {
			if id, err := p.Netdev(); err == nil {
				filled[i].Ports[j].before = was[id]
			}
		}
	}
	return filled
}

// Lay lays what was before an operation upon base: what the operation touched is as
// over says, and what it made is not there.
func Lay(over, base []Spec, touched func(id resource.ID, attribute string) bool) []Spec {
	said := map[resource.ID]bool{}
	for _, s := range over {
		for _, p := range s.Ports {
			if id, err := p.Netdev(); err == nil {
				said[id] = true
			}
		}
	}
	var all []Spec
	for _, b := range base {
		i := slices.IndexFunc(over, func(s Spec) bool { return s.Name == b.Name })
		if i < 0 && touched(resource.OfLink(b.Name), Present) {
			continue // the operation made it
		}
		b.Ports = slices.DeleteFunc(slices.Clone(b.Ports), func(p Port) bool {
			id, err := p.Netdev()
			return err != nil || said[id] || touched(resource.OfBridgePort(b.Name, id), AttrPort)
		})
		if i >= 0 {
			b = over[i].upon(b)
		}
		all = append(all, b)
	}
	for _, s := range over {
		if !slices.ContainsFunc(base, func(b Spec) bool { return b.Name == s.Name }) {
			all = append(all, s)
		}
	}
	return all
}

// upon is s with what it does not say of b.
func (s Spec) upon(b Spec) Spec {
	for _, o := range options {
		if text, said := o.wanted(s); said {
			n := 0
			if v, err := o.value(text); err == nil {
				n = v.Value
			}
			o.set(&b, n)
		}
	}
	if s.MTU != nil {
		b.MTU = s.MTU
	}
	if s.Up != nil {
		b.Up = s.Up
	}
	if s.Exact {
		b.Exact, b.Owner = true, s.Owner
	}
	b.IfThere = s.IfThere && b.IfThere
	b.Ports = append(slices.Clone(s.Ports), b.Ports...)
	return b
}

// Ports are the netdevs that specs want as ports.
func Ports(specs []Spec) map[resource.ID]bool {
	all := map[resource.ID]bool{}
	for _, s := range specs {
		for _, p := range s.Ports {
			if id, err := p.Netdev(); err == nil {
				all[id] = true
			}
		}
	}
	return all
}
