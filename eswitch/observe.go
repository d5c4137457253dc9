// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// SteeringParam is the devlink param that has a key of its own in profiles.
const SteeringParam = "flow_steering_mode"

const (
	legacy    = "legacy"
	switchdev = "switchdev"
	noDriver  = "none"
	mlx5      = "mlx5_core"
)

// Observe says which network cards the host has, by PCI address (and netdevsim's
// devices), and how they are.
func Observe(s *snapshot.Snapshot) []Card {
	o := observer{
		links: map[int]rtlink.Link{}, own: map[pci.Function]rtlink.Link{}, reps: map[pci.Function]rtlink.Link{},
		caps: map[pci.Function]map[string]bool{}, maxIOEQs: map[pci.Function]int{}, groups: map[pci.Function]string{}, numbers: map[int]int{}, sfs: map[pci.Address][]uint32{},
	}
	for _, l := range s.Links {
		o.links[l.Index] = l
	}
	for _, n := range s.Netdevs {
		l, ok := o.links[n.Index]
		switch {
		case !ok || n.SF != nil: // it went away between the two dumps, or is no PF's and no VF's
		case n.Representor:
			o.reps[n.Function] = l
		default:
			o.own[n.Function] = l
		}
	}
	for vf, g := range Grants(s) {
		if len(g.Caps) > 0 {
			o.caps[vf] = g.Caps
		}
	}
	o.rates = s.Rates
	parents := map[devlink.Device]map[uint32]string{}
	for _, r := range s.Rates {
		if r.Parent != "" {
			if parents[r.Device] == nil {
				parents[r.Device] = map[uint32]string{}
			}
			parents[r.Device][r.Port] = r.Parent
		}
	}
	for _, p := range s.Ports {
		if vf, ok := vfOf(p); ok {
			o.groups[vf] = parents[p.Device][p.Index]
			if p.MaxIOEQs != nil {
				o.maxIOEQs[vf] = int(*p.MaxIOEQs)
			}
		}
		if p.Flavour == devlink.FlavourPCISF && !p.External && p.Controller == 0 {
			a := pci.Address(p.Device.Name)
			o.sfs[a] = append(o.sfs[a], p.SF)
		}
		if p.Flavour == devlink.FlavourPhysical && p.Physical != nil && p.Ifindex != 0 {
			o.numbers[p.Ifindex] = int(*p.Physical)
		}
	}
	return o.cards(s.PFs)
}

type observer struct {
	links    map[int]rtlink.Link
	own      map[pci.Function]rtlink.Link
	reps     map[pci.Function]rtlink.Link
	caps     map[pci.Function]map[string]bool
	maxIOEQs map[pci.Function]int
	groups   map[pci.Function]string // rate groups
	rates    []devlink.Rate
	numbers  map[int]int // physical port numbers, by the uplink's ifindex
	sfs      map[pci.Address][]uint32
}

func (o observer) cards(pfs []snapshot.PF) []Card {
	var cards []Card
	index := map[string]int{} // place in cards, by what the ports of a card share
	for _, pf := range pfs {
		c, keys := identity(pf)
		port := o.port(pf)
		i := len(cards)
		for _, key := range keys {
			if known, ok := index[key]; ok {
				i = known
				break
			}
		}
		if i == len(cards) {
			cards = append(cards, c)
		}
		for _, key := range keys {
			index[key] = i
		}
		cards[i].Serial = cmp.Or(cards[i].Serial, c.Serial)
		cards[i].Driver = cmp.Or(cards[i].Driver, c.Driver)
		cards[i].Firmware, cards[i].PSID = cmp.Or(cards[i].Firmware, c.Firmware), cmp.Or(cards[i].PSID, c.PSID)
		cards[i].Ports = append(cards[i].Ports, port)
	}
	for _, c := range cards {
		slices.SortFunc(c.Ports, func(a, b Port) int { return strings.Compare(string(a.Address), string(b.Address)) })
	}
	return cards
}

// identity is the card as one of its ports shows it, and what all ports of the
// card share: a serial number (also over two slots, with Socket Direct), a slot.
func identity(pf snapshot.PF) (Card, []string) {
	c := Card{
		VendorID: pf.Vendor, DeviceID: pf.Device, Product: pf.VPD.Product, PartNumber: pf.VPD.PartNumber, Driver: pf.Driver,
		Serial: cmp.Or(pf.VPD.Serial, pf.Info.Serial, pf.Info.BoardSerial), PSID: pf.Info.Fixed["fw.psid"],
		Firmware: cmp.Or(pf.Info.Running["fw.version"], pf.Info.Running["fw"]), // "fw" is the generic name, mlx5 has both
	}
	if pf.Address.Bus() != "pci" {
		c.Model = pf.Address.Bus()
		return c, []string{string(pf.Address)}
	}
	c.Model = cmp.Or(modelName(c.VendorID, c.DeviceID), c.Product)
	slot, _, _ := strings.Cut(string(pf.Address), ".")
	keys := []string{"slot " + slot}
	if c.Serial != "" {
		keys = append(keys, c.VendorID+" serial "+c.Serial)
	}
	return c, keys
}

func (o observer) port(pf snapshot.PF) Port {
	p := Port{
		Address: pf.Address, Number: functionNumber(pf.Address), Driver: pf.Driver, TotalVFs: pf.TotalVFs, NumVFs: pf.NumVFs, Autoprobe: pf.Autoprobe,
		Mode: pf.Eswitch.Mode, InlineMode: pf.Eswitch.Inline, EncapMode: pf.Eswitch.Encap, Steering: pf.Params[SteeringParam].Values[devlink.Runtime],
	}
	p.Params = paramsOf(pf)
	if pf.ParamsErr != nil {
		p.ParamsErr = pf.ParamsErr.Error()
	}
	groups, err := groupsOf(o.rates, device(pf.Address))
	p.RateGroups = groups
	p.SFs = slices.Sorted(slices.Values(o.sfs[pf.Address]))
	if err = errors.Join(pf.Err, err); err != nil {
		p.Err = err.Error()
	}
	if l, ok := o.own[pci.PF(pf.Address)]; ok {
		p.Netdev, p.Ifindex, p.MTU, p.Up, p.Carrier, p.Speed = l.Name, l.Index, l.MTU, l.Up, l.Carrier, pf.Speed
		if n, ok := o.numbers[l.Index]; ok && pf.Address.Bus() == "pci" {
			p.Number = n
		}
	} else if pf.HasNet {
		p.NetdevIn = cmp.Or(pf.Namespace, "another network namespace")
	}
	// mlx5_core has always had devlink: where there is none, its instance was moved.
	if pf.Driver == mlx5 && !pf.HasDevlink && pf.Err == nil {
		p.DevlinkIn = cmp.Or(p.NetdevIn, "another network namespace")
	}
	for _, f := range pf.Filters {
		if p.Busy == nil {
			p.Busy = map[resource.ID]string{}
		}
		if p.Busy[f.On] == "" {
			p.Busy[f.On] = fmt.Sprintf("a TC rule (%s, pref %d) is at the ingress of %s", f.Kind, f.Pref, f.Netdev)
		}
	}
	if n := len(pf.Transforms); n > 0 {
		first := pf.Transforms[0]
		p.IPsec = fmt.Sprintf("an IPsec %s to %s is in the card", first.Kind, first.Dst)
		if n > 1 {
			p.IPsec = fmt.Sprintf("%d IPsec states and policies are in the card, as the %s to %s", n, first.Kind, first.Dst)
		}
	}
	for n, vf := range pf.VFs {
		p.VFs = append(p.VFs, o.vf(pci.VF(pf.Address, n), vf, pf.Driver))
	}
	return p
}

// functionNumber is the number of a PCI function in its device: a card has a
// function for each port.
func functionNumber(a pci.Address) int {
	_, f, _ := strings.Cut(a.Device(), ".")
	n, err := strconv.Atoi(f)
	if err != nil {
		return 0
	}
	return n
}

func (o observer) vf(f pci.Function, s snapshot.VF, own string) VF {
	vf := VF{Index: f.VF, Address: s.Address, Driver: s.Driver, NoNetdev: s.NoNet, Override: s.Override, Caps: o.caps[f], RateGroup: o.groups[f]}
	if n, ok := o.maxIOEQs[f]; ok {
		vf.MaxIOEQs = &n
	}
	if a := s.Admin; a != nil {
		vf.Admin = &Admin{
			MAC: a.MAC.String(), VLAN: a.VLAN, QoS: a.QoS, VLANProto: a.VLANProto, SpoofChk: a.SpoofChk, Trust: a.Trust,
			MinTxRate: a.MinTxRate, MaxTxRate: a.MaxTxRate, LinkState: a.LinkState,
		}
	}
	if l, ok := o.reps[f]; ok {
		vf.Representor = &Representor{
			Netdev: l.Name, Ifindex: l.Index, PhysPortName: l.PhysPortName,
			Up: l.Up, Carrier: l.Carrier, MTU: l.MTU,
		}
	}
	l, here := o.own[f]
	if here {
		vf.Netdev = l.Name
	}
	vf.Uses = o.uses(s, l, here, own)
	return vf
}

// uses are the ways in which a VF is used; own is the driver of its PF.
func (o observer) uses(s snapshot.VF, l rtlink.Link, here bool, own string) []Use {
	var uses []Use
	add := func(k UseKind, by string) { uses = append(uses, Use{k, by}) }
	for _, h := range s.Holders {
		add(Held, h.String())
	}
	switch {
	case s.Address == "" || s.Driver == "":
		return uses
	case !here && s.HasNet:
		add(Elsewhere, cmp.Or(s.Namespace, "another network namespace"))
	case !here && s.Driver != own:
		add(UserSpace, s.Driver)
	}
	if !here {
		return uses
	}
	master := o.links[l.Master].Name
	if l.Master != 0 {
		add(Enslaved, cmp.Or(master, fmt.Sprintf("netdev %d", l.Master)))
	}
	for _, u := range s.Uppers {
		if u != master {
			add(Upper, u)
		}
	}
	for _, a := range s.Addresses {
		add(Addressed, a)
	}
	return uses
}

// modelName is the card's name in its vendor's words, by its PCI ids (the
// driver's device table and pci.ids), "" for one that is not listed.
func modelName(vendor, dev string) string {
	i := slices.IndexFunc(models(), func(m [3]string) bool { return m[0] == vendor && m[1] == dev })
	if i < 0 {
		return ""
	}
	return models()[i][2]
}

func models() [][3]string {
	return [][3]string{
		{"15b3", "1013", "ConnectX-4"},
		{"15b3", "1015", "ConnectX-4 Lx"},
		{"15b3", "1017", "ConnectX-5"},
		{"15b3", "1019", "ConnectX-5 Ex"},
		{"15b3", "101b", "ConnectX-6"},
		{"15b3", "101d", "ConnectX-6 Dx"},
		{"15b3", "101f", "ConnectX-6 Lx"},
		{"15b3", "1021", "ConnectX-7"},
		{"15b3", "1023", "ConnectX-8"},
		{"15b3", "1025", "ConnectX-9"},
		{"15b3", "a2d2", "BlueField"},
		{"15b3", "a2d6", "BlueField-2"},
		{"15b3", "a2dc", "BlueField-3"},
		{"8086", "10c9", "82576"},
	}
}
