// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/vlans"
	"github.com/nicwright/nicwright/profiles"
)

func (m *model) bridgeOf(name string) *bridge.Bridge {
	if i := slices.IndexFunc(m.Bridges.Bridges, func(b bridge.Bridge) bool { return b.Name == name }); i >= 0 {
		return &m.Bridges.Bridges[i]
	}
	return nil
}

func (m *model) bridge(s step.Step) error {
	b, to := m.bridgeOf(s.Resource.Name), s.To.Str()
	n, _ := strconv.Atoi(to)
	if s.Attribute == bridge.Present {
		switch {
		case s.To.IsAbsent():
			m.Bridges.Bridges = slices.DeleteFunc(m.Bridges.Bridges, func(o bridge.Bridge) bool { return o.Name == s.Resource.Name })
		case b != nil:
			return fmt.Errorf("EEXIST")
		default:
			m.Bridges.Bridges = append(m.Bridges.Bridges, bridge.Bridge{
				Name: s.Resource.Name, MTU: 1500, Options: map[string]int{"vlan_filtering": 0, "vlan_default_pvid": 1, "stp_state": 0, "mcast_snooping": 1},
			})
			slices.SortFunc(m.Bridges.Bridges, func(x, y bridge.Bridge) int { return strings.Compare(x.Name, y.Name) })
		}
		return nil
	}
	if b == nil {
		return fmt.Errorf("there is no such bridge")
	}
	if s.Resource.Kind == resource.BridgePort {
		return m.bridgePort(b, s)
	}
	switch s.Attribute {
	case "mark":
		b.Alias = to
		_, b.Owner, _ = strings.Cut(to, ":")
	case "vlan_filtering", "stp_state", "mcast_snooping":
		b.Options[s.Attribute] = map[string]int{"true": 1, "false": 0}[to]
	case "vlan_default_pvid":
		if b.Options["vlan_filtering"] != 0 {
			return fmt.Errorf("EPERM: while vlan_filtering is on")
		}
		was := b.Options["vlan_default_pvid"]
		b.Options["vlan_default_pvid"] = n
		for i := range b.Ports {
			p := &b.Ports[i]
			own := p.PVID != 0 && p.PVID == was && slices.Equal(p.Untagged, []int{was})
			if own {
				p.PVID, p.Untagged = 0, nil
			}
			if n != 0 && (own || was == 0) && !slices.Contains(p.Tagged, n) && !slices.Contains(p.Untagged, n) {
				p.PVID, p.Untagged = n, append(p.Untagged, n)
			}
		}
	case "mtu":
		b.MTU = n
	case "up":
		b.Up = to == "up"
	default:
		return fmt.Errorf("no such attribute")
	}
	return nil
}

func (m *model) bridgePort(b *bridge.Bridge, s step.Step) error {
	id := s.Resource.NetdevOf()
	i := slices.IndexFunc(b.Ports, func(p bridge.PortState) bool { return p.Netdev == id })
	switch {
	case s.To.IsAbsent() && i < 0:
		return nil
	case s.To.IsAbsent():
		b.Ports = slices.Delete(b.Ports, i, i+1)
		return nil
	case i < 0 && s.Attribute != bridge.AttrPort:
		return fmt.Errorf("it is no port")
	case i < 0:
		n, there := m.Bridges.Netdevs[id]
		if !there {
			return fmt.Errorf("there is no such netdev")
		}
		if m.bridgeOf(n.Master) != nil && step.Effects(s.Effects).On(id, step.Leaves) {
			m.takeOut(id)
		} else if n.Master != "" {
			return fmt.Errorf("EBUSY: it is in %s", n.Master)
		}
		p := bridge.PortState{Netdev: id, Name: n.Name}
		if pvid := b.Options["vlan_default_pvid"]; pvid != 0 {
			p.PVID, p.Untagged = pvid, []int{pvid}
		}
		b.Ports = append(b.Ports, p)
		slices.SortFunc(b.Ports, func(x, y bridge.PortState) int { return resource.Compare(x.Netdev, y.Netdev) })
		i = slices.IndexFunc(b.Ports, func(p bridge.PortState) bool { return p.Netdev == id })
	}
	if s.To.Str() == "as the bridge gives" {
		return nil
	}
	p := &b.Ports[i]
	p.PVID, p.Untagged, p.Tagged = 0, nil, nil
	for item := range strings.SplitSeq(s.To.Str(), ", ") {
		first, last, isRange := strings.Cut(strings.Fields(item)[0], "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			continue // none
		}
		if !isRange {
			last = first
		}
		to, _ := strconv.Atoi(last)
		for v := from; v <= to; v++ {
			if strings.Contains(item, " pvid") {
				p.PVID = v
			}
			if strings.Contains(item, " untagged") {
				p.Untagged = append(p.Untagged, v)
			} else {
				p.Tagged = append(p.Tagged, v)
			}
		}
	}
	return nil
}

// takeOut takes a netdev out of whatever bridge it is in.
func (m *model) takeOut(id resource.ID) {
	for i := range m.Bridges.Bridges {
		b := &m.Bridges.Bridges[i]
		b.Ports = slices.DeleteFunc(b.Ports, func(p bridge.PortState) bool { return p.Netdev == id })
	}
}

// syncBridges: what ceases to be is no port any more; whatever there is has its master.
func (m *model) syncBridges() {
	all := map[resource.ID]bridge.Netdev{}
	for pf, u := range m.Bonds.Uplinks {
		all[resource.OfNetdev(pci.PF(pf))] = bridge.Netdev{Name: u.Netdev, Up: u.Up, Master: u.Master, MasterKind: u.MasterKind}
	}
	for _, b := range m.Bonds.Bonds {
		all[resource.OfBond(b.Name)] = bridge.Netdev{Name: b.Name, Up: b.Up}
	}
	for _, c := range m.Cards {
		for _, p := range c.Ports {
			for n, v := range p.VFs {
				if v.Representor != nil {
					all[resource.OfRepresentor(pci.VF(p.Address, n))] = bridge.Netdev{Name: v.Representor.Netdev}
				}
			}
		}
	}
	for _, b := range m.Switch.Bridges {
		for _, p := range b.Ports {
			id := resource.OfBond(strings.TrimPrefix(p.ID, "bond/"))
			if f, err := pci.ParseFunction(p.ID); err == nil {
				if id = resource.OfNetdev(f); f.IsVF() {
					id = resource.OfRepresentor(f)
				}
			}
			if n, there := all[id]; there {
				n.Master, n.MasterKind, n.Switch, n.Owner = "ovs-system", "openvswitch", b.Name, p.Owner
				all[id] = n
			}
		}
	}
	for i := range m.Bridges.Bridges {
		b := &m.Bridges.Bridges[i]
		b.Ports = slices.DeleteFunc(b.Ports, func(p bridge.PortState) bool {
			n, there := all[p.Netdev]
			return !there || n.MasterKind == "bond"
		})
		for _, p := range b.Ports {
			n := all[p.Netdev]
			n.Master, n.MasterKind = b.Name, "bridge"
			all[p.Netdev] = n
			if p.Netdev.Kind == resource.Netdev {
				u := m.Bonds.Uplinks[p.Netdev.Function.PF]
				u.Master, u.MasterKind = b.Name, "bridge"
				m.Bonds.Uplinks[p.Netdev.Function.PF] = u
			}
		}
	}
	m.Bridges.Netdevs = all
}

// randomBridges wants bridges of the kernel of the representors that are left, and of
// the bond or the uplinks where Open vSwitch does not want them.
func randomBridges(r *rand.Rand, w *profiles.Want, reps []string) {
	if r.IntN(2) == 0 {
		return
	}
	for _, name := range []string{"vmbr0", "vmbr1"}[:r.IntN(3)] {
		b := bridge.Spec{Name: name, VLANFiltering: maybe(r, true, false), STPState: maybe(r, true, false), MTU: maybe(r, 1500, 9000), Up: maybe(r, true, false)}
		put := func(p bridge.Port) {
			switch r.IntN(3) {
			case 0:
				p.PVID, p.Untagged = new(100), vlans.List{100}
			case 1:
				p.Trunks = [][]int{{}, {1, 2, 3, 200}}[r.IntN(2)]
			}
			b.Ports = append(b.Ports, p)
		}
		switch inOVS := w.OVS != nil && len(w.OVS.Bridges) > 0; {
		case name != "vmbr0" || inOVS:
		case len(w.Bonds) > 0:
			put(bridge.Port{Name: "out", Bond: "bond0"})
		default:
			put(bridge.Port{Name: "out", Uplink: "pci/0001:3b:00.0"})
		}
		k := r.IntN(len(reps) + 1)
		for _, id := range reps[:k] {
			put(bridge.Port{Name: id, VF: id})
		}
		reps = reps[k:]
		w.Bridges = append(w.Bridges, b)
	}
}
