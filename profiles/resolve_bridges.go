// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

// resolveBridges gives the bridges of the kernel identities for their ports.
func (r *resolver) resolveBridges(w *Want) {
	for i, of := range r.p.Bridges {
		b := of.Spec
		b.Ports = nil
		if b.Up == nil && !of.AddressSpec.IsZero() {
			b.Up = new(true)
		}
		for j, port := range r.p.Bridges[i].Ports {
			switch {
			case port.Uplink != "":
				ref, _ := parsePortRef(port.Uplink) // NW006
				address := r.ports[ref].Address
				port.Uplink = pci.PF(address).String()
				if port.TakeFrom == nil { // what may be taken out of where, its own entry says as well
					port.TakeFrom = w.Ports[address].TakeFrom
				}
				b.Ports = append(b.Ports, port)
			case port.VF != "":
				r.eachVF(port.Name, port.VF, r.p.At("bridges", i, "ports", j, "vf"), func(name, vf string) {
					port.Name, port.VF = name, vf
					b.Ports = append(b.Ports, port)
				})
			default:
				if port.TakeFrom == nil {
					port.TakeFrom = w.takenFrom(port.Bond)
				}
				b.Ports = append(b.Ports, port)
			}
		}
		w.Bridges = append(w.Bridges, b)
		say(w, resource.OfLink(b.Name), of.AddressSpec)
	}
}
