// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/internal/pci"
)

// resolveBridges gives the bridges of the kernel identities for their ports.
func (r *resolver) resolveBridges(w *Want) {
	for i, b := range r.p.Bridges {
		b.Ports = nil
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
				n := slices.IndexFunc(w.Bonds, func(b bond.Spec) bool { return b.Name == port.Bond })
				if n >= 0 && port.TakeFrom == nil {
					port.TakeFrom = w.Bonds[n].TakeFrom
				}
				b.Ports = append(b.Ports, port)
			}
		}
		w.Bridges = append(w.Bridges, b)
	}
}
