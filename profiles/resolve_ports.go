// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

// resolvePorts gives every VF that there will be its own spec.
func (r *resolver) resolvePorts(w *Want) {
	r.p.eachPort(func(ref portRef, port *Port, _ func(...any) Position) {
		pf := r.ports[ref].Address
		if !port.Offload.IsZero() {
			w.Offload[pci.PF(pf)] = port.Offload
		}
		tell := func(fn pci.Function, v tuning.Values) {
			if len(v) == 0 {
				return
			}
			if w.Tuning == nil {
				w.Tuning = map[pci.Function]tuning.Want{}
			}
			w.Tuning[fn] = tuning.Want{Values: v}
		}
		tell(pci.PF(pf), port.UplinkSpec.Values())
		say(w, resource.OfNetdev(pci.PF(pf)), port.AddressSpec)
		spec := steeringOfParams(port.PortSpec)
		if spec.Up == nil && !port.AddressSpec.IsZero() {
			spec.Up = new(true)
		}
		for n := range r.counts[ref] {
			vf := port.vfSpec(n)
			if !vf.Offload.IsZero() {
				w.Offload[pci.VF(pf, n)] = vf.Offload
			}
			tell(pci.VF(pf, n), vf.VFSpec.Values())
			if vf.MAC != nil { // as the kernel prints it
				mac := strings.ToLower(*vf.MAC)
				vf.MAC = &mac
			}
			if vf.FunctionSpec == (eswitch.FunctionSpec{}) {
				continue
			}
			if spec.Functions == nil {
				spec.Functions = map[int]eswitch.FunctionSpec{}
			}
			spec.Functions[n] = vf.FunctionSpec
		}
		w.Ports[pf] = spec
	})
}

// say asks for the addresses and routes of a netdev, which has to be up for routes, and for what they are there for.
func say(w *Want, id resource.ID, s hostnet.AddressSpec) {
	if s.IsZero() {
		return
	}
	if w.Net.Said == nil {
		w.Net.Said = map[resource.ID]hostnet.AddressSpec{}
	}
	w.Net.Said[id] = s.Clone()
}

// resolveBonds gives bonds the addresses of PFs, and one MTU and one up to a bond
// and all its members.
func (r *resolver) resolveBonds(w *Want, cards []CardInfo) {
	for i, of := range r.p.Bonds {
		b := of.Spec
		if b.Members != nil {
			b.Members = make([]string, 0, len(b.Members)) // [] is none, and not the members that there are
		}
		for _, m := range r.p.Bonds[i].Members {
			ref, err := parsePortRef(m)
			if err != nil {
				r.fail(r.p.At("bonds", i, "members"), "", "bond %s: %v", b.Name, err)
				continue
			}
			address := r.ports[ref].Address
			b.Members = append(b.Members, string(address))
			if from := w.Ports[address].TakeFrom; from != nil {
				if b.TakeFromOf == nil {
					b.TakeFromOf = map[string]string{}
				}
				b.TakeFromOf[string(address)] = *from
			}
		}
		if b.Primary != nil && *b.Primary != "" {
			ref, _ := parsePortRef(*b.Primary) // NW004
			primary := string(r.ports[ref].Address)
			b.Primary = &primary
		}
		if b.LAG != nil && *b.LAG && len(b.Members) > 0 {
			r.wholeCard(i, b, cards)
		}
		if b.Up == nil && !of.AddressSpec.IsZero() {
			b.Up = new(true)
		}
		oneForAll(&b, w)
		w.Bonds = append(w.Bonds, b)
		say(w, resource.OfBond(b.Name), of.AddressSpec)
	}
}

// oneForAll gives a bond and its members the MTU and the up that the bond has; a
// bond that says nothing has what its members say. That they agree is NW014 and
// NW015.
func oneForAll(b *bond.Spec, w *Want) {
	for _, m := range b.Members {
		port := w.Ports[pci.Address(m)]
		if b.MTU == nil {
			b.MTU = port.MTU
		}
		if b.Up == nil {
			b.Up = port.Up
		}
	}
	for _, m := range b.Members {
		port := w.Ports[pci.Address(m)]
		port.MTU, port.Up = b.MTU, b.Up
		w.Ports[pci.Address(m)] = port
	}
}
