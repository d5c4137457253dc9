// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/profiles"
)

// vlans captures the VLANs on bonds and uplinks that are captured.
func (c *capturer) vlans() {
	for _, v := range c.host.VLANs.VLANs {
		of := portOf{}
		switch {
		case v.On.Kind == resource.Bond:
			of = c.standsFor(v.On.Name, "", "")
		case v.On.Kind == resource.Netdev && !v.On.IsSF && !v.On.Function.IsVF() && !c.bonded[v.On.Function.PF]:
			of = c.standsFor("", "", v.On.Function.String())
		}
		if of.name == "" {
			continue // on nothing of the cards here, or on what no profile says one of
		}
		below := c.host.Net.Netdevs[v.On]
		is := v.Captured(below.MTU)
		is.Bond, is.Uplink = of.bond, of.uplink
		if v.ID < 1 || v.ID > vlan.MaxID {
			c.left("VLAN "+v.Name, "it has the id %d, and a profile says 1 to %d", v.ID, vlan.MaxID)
			continue
		}
		c.doc.VLANs = append(c.doc.VLANs, profiles.VLAN{Spec: is, AddressSpec: c.addresses(resource.OfLink(v.Name), v.Name)})
	}
}
