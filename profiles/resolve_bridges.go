// SPDX-License-Identifier: Apache-2.0

package profiles

import (
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
				if port.TakeFrom == nil {
					port.TakeFrom = w.takenFrom(port.Bond)
				}
				b.Ports = append(b.Ports, port)
			}
		}
		w.Bridges = append(w.Bridges, b)
	}
}
