// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// Keys of Open_vSwitch other_config.
const (
	keyOffload = "hw-offload"
	keyPolicy  = "tc-policy"
)

// kindOVS is the IFLA_INFO_KIND of the netdev that ports of the datapath have as
// their master.
const kindOVS = "openvswitch"

// Observe makes the State of a look at the host.
func Observe(s *snapshot.Snapshot) *State {
	o := s.OVS
	state := State{Reason: o.Reason, Unread: o.Unread}
	n := makeNames(s.Netdevs, s.Links)
	if o.Running && o.Rows != nil && o.Rows.Root != nil {
		state = assemble(o.Rows, n)
		state.Stopped = o.Stopped
		if state.HWOffload && o.CanIngress {
			state.unhooked(n, o.Ingress)
		}
	}
	state.Masters = n.masters
	return &state
}

// names says what netdevs stand for what, at present.
type names struct {
	ids     map[string]string   // netdev -> PortState.ID
	netdevs map[string]string   // PortState.ID -> netdev
	index   map[string]int      // PortState.ID -> ifindex
	members map[string][]string // PortState.ID of a bond -> those of its uplinks
	masters map[string]Master   // as State.Masters
	links   map[string]rtlink.Link
}

func makeNames(devices []netdev.Link, links []rtlink.Link) names {
	n := names{
		ids: map[string]string{}, netdevs: map[string]string{}, index: map[string]int{},
		members: map[string][]string{}, masters: map[string]Master{}, links: make(map[string]rtlink.Link, len(links)),
	}
	add := func(id, name string, index int) {
		n.ids[name], n.netdevs[id], n.index[id] = id, name, index
	}
	for _, d := range devices {
		// A VF's own netdev stands for nothing here: its representor does.
		if d.Representor == d.Function.IsVF() {
			add(d.Function.String(), d.Name, d.Index)
		}
	}
	byIndex := make(map[int]rtlink.Link, len(links))
	for _, l := range links {
		byIndex[l.Index], n.links[l.Name] = l, l
		if l.Bond != nil {
			add(idBond+l.Name, l.Name, l.Index)
		}
	}
	for _, l := range links {
		id, ok := n.ids[l.Name]
		master, has := byIndex[l.Master]
		if !ok || !has || master.Kind == kindOVS {
			continue
		}
		n.masters[id] = Master{Name: master.Name, Kind: master.Kind}
		if master.Bond != nil {
			n.members[idBond+master.Name] = append(n.members[idBond+master.Name], id)
		}
	}
	return n
}

// assemble makes the State of what OVSDB and the kernel answered.
func assemble(r *ovsdb.Database, n names) State {
	other := r.Root.Map("other_config")
	s := State{
		Running: true, HWOffload: strings.EqualFold(other[keyOffload], "true"),
		TCPolicy: other[keyPolicy], Version: r.Root.String("ovs_version"), Lacks: r.Lacks, Schema: r.Schema,
	}
	_, said := other[keyOffload]
	s.OffloadUnset = !said
	mirrors := mirrored(r)
	for _, id := range r.Root.UUIDs("bridges") {
		b, ok := r.Bridges[id]
		if !ok {
			continue
		}
		name := b.String("name")
		bridge := BridgeState{Name: name, Owner: ownerOf(b.Map("external_ids")), Rest: plainColumns(b), Away: away(b)}
		if own, ok := n.links[name]; ok {
			bridge.MTU, bridge.Up = own.MTU, own.Up
		}
		for _, id := range b.UUIDs("ports") {
			p, ok := r.Ports[id]
			if ok && p.String("name") == name {
				for _, i := range p.UUIDs("interfaces") {
					if n := r.Interfaces[i].Int(columnMTU); n != nil {
						bridge.AskedMTU = *n
					}
				}
			}
			if !ok || p.String("name") == name {
				continue
			}
			port := portState(r, p, n)
			port.Mirrors = mirrors[id]
			bridge.Ports = append(bridge.Ports, port)
		}
		sort.Slice(bridge.Ports, func(i, j int) bool { return lessID(bridge.Ports[i].ID, bridge.Ports[j].ID) })
		s.Bridges = append(s.Bridges, bridge)
	}
	sort.Slice(s.Bridges, func(i, j int) bool { return s.Bridges[i].Name < s.Bridges[j].Name })
	return s
}

// plainColumns are what a bridge made again can have: a row that only the bridge
// refers to (a controller, a mirror) goes with it.
func plainColumns(b ovsdb.Columns) ovsdb.Columns {
	c := withoutMarks(b.Config("name", "ports", "datapath_version"))
	c = maps.Clone(c)
	maps.DeleteFunc(c, func(name string, v json.RawMessage) bool {
		return name != "external_ids" && name != "other_config" && bytes.Contains(v, []byte(`"uuid"`))
	})
	if len(c) == 0 {
		return nil
	}
	return c
}

func away(b ovsdb.Columns) (all []Away) {
	for k, v := range b.Map("external_ids") {
		if id, ok := strings.CutPrefix(k, keyAway); ok {
			all = append(all, Away{id, v})
		}
	}
	sort.Slice(all, func(i, j int) bool { return lessID(all[i].ID, all[j].ID) })
	return all
}

// mirrored are the names of the mirrors that refer to a port, by its UUID.
func mirrored(r *ovsdb.Database) map[string][]string {
	m := map[string][]string{}
	for _, row := range r.Mirrors {
		for _, column := range []string{"select_src_port", "select_dst_port", "output_port"} {
			for _, id := range row.UUIDs(column) {
				m[id] = append(m[id], row.String("name"))
			}
		}
	}
	for id, names := range m {
		slices.Sort(names)
		m[id] = slices.Compact(names)
	}
	return m
}

func portState(r *ovsdb.Database, p ovsdb.Columns, n names) PortState {
	interfaces := p.UUIDs("interfaces")
	s := PortState{
		Name: p.String("name"), Owner: ownerOf(p.Map("external_ids")),
		Tag: p.Int("tag"), Trunks: p.Ints("trunks"), CVLANs: p.Ints("cvlans"), VLANMode: p.String("vlan_mode"),
	}
	s.ID = idPort + s.Name
	if len(interfaces) == 1 { // of several, it is an OVS bond: nothing of ours, and no VF LAG
		s.Interface = r.Interfaces[interfaces[0]].String("name")
		s.ID = identity(p, s.Interface, n)
		s.Netdev = n.netdevs[s.ID]
		s.Over = n.members[s.ID]
	}
	for i, id := range interfaces {
		f := r.Interfaces[id]
		if of, ok := n.ids[f.String("name")]; ok && len(interfaces) > 1 {
			s.Bonded = append(s.Bonded, of)
		}
		if nr := f.Int("ofport"); nr != nil && (i == 0 || *nr < s.OFPort) {
			s.OFPort = *nr
		}
		if e := f.String("error"); e != "" {
			s.Error = e
		}
	}
	s.Rest = restOf(r, p, s, n)
	return s
}

// restOf is what of a port's rows is neither its VLANs nor written by ovs-vswitchd.
func restOf(r *ovsdb.Database, p ovsdb.Columns, s PortState, n names) *Rest {
	rest := Rest{Port: withoutMarks(p.Config("interfaces", "tag", "trunks", "cvlans", "vlan_mode"))}
	if s.Name == s.Interface {
		delete(rest.Port, "name")
	}
	if len(rest.Port) == 0 {
		rest.Port = nil
	}
	interfaces := p.UUIDs("interfaces")
	for _, id := range interfaces {
		f := r.Interfaces[id]
		if len(interfaces) == 1 {
			if c := f.Config("name"); c != nil {
				rest.Interfaces = append(rest.Interfaces, c)
			}
			continue
		}
		rest.Interfaces = append(rest.Interfaces, f.Config())
		rest.Of = append(rest.Of, n.ids[f.String("name")])
	}
	if rest.Port == nil && rest.Interfaces == nil {
		return nil
	}
	return &rest
}

// identity is PortState.ID of a row: what was noted when the port was made, else
// what the netdev stands for now.
func identity(p ovsdb.Columns, device string, n names) string {
	if ids := p.Map("external_ids"); ids[keyMark] != "" {
		if f, err := pci.ParseFunction(ids[keyFunction]); err == nil {
			return f.String()
		}
		if b := ids[keyBond]; b != "" {
			return idBond + b
		}
	}
	if id, ok := n.ids[device]; ok {
		return id
	}
	return idPort + p.String("name")
}

// unhooked finds the ports that work and whose netdevs have no ingress qdisc. Only
// netdevs of cards and bonds are looked at; the members of a bond are to share its
// block, where it has one.
func (s *State) unhooked(n names, ingress map[int]uint32) {
	for i := range s.Bridges {
		for j := range s.Bridges[i].Ports {
			p := &s.Bridges[i].Ports[j]
			if p.OFPort <= 0 || p.Netdev == "" || p.Netdev != p.Interface {
				continue
			}
			index := n.index[p.ID]
			block, has := ingress[index]
			if index != 0 && !has {
				p.Unhooked = append(p.Unhooked, p.Netdev)
			}
			for _, id := range p.Over {
				if _, has := ingress[n.index[id]]; block != 0 && !has {
					p.Unhooked = append(p.Unhooked, n.netdevs[id])
				}
			}
		}
	}
}

// lessID sorts bonds, then functions by number, then the rest.
func lessID(a, b string) bool {
	fa, errA := pci.ParseFunction(a)
	fb, errB := pci.ParseFunction(b)
	if errA != nil || errB != nil || fa.PF != fb.PF {
		return a < b
	}
	return fa.VF < fb.VF
}
