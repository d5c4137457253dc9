// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

// syncNet makes netdevs of uplinks, bonds, VLANs and bridges of the kernel; what is on those that stay, stays.
func (m *model) syncNet() {
	all := map[resource.ID]hostnet.Netdev{}
	put := func(id resource.ID, name, kind string, up bool, mtu int, on resource.ID) {
		all[id] = hostnet.Netdev{Name: name, Kind: kind, Up: up, MTU: mtu, Lower: on, Items: m.Net.Netdevs[id].Items}
	}
	none := resource.ID{}
	for _, b := range m.Bridges.Bridges {
		put(resource.OfLink(b.Name), b.Name, "bridge", b.Up, b.MTU, none)
	}
	if m.Switch != nil {
		for _, b := range m.Switch.Bridges {
			put(resource.OfLink(b.Name), b.Name, "openvswitch", b.Up, b.MTU, none)
		}
	}
	for _, b := range m.Bonds.Bonds {
		put(resource.OfBond(b.Name), b.Name, "bond", b.Up, b.MTU, none)
	}
	for _, v := range m.VLANs.VLANs {
		put(resource.OfLink(v.Name), v.Name, "vlan", v.Up, v.MTU, v.On)
	}
	for pf, u := range m.Bonds.Uplinks {
		put(resource.OfNetdev(pci.PF(pf)), u.Netdev, "", u.Up, u.MTU, none)
	}
	for id, n := range all { // down is without what goes then
		if !n.Up {
			n.Items = slices.DeleteFunc(slices.Clone(n.Items), goesDown)
		}
		if of, there := m.Bridges.Netdevs[id]; there && of.Master != "" {
			n.MasterName, n.MasterKind, n.Master = of.Master, of.MasterKind, resource.OfLink(of.Master)
			if of.MasterKind == "bond" {
				n.Master = resource.OfBond(of.Master)
			}
		}
		all[id] = n
	}
	m.Net.Netdevs = all
	for pf, u := range m.Bonds.Uplinks {
		u.Hangs = m.Net.Hangs(pf)
		m.Bonds.Uplinks[pf] = u
	}
	for id, n := range m.Bridges.Netdevs {
		n.Hangs = m.Net.HangsOn(id)
		m.Bridges.Netdevs[id] = n
	}
}

func goesDown(i hostnet.Item) bool { return i.Kind == rtnet.Route || i.Family == unix.AF_INET6 }

// loses is what the effects of a step take from netdevs.
func (m *model) loses(s step.Step) {
	for _, e := range s.Effects {
		n, there := m.Net.Netdevs[e.On]
		switch {
		case !there:
		case e.Kind == step.Remade || e.Kind == step.Gone:
			n.Items = nil
		case e.Kind == step.Down || e.Kind == step.Joins || e.Kind == step.Leaves:
			n.Items = slices.DeleteFunc(slices.Clone(n.Items), goesDown)
		}
		if there {
			m.Net.Netdevs[e.On] = n
		}
	}
}

// hostnet does the steps of one act in the order in which hostnet's Doer does.
func (m *model) hostnet(steps []step.Step) error {
	var puts []hostnet.Item
	on := map[string]resource.ID{}
	for _, s := range steps {
		if v := m.vlanOf(s.Resource.Name); v != nil && (s.Attribute == "up" || s.Attribute == "mtu") {
			if err := m.vlan(s); err != nil {
				return err
			}
			continue
		}
		if !hostnet.Sayable(s.Attribute) {
			return fmt.Errorf("%s: nothing of the kind hangs on the model's netdevs", s)
		}
		n, there := m.Net.Netdevs[s.Resource]
		if !there && s.To.IsAbsent() {
			continue
		}
		if !there {
			return fmt.Errorf("ENODEV: %s", s)
		}
		i := itemOf(s)
		was := slices.IndexFunc(n.Items, func(o hostnet.Item) bool { return o.Kind == i.Kind && o.Text == i.Text })
		if was >= 0 && (s.To.IsAbsent() || i.MTU() != n.Items[was].MTU()) {
			n.Items = slices.Delete(slices.Clone(n.Items), was, was+1)
			if isIPv4(i) && !slices.ContainsFunc(n.Items, isIPv4) { // with the last address, all routes
				n.Items = slices.DeleteFunc(n.Items, func(o hostnet.Item) bool { return o.Kind == rtnet.Route && o.Family == unix.AF_INET })
			}
			m.Net.Netdevs[s.Resource] = n
		}
		if !s.To.IsAbsent() {
			i.Devices = map[int]resource.ID{1: s.Resource}
			on[s.Resource.String()+i.Text] = s.Resource
			puts = append(puts, i)
		}
	}
	slices.SortStableFunc(puts, func(a, b hostnet.Item) int { return rtnet.Order(a.Entry, b.Entry) })
	for _, i := range puts {
		id := i.Devices[1]
		n := m.Net.Netdevs[id]
		reached := func(o hostnet.Item) bool {
			p, err := netip.ParsePrefix(o.Text)
			return o.Kind == rtnet.Address && err == nil && p.Contains(i.Gateway())
		}
		switch {
		case slices.ContainsFunc(n.Items, func(o hostnet.Item) bool { return o.Kind == i.Kind && o.Text == i.Text }):
			continue
		case i.Kind == rtnet.Route && !n.Up:
			return fmt.Errorf("ENETDOWN: %s on %s", i.Text, id)
		case i.Kind == rtnet.Route && i.Gateway().IsValid() && !slices.ContainsFunc(n.Items, reached):
			return fmt.Errorf("ENETUNREACH: %s on %s", i.Text, id)
		}
		n.Items = append(slices.Clone(n.Items), i)
		m.Net.Netdevs[id] = n
	}
	return nil
}

func isIPv4(i hostnet.Item) bool { return i.Kind == rtnet.Address && i.Family == unix.AF_INET }

// itemOf is what a step of the model is about.
func itemOf(s step.Step) hostnet.Item {
	kind, text, _ := strings.Cut(s.Attribute, " ")
	if rtnet.Kind(kind) == rtnet.Address {
		return hostnet.Item{Entry: rtnet.NewAddress(netip.MustParsePrefix(text), 1)}
	}
	words := strings.Fields(text)
	w := rtnet.Way{}
	for n := 1; n+1 < len(words); n += 2 {
		number, _ := strconv.Atoi(words[n+1])
		switch words[n] {
		case "via":
			w.Via = netip.MustParseAddr(words[n+1])
		case "metric":
			w.Metric = number
		case "table":
			w.Table = number
		}
	}
	if mtu, is := strings.CutPrefix(s.To.Str(), "mtu "); is {
		w.MTU, _ = strconv.Atoi(mtu)
	}
	switch {
	case words[0] != "default":
		w.To = netip.MustParsePrefix(words[0])
	case w.Via.Is6():
		w.To = netip.MustParsePrefix("::/0")
	default:
		w.To = netip.MustParsePrefix("0.0.0.0/0")
	}
	return hostnet.Item{Entry: rtnet.NewRoute(w, 1)}
}

// somebodys puts on a netdev what others put there, or what the profile may say as well.
func (m *model) somebodys(r *rand.Rand) {
	for _, id := range []resource.ID{resource.OfBond("bond0"), resource.OfLink("vmbr0"), resource.OfLink("br0"), resource.OfNetdev(pci.PF("0001:3b:00.1"))} {
		n, there := m.Net.Netdevs[id]
		if !there || !n.Up || n.MasterName != "" || r.IntN(3) > 0 || id.Kind == resource.Netdev && r.IntN(6) > 0 {
			continue
		}
		steps := []step.Step{{Resource: id, Attribute: "address 10.9.9.9/24", To: step.Text("present")}}
		if r.IntN(2) == 0 {
			steps = append(steps, step.Step{Resource: id, Attribute: "route 10.8.0.0/16 via 10.9.9.1 metric " + strconv.Itoa(900+len(id.String())), To: step.Text("mtu 1300")})
		}
		if r.IntN(4) == 0 {
			steps = append(steps, step.Step{Resource: id, Attribute: "address 192.0.2.10/24", To: step.Text("present")})
		}
		if err := m.hostnet(steps); err != nil {
			panic(err)
		}
	}
}

// randomAddresses says what the netdevs that nothing is on top of could have.
func randomAddresses(r *rand.Rand, w *profiles.Want, pfs []pci.Address) {
	taken := map[string]bool{}
	for _, b := range w.Bridges {
		for _, p := range b.Ports {
			taken[p.Bond+p.Uplink] = true
		}
	}
	if w.OVS != nil {
		for _, b := range w.OVS.Bridges {
			for _, p := range b.Ports {
				taken[p.Bond+p.Uplink] = true
			}
		}
	}
	say := func(n int, id resource.ID, up **bool) {
		if r.IntN(2) == 0 || *up != nil && !**up {
			return
		}
		var s hostnet.AddressSpec
		for _, a := range []string{"192.0.2.10/24", "192.0.2.11/24", "2001:db8::" + strconv.Itoa(n+1) + "/64"} {
			if r.IntN(2) == 0 {
				s.Addresses = append(s.Addresses, a)
			}
		}
		if slices.ContainsFunc(s.Addresses, func(a string) bool { return strings.HasPrefix(a, "192") }) {
			s.Routes = append(s.Routes, hostnet.RouteSpec{To: "default", Via: "192.0.2." + strconv.Itoa(1+r.IntN(2)), Metric: new(10 + n), MTU: maybe(r, 1300, 1400)})
		}
		if r.IntN(3) == 0 {
			s.Routes = append(s.Routes, hostnet.RouteSpec{To: "198.51.100.0/24", Table: new(70 + n)})
		}
		if s.IsZero() {
			return
		}
		*up = new(true)
		if w.Net.Said == nil {
			w.Net.Said = map[resource.ID]hostnet.AddressSpec{}
		}
		w.Net.Said[id] = s
	}
	for i := range w.Bonds {
		if b := &w.Bonds[i]; !taken[b.Name] {
			say(0, resource.OfBond(b.Name), &b.Up)
		}
	}
	for i := range w.Bridges {
		say(1+i, resource.OfLink(w.Bridges[i].Name), &w.Bridges[i].Up)
	}
	if w.OVS != nil {
		for i := range w.OVS.Bridges {
			say(8+i, resource.OfLink(w.OVS.Bridges[i].Name), &w.OVS.Bridges[i].Up)
		}
	}
	for i, pf := range pfs {
		spec, there := w.Ports[pf]
		if there && len(w.Bonds) == 0 && !taken[pci.PF(pf).String()] {
			say(3+i, resource.OfNetdev(pci.PF(pf)), &spec.Up)
			w.Ports[pf] = spec
		}
	}
}
