// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

// resolveVLANs says what VLANs are on.
func (r *resolver) resolveVLANs(w *Want) {
	for _, of := range r.p.VLANs {
		v := of.Spec
		v.Bond, v.Uplink = "", ""
		v.On = resource.OfBond(of.Bond)
		if of.Uplink != "" {
			ref, _ := parsePortRef(of.Uplink) // NW034
			v.On = resource.OfNetdev(pci.PF(r.ports[ref].Address))
		}
		if v.Up == nil && !of.AddressSpec.IsZero() {
			v.Up = new(true)
		}
		w.VLANs = append(w.VLANs, v)
		say(w, resource.OfLink(v.Name), of.AddressSpec)
	}
}
