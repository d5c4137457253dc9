// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/profiles"
)

// Host is everything nicwright looks at, as observed.
type Host struct {
	Cards   []eswitch.Card                `json:"cards"`
	Bonds   bond.State                    `json:"bonds"`
	Bridges bridge.State                  `json:"bridges"`
	VLANs   vlan.State                    `json:"vlans"`
	Net     hostnet.State                 `json:"net"`
	Switch  *ovs.State                    `json:"switch"`
	Flows   flows.State                   `json:"flows,omitzero"`
	Offload map[pci.Function]crypto.State `json:"offload"`
	Tuning  map[pci.Function]tuning.State `json:"tuning,omitempty"`
}

// Observe looks at the host once and changes nothing.
func Observe(ctx context.Context) (Host, *snapshot.Snapshot, error) {
	s, err := snapshot.Read(ctx)
	if err != nil {
		return Host{}, nil, err
	}
	return HostOf(s), s, nil
}

// HostOf is the host that a look saw.
func HostOf(s *snapshot.Snapshot) Host {
	var h Host
	for _, d := range domains() {
		d.observe(s, &h)
	}
	for pf, u := range h.Bonds.Uplinks {
		u.Hangs = h.Net.Hangs(pf)
		h.Bonds.Uplinks[pf] = u
	}
	for id, n := range h.Bridges.Netdevs {
		n.Hangs = h.Net.HangsOn(id)
		h.Bridges.Netdevs[id] = n
	}
	return h
}

// Port finds a port of a card by its PF's address, or nil.
func (h Host) Port(a pci.Address) *eswitch.Port {
	for i := range h.Cards {
		for j := range h.Cards[i].Ports {
			if h.Cards[i].Ports[j].Address == a {
				return &h.Cards[i].Ports[j]
			}
		}
	}
	return nil
}

// CardInfos is what a profile's selectors look at.
func (h Host) CardInfos() []profiles.CardInfo {
	infos := make([]profiles.CardInfo, 0, len(h.Cards))
	for _, c := range h.Cards {
		info := profiles.CardInfo{Serial: c.Serial, Model: c.Model, VendorID: c.VendorID, DeviceID: c.DeviceID}
		for _, p := range c.Ports {
			info.Ports = append(info.Ports, profiles.PortInfo{Address: p.Address, Number: p.Number, NumVFs: p.NumVFs})
		}
		infos = append(infos, info)
	}
	return infos
}

// want is the Host as a want: what would bring it back.
func (h Host) want() *profiles.Want {
	w := &profiles.Want{}
	for _, d := range domains() {
		d.say(&h, w)
	}
	return w
}
