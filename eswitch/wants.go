// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"maps"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Specs are all ports as wants that would bring them back.
func Specs(cards []Card) map[pci.Address]PortSpec {
	all := map[pci.Address]PortSpec{}
	for _, c := range cards {
		for _, p := range c.Ports {
			all[p.Address] = p.Spec()
		}
	}
	return all
}

// Fill is what over says of its ports, and where it leaves something alone what
// under has there.
func Fill(over, under map[pci.Address]PortSpec, _ step.Effects) map[pci.Address]PortSpec {
	all := maps.Clone(over)
	for a, s := range all {
		if u, ok := under[a]; ok {
			all[a] = s.Fill(u)
		}
	}
	return all
}

// Keep is of all ports what an operation touched.
func Keep(all map[pci.Address]PortSpec, touched func(id resource.ID, attribute string) bool) map[pci.Address]PortSpec {
	kept := map[pci.Address]PortSpec{}
	for a, s := range all {
		if s = s.Keep(a, touched); !s.isZero() {
			kept[a] = s
		}
	}
	return kept
}

// Spec is the port as a want that would bring it back: rollback is an apply of
// it. What the device does not have, or what cannot be set in its mode, is left
// unset.
func (p Port) Spec() PortSpec {
	var s PortSpec
	for _, a := range portAttributes() {
		a.field(&s).set(a.read(p))
	}
	s.ParamsAs = p.paramsAs()
	if len(p.VFs) > 0 {
		s.Functions = map[int]FunctionSpec{}
	}
	for _, vf := range p.VFs {
		var f FunctionSpec
		for _, a := range functionAttributes() {
			if a.fits(p.Mode) {
				a.field(&f).set(a.read(vf))
			}
		}
		s.Functions[vf.Index] = f
	}
	return s
}

// Fill is s with what it leaves alone set to what before has there, as far as
// that goes together with what s asks for: representors, for one, exist in
// switchdev only, and the VLAN of a VF in legacy mode.
func (s PortSpec) Fill(before PortSpec) PortSpec {
	for _, a := range withParams(&before) {
		if s.Follows && (a.name == AttrMTU || a.name == AttrUp) || s.Mode != nil && !a.fits(*s.Mode) {
			continue
		}
		fill(a.field(&s), a.field(&before))
	}
	functions := map[int]FunctionSpec{}
	for n, f := range s.Functions {
		functions[n] = f
	}
	for n, b := range before.Functions {
		if s.VFs != nil && n >= *s.VFs {
			continue
		}
		f := functions[n]
		for _, a := range functionAttributes() {
			if s.Mode != nil && !a.fits(*s.Mode) { // without a mode, what before has fits it already
				continue
			}
			if fill(a.field(&f), a.field(&b)) && a.name == attrDriver {
				f.DriverKept = true
			}
		}
		functions[n] = f
	}
	if len(functions) > 0 {
		s.Functions = functions
	}
	return s
}

// fill sets what is not set, and tells whether it has.
func fill(want, before field) bool {
	v := before.get()
	if !want.get().IsAbsent() || v.IsAbsent() {
		return false
	}
	want.set(v)
	return true
}

// Keep is s without the attributes that an operation did not touch; where it made
// the VFs anew, or changed the mode, it touched all that is theirs.
func (s PortSpec) Keep(address pci.Address, touched func(id resource.ID, attribute string) bool) PortSpec {
	pf := resource.OfFunction(pci.PF(address))
	all := touched(pf, attrVFs) || touched(pf, attrMode)
	for _, a := range withParams(&s) {
		if !touched(pf, a.name) && (!a.lost || !all) {
			a.field(&s).set(step.Absent())
		}
	}
	s.TakeFrom = nil
	functions := map[int]FunctionSpec{}
	for n, f := range s.Functions {
		some := false
		for _, a := range functionAttributes() {
			if !all && !touched(resource.OfFunction(pci.VF(address, n)), a.name) {
				a.field(&f).set(step.Absent())
			}
			some = some || !a.field(&f).get().IsAbsent()
		}
		if some {
			functions[n] = f
		}
	}
	s.Functions = nil
	if len(functions) > 0 {
		s.Functions = functions
	}
	return s
}

// isZero tells whether nothing is wanted.
func (s PortSpec) isZero() bool {
	for _, a := range portAttributes() {
		if !a.field(&s).get().IsAbsent() {
			return false
		}
	}
	return len(s.Functions) == 0 && len(s.Params) == 0 && len(s.ParamsAs) == 0
}
