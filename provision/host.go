// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"maps"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
)

// Host is everything nicwright looks at, as observed.
type Host struct {
	Cards   []eswitch.Card          `json:"cards"`
	Bonds   []bond.State            `json:"bonds"`
	Switch  *ovs.State              `json:"switch"`
	Offload map[string]crypto.State `json:"offload"` // by pci.Function.String()
}

// Observe looks at the host and changes nothing.
func Observe(ctx context.Context) (Host, error) {
	var (
		h   Host
		err error
	)
	if h.Cards, err = eswitch.Observe(ctx); err != nil {
		return h, err
	}
	if h.Bonds, err = bond.Observe(ctx); err != nil {
		return h, err
	}
	if h.Switch, err = ovs.Observe(ctx); err != nil {
		return h, err
	}
	h.Offload, err = crypto.Observe(ctx)
	return h, err
}

// port finds a port of a card by its PF's address.
func (h Host) port(a pci.Address) *eswitch.Port {
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
			info.Ports = append(info.Ports, profiles.PortInfo{Address: p.Address, NumVFs: p.NumVFs})
		}
		infos = append(infos, info)
	}
	return infos
}

// want is the Host as a want: what a rollback brings back.
func (h Host) want(profile string) *profiles.Want {
	w := &profiles.Want{
		Profile: profile,
		Ports:   map[pci.Address]eswitch.PortSpec{},
		Offload: map[pci.Function]crypto.Spec{},
	}
	for _, c := range h.Cards {
		for _, p := range c.Ports {
			w.Ports[p.Address] = p.Spec()
		}
	}
	for _, b := range h.Bonds {
		w.Bonds = append(w.Bonds, b.Spec())
	}
	if h.Switch != nil {
		spec := h.Switch.Spec()
		w.OVS = &spec
	}
	for f, s := range h.Offload {
		if fn, err := pci.ParseFunction(f); err == nil {
			w.Offload[fn] = s.Spec()
		}
	}
	return w
}

// filled is want with what it leaves alone set to what was before.
func filled(want *profiles.Want, before Host) *profiles.Want {
	w := *want
	w.Ports = maps.Clone(want.Ports)
	for a, spec := range w.Ports {
		if p := before.port(a); p != nil {
			w.Ports[a] = spec.Fill(p.Spec())
		}
	}
	w.Bonds = append([]bond.Spec(nil), want.Bonds...)
	for i := range w.Bonds {
		for _, b := range before.Bonds {
			if b.Name == w.Bonds[i].Name {
				lag := w.Bonds[i].LAG
				fillUnset(&w.Bonds[i], b.Spec())
				w.Bonds[i].LAG = lag // what the card is asked to reach, and nothing that was set
			}
		}
	}
	if w.OVS == nil {
		w.OVS = &ovs.Spec{} // as with bonds: what is marked and wanted no more goes
	}
	return &w
}
