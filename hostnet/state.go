// SPDX-License-Identifier: Apache-2.0

// Package hostnet owns what hangs on a netdev: addresses, routes, permanent
// neighbours, nexthop objects and the bridge or bond that it is a port of. Of that a
// profile says addresses and routes (AddressSpec), and what package tuning owns. Other domains'
// steps take it away, as their effects say, and this one plans how it comes back: in the apply
// itself, and in a rollback.
// What belongs to the card, the bond or the switch is theirs.
package hostnet

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// Domain is the package's name in steps.
const Domain = "hostnet"

// State is what hangs on the netdevs of a network namespace, observed or wanted.
type State struct {
	Netdevs map[resource.ID]Netdev `json:"netdevs,omitempty"`
	// Absent are the attributes that a rollback takes away, for its operation put them there.
	Absent map[resource.ID][]string `json:"absent,omitempty"`
	// Move says, of an uplink, to which bond its addresses and routes go.
	Move map[resource.ID]resource.ID `json:"move,omitempty"`
	// Said are the addresses and routes that a profile names.
	Said map[resource.ID]AddressSpec `json:"said,omitempty"`
	// Unsaid are the attributes that operations before put there, and that are wanted no more.
	Unsaid map[resource.ID][]string `json:"unsaid,omitempty"`
	// Bridged are the netdevs about whose place in bridges of the kernel the bridge domain decides.
	Bridged map[resource.ID]Place `json:"-"`
	// Late are the netdevs that Open vSwitch makes, when all others are there.
	Late map[resource.ID]bool `json:"-"`
	// Down are the netdevs that are to be down.
	Down map[resource.ID]bool `json:"-"`
	// MTUs are those that netdevs are to have, of the ones that others own, in bytes.
	MTUs map[resource.ID]int `json:"-"`
	// Again are the attributes of settings that an interrupted operation was to put back: what lost them may be done.
	Again map[resource.ID][]string `json:"-"`
	// Told are the attributes of netdevs that the tuning and VLAN domains decide, by their names: "rings rx", "features rx-gro", "mtu", "up".
	Told map[resource.ID][]string `json:"-"`
}

// Place is what the bridge domain decides of a netdev.
type Place struct {
	// Elsewhere: it says which bridge it is a port of, and its VLANs there.
	Elsewhere bool
	// NotIn is the bridge that it is taken out of; others may have it.
	NotIn resource.ID
}

// Netdev is one netdev. Of a want, what is not said is left alone.
type Netdev struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"` // IFLA_INFO_KIND; "" for hardware
	Up   bool   `json:"up"`
	MTU  int    `json:"mtu,omitempty"` // bytes
	// Lower is the netdev below, of a VLAN for example.
	Lower resource.ID `json:"lower,omitzero"`
	// Master is what it is a port of: a bridge of the kernel, a bond, a team. Of a want, zero leaves it.
	Master     resource.ID `json:"master,omitzero"`
	MasterName string      `json:"master_name,omitempty"`
	MasterKind string      `json:"master_kind,omitempty"`
	// Port is IFLA_INFO_SLAVE_DATA of a port of the kernel's bridge.
	Port     []byte   `json:"port,omitempty"`
	Settings Settings `json:"settings,omitempty"`
	// Upper is what a netdev on another is made of.
	Upper *Upper `json:"upper,omitempty"`
	Items []Item `json:"items,omitempty"`
}

// Item is one thing on a netdev.
type Item struct {
	rtnet.Entry
	// Devices are the netdevs whose ifindexes are in the entry.
	Devices map[int]resource.ID `json:"devices,omitempty"`
}

// attribute is the item in steps: "address 198.51.100.10/24".
func (i Item) attribute() string { return string(i.Kind) + " " + i.Text }

// The attributes of the netdev itself: what it is a port of, and of a VF's its state and MTU.
const (
	attrMaster = "master"
	attrUp     = "up"
	attrMTU    = "mtu"
)

func (n Netdev) has(i Item) bool {
	return slices.ContainsFunc(n.Items, func(o Item) bool { return o.attribute() == i.attribute() })
}

// Observe makes the state of a look at the host.
func Observe(s *snapshot.Snapshot) State {
	ids := s.IDs()
	state := State{Netdevs: map[resource.ID]Netdev{}}
	for _, l := range s.Links {
		n := Netdev{Name: l.Name, Kind: l.Kind, Up: l.Up, MTU: l.MTU, Lower: ids[l.Lower], Master: ids[l.Master]}
		if m, ok := s.Link(l.Master); ok {
			n.MasterName, n.MasterKind = m.Name, m.Kind
		}
		if l.SlaveKind == "bridge" {
			n.Port = rtlink.BridgePort(l.SlaveData)
		}
		n.Settings = settingsOf(s, l, ids[l.Index])
		if lower, ok := s.Link(l.Lower); ok {
			n.Upper = upperOf(l, lower)
		}
		state.Netdevs[ids[l.Index]] = n
	}
	for _, e := range s.Entries {
		id, there := ids[e.Index]
		if !there {
			continue // the netdev went away between the two dumps
		}
		i := Item{Entry: e, Devices: map[int]resource.ID{}}
		for _, index := range e.Indexes() {
			i.Devices[index] = ids[index]
		}
		n := state.Netdevs[id]
		n.Items = append(n.Items, i)
		state.Netdevs[id] = n
	}
	return state
}

// Hangs is what an uplink has that a member of a bond cannot: addresses and
// routes, in words.
func (s State) Hangs(pf pci.Address) []string { return s.HangsOn(resource.OfNetdev(pci.PF(pf))) }

// HangsOn is Hangs of any netdev that could be a port.
func (s State) HangsOn(id resource.ID) []string {
	n := s.Netdevs[id]
	if n.Master.Kind == resource.Bond {
		return nil
	}
	var words []string
	for _, i := range n.Items {
		if (i.Kind == rtnet.Address || i.Kind == rtnet.Route) && i.Daemon != rtnet.Advertised {
			words = append(words, i.attribute())
		}
	}
	return words
}

// Holder is a netdev that has an address.
type Holder struct {
	Address netip.Addr
	On      resource.ID
	Name    string
}

// Holders are who has which address in a look at the host.
func Holders(s *snapshot.Snapshot) []Holder {
	ids, names := s.IDs(), map[int]string{}
	for _, l := range s.Links {
		names[l.Index] = l.Name
	}
	var all []Holder
	for _, e := range s.Entries {
		text, _, _ := strings.Cut(e.Text, " peer ")
		text, _, _ = strings.Cut(text, "/")
		a, err := netip.ParseAddr(text)
		if id, there := ids[e.Index]; e.Kind == rtnet.Address && err == nil && there {
			all = append(all, Holder{a, id, names[e.Index]})
		}
	}
	return all
}

// Addresses are those of the netdev of a function.
func (s State) Addresses(f pci.Function) []string {
	var all []string
	for _, i := range s.Netdevs[resource.OfNetdev(f)].Items {
		if i.Kind == rtnet.Address {
			all = append(all, i.Text)
		}
	}
	return all
}

// Fill is over with what under has of the netdevs that over says nothing of: what
// nobody asks to be otherwise is to be as it was. Whose port a netdev is is left to
// whoever takes it out of there, but of one that is made again; an uplink's bond is the
// bond domain's.
func Fill(over, under State, effects step.Effects) State {
	out := over
	out.Netdevs, out.Again = maps.Clone(over.Netdevs), under.Again
	if out.Netdevs == nil {
		out.Netdevs = map[resource.ID]Netdev{}
	}
	for id, n := range under.Netdevs {
		if o, said := out.Netdevs[id]; said {
			o.Items = slices.Clone(o.Items)
			for _, i := range n.Items { // what a rollback leaves alone the kernel may take along
				if Sayable(i.attribute()) && !o.has(i) && !slices.Contains(over.Absent[id], i.attribute()) {
					o.Items = append(o.Items, i)
				}
			}
			out.Netdevs[id] = o
			continue
		}
		if !effects.Loses(id) || n.Master.Kind == resource.Bond && id.Kind == resource.Netdev && !id.Function.IsVF() {
			n.Master, n.MasterName, n.MasterKind = resource.ID{}, "", ""
		}
		out.Netdevs[id] = n
	}
	return out
}

// Keep is the part of a want that was touched.
func Keep(s State, touched func(id resource.ID, attribute string) bool) State {
	out := State{Netdevs: map[resource.ID]Netdev{}, Absent: s.Absent, Move: s.Move, Bridged: s.Bridged, Down: s.Down, Late: s.Late, Told: s.Told}
	for id, n := range s.Netdevs {
		n.Items = slices.DeleteFunc(slices.Clone(n.Items), func(i Item) bool { return !touched(id, i.attribute()) })
		if !touched(id, attrMaster) {
			n.Master, n.MasterName, n.MasterKind, n.Port = resource.ID{}, "", "", nil
		}
		n.Settings = maps.Clone(n.Settings)
		maps.DeleteFunc(n.Settings, func(attribute, _ string) bool { return !touched(id, attribute) })
		if !touched(id, attrNetdev) {
			n.Upper = nil
		}
		n.Up = n.Up && touched(id, attrUp)
		if !touched(id, attrMTU) {
			n.MTU = 0
		}
		if len(n.Items) > 0 || !n.Master.IsZero() || n.Up || n.MTU != 0 || len(n.Settings) > 0 || n.Upper != nil {
			out.Netdevs[id] = n
		}
	}
	return out
}

// sorted are the netdevs of a state in a fixed order: what others hang on first.
func (s State) sorted() []resource.ID {
	ids := slices.SortedFunc(maps.Keys(s.Netdevs), resource.Compare)
	depth := func(id resource.ID) int {
		d := 0
		for seen := map[resource.ID]bool{}; !id.IsZero() && !seen[id]; id = s.Netdevs[id].Lower {
			seen[id] = true
			d++
		}
		return d
	}
	slices.SortStableFunc(ids, func(a, b resource.ID) int { return depth(a) - depth(b) })
	return ids
}

// called is the netdev as people know it.
func (s State) called(id resource.ID) string {
	if n, ok := s.Netdevs[id]; ok && !strings.HasSuffix(id.String(), "/"+n.Name) {
		return n.Name + " (" + id.String() + ")"
	}
	return id.String()
}
