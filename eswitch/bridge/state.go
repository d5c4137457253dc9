// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// State is all bridges of the network namespace that are the kernel's, and the netdevs
// that could go into one.
type State struct {
	Bridges []Bridge `json:"bridges"` // by name
	// Netdevs are uplinks, representors and bonds.
	Netdevs map[resource.ID]Netdev `json:"netdevs,omitempty"`
	// Others are the kinds (IFLA_INFO_KIND) of the netdevs of other names.
	Others map[string]string `json:"others,omitempty"`
}

// Bridge is a bridge as it is.
type Bridge struct {
	Name  string `json:"name"`
	Index int    `json:"ifindex,omitempty"`
	// Options are those of the table, by name; of a switch 0 is off.
	Options map[string]int `json:"options"`
	MTU     int            `json:"mtu"` // bytes
	Up      bool           `json:"up"`  // administratively
	Alias   string         `json:"alias,omitempty"`
	Owner   string         `json:"owner,omitempty"` // the profile whose mark it carries, "" for none
	Ports   []PortState    `json:"ports,omitempty"` // by netdev
}

// PortState is a port.
type PortState struct {
	Netdev   resource.ID `json:"netdev"`
	Name     string      `json:"name"`
	PVID     int         `json:"pvid,omitempty"`
	Untagged []int       `json:"untagged,omitempty"`
	Tagged   []int       `json:"tagged,omitempty"`
	Settings []byte      `json:"data,omitempty"` // rtlink.BridgePort
}

// Netdev is one that could be a port.
type Netdev struct {
	Name string `json:"name"`
	Up   bool   `json:"up"`
	// Master is the netdev that it is a port of, and its kind (bridge, bond, openvswitch, ...).
	Master     string `json:"master,omitempty"`
	MasterKind string `json:"master_kind,omitempty"`
	// Switch is, in Open vSwitch, the bridge that it is a port of, and Owner whose mark the port carries.
	Switch string `json:"switch,omitempty"`
	Owner  string `json:"owner,omitempty"`
	// Hangs is what it has that a port cannot use: global addresses and routes, in words.
	Hangs []string `json:"hangs,omitempty"`
}

func (s State) bridge(name string) *Bridge {
	i := slices.IndexFunc(s.Bridges, func(b Bridge) bool { return b.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Bridges[i]
}

// Has tells whether there is a bridge of that name.
func (s State) Has(name string) bool { return s.bridge(name) != nil }

// Filter is whether the bridge filters VLANs, in words.
func (b Bridge) Filter() string {
	if b.Options[attrFiltering] != 0 {
		return attrFiltering + " on"
	}
	return attrFiltering + " off"
}

// vlans are those of a port.
func (p PortState) vlans() set {
	s := set{}
	for _, v := range p.Tagged {
		s[v] = member{}
	}
	for _, v := range p.Untagged {
		s[v] = member{untagged: true}
	}
	if p.PVID != 0 {
		m := s[p.PVID]
		m.pvid = true
		s[p.PVID] = m
	}
	return s
}

// VLANs are those of a port in words.
func (p PortState) VLANs() string { return p.vlans().text() }

// AsSwitch are the VLANs of a port as Open vSwitch has them in tag, trunks and vlan_mode (vswitch.ovsschema): its
// PVID is the tag. What leaves without a tag and is not the PVID has no word there.
func (p PortState) AsSwitch() (tag *int, trunks []int, mode string) {
	trunks = slices.Clone(p.Tagged)
	if p.PVID == 0 {
		return nil, trunks, ""
	}
	tag = &p.PVID
	switch {
	case slices.Contains(p.Tagged, p.PVID):
		mode = "native-tagged"
	case len(trunks) > 0:
		trunks, mode = append(trunks, p.PVID), "native-untagged"
		slices.Sort(trunks)
	}
	return tag, trunks, mode
}

// Observe makes the state of a look at the host.
func Observe(s *snapshot.Snapshot) State {
	ids := s.IDs()
	state := State{Netdevs: map[resource.ID]Netdev{}, Others: map[string]string{}}
	links := map[int]rtlink.Link{}
	for _, l := range s.Links {
		links[l.Index] = l
	}
	owners := s.OVS.BridgeOf()
	at := map[int]int{} // bridges, by ifindex
	for _, l := range s.Links {
		if l.Kind != "bridge" {
			state.Others[l.Name] = l.Kind
			continue
		}
		b := Bridge{Name: l.Name, Index: l.Index, Options: map[string]int{}, MTU: l.MTU, Up: l.Up, Alias: l.Alias, Owner: step.OwnerOf(l.Alias)}
		numbers := rtlink.Numbers(l.Data)
		for _, o := range options {
			if n, has := numbers[o.nla]; has {
				b.Options[o.name] = n
			}
		}
		at[l.Index] = len(state.Bridges)
		state.Bridges = append(state.Bridges, b)
	}
	vlans := vlansOf(s.Entries)
	for _, l := range s.Links {
		id := ids[l.Index]
		if n, is := at[l.Master]; is {
			p := PortState{Netdev: id, Name: l.Name, Settings: rtlink.BridgePort(l.SlaveData)}
			p.put(vlans[l.Index])
			state.Bridges[n].Ports = append(state.Bridges[n].Ports, p)
		}
		if id.Kind != resource.Netdev && id.Kind != resource.Representor && id.Kind != resource.Bond || id.Kind == resource.Netdev && id.Function.IsVF() {
			continue
		}
		m := links[l.Master]
		n := Netdev{Name: l.Name, Up: l.Up, Master: m.Name, MasterKind: m.Kind}
		if m.Kind == kindOVS {
			n.Switch, n.Owner = owners[l.Name].Bridge, owners[l.Name].Owner
		}
		state.Netdevs[id] = n
	}
	for i := range state.Bridges {
		slices.SortFunc(state.Bridges[i].Ports, func(a, b PortState) int { return resource.Compare(a.Netdev, b.Netdev) })
	}
	slices.SortFunc(state.Bridges, func(a, b Bridge) int { return strings.Compare(a.Name, b.Name) })
	return state
}

// kindOVS is the kind of Open vSwitch's datapath, the master of its ports.
const kindOVS = "openvswitch"

// vlansOf are the VLANs of ports, by ifindex.
func vlansOf(entries []rtnet.Entry) map[int]set {
	all := map[int]set{}
	for _, e := range entries {
		vid, pvid, untagged, ok := rtnet.VLANOf(e)
		if !ok {
			continue
		}
		if all[e.Index] == nil {
			all[e.Index] = set{}
		}
		all[e.Index][vid] = member{pvid, untagged}
	}
	return all
}

// put writes VLANs into the port.
func (p *PortState) put(s set) {
	for _, v := range s.sorted() {
		if s[v].pvid {
			p.PVID = v
		}
		if s[v].untagged {
			p.Untagged = append(p.Untagged, v)
		} else {
			p.Tagged = append(p.Tagged, v)
		}
	}
}
