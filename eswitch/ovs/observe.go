// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
)

// external_ids of what nicwright made. The identity is kept beside the mark, so
// that the port of a representor that vanished is still known for what it was.
const (
	keyMark     = "nicwright"
	valueMark   = "1"
	keyFunction = "nicwright-function" // pci.Function.String()
	keyBond     = "nicwright-bond"     // the bond's name
	keyOffload  = "hw-offload"         // of other_config
	keyPolicy   = "tc-policy"          // of other_config
)

// Observe reads the switch: one OVSDB monitor, one dump of the netdevs, one of the
// devlink ports. It writes nothing. A host without a running OVS is a State that
// says so.
func Observe(ctx context.Context) (*State, error) {
	return observe(ctx, sockets())
}

func observe(ctx context.Context, paths []string) (*State, error) {
	c, err := connect(ctx, paths)
	if errors.Is(err, errNotRunning) {
		return &State{Reason: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r, err := read(ctx, c)
	if err != nil {
		return nil, err
	}
	n, err := readNames(ctx)
	if err != nil {
		return nil, err
	}
	s := assemble(r, n)
	return &s, nil
}

// names says what netdevs stand for what, at present.
type names struct {
	ids     map[string]string // netdev -> PortState.ID
	netdevs map[string]string // PortState.ID -> netdev
	index   map[string]int    // PortState.ID -> ifindex
}

func readNames(ctx context.Context) (names, error) {
	devices, err := netdev.All(ctx)
	if err != nil {
		return names{}, fmt.Errorf("OVS ports: which functions they stand for: %w", err)
	}
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return names{}, fmt.Errorf("OVS ports: which are bonds: %w", err)
	}
	return makeNames(devices, links), nil
}

func makeNames(devices []netdev.Link, links []rtlink.Link) names {
	n := names{ids: map[string]string{}, netdevs: map[string]string{}, index: map[string]int{}}
	add := func(id, name string, index int) {
		n.ids[name], n.netdevs[id], n.index[id] = id, name, index
	}
	for _, d := range devices {
		// A VF's own netdev stands for nothing here: its representor does.
		if d.Representor == d.Function.IsVF() {
			add(d.Function.String(), d.Name, d.Index)
		}
	}
	for _, l := range links {
		if l.Bond != nil {
			add(idBond+l.Name, l.Name, l.Index)
		}
	}
	return n
}

// assemble makes the State of what OVSDB and the kernel answered.
func assemble(r rows, n names) State {
	if r.Root == nil {
		return State{Reason: "Open vSwitch's database was never initialised (it has no Open_vSwitch row): systemctl restart openvswitch-switch, or ovs-vsctl --no-wait init"}
	}
	s := State{Running: true, HWOffload: strings.EqualFold(r.Root.OtherConfig[keyOffload], "true"), TCPolicy: r.Root.OtherConfig[keyPolicy]}
	if r.Root.Version != nil {
		s.Version = *r.Root.Version
	}
	for _, id := range r.Root.Bridges {
		b, ok := r.Bridges[id]
		if !ok {
			continue // an update between two tables
		}
		bridge := BridgeState{Name: b.Name, Ours: b.ExternalIDs[keyMark] == valueMark}
		for _, id := range b.Ports {
			p, ok := r.Ports[id]
			if !ok || p.Name == b.Name {
				continue
			}
			bridge.Ports = append(bridge.Ports, r.portState(p, n))
		}
		sort.Slice(bridge.Ports, func(i, j int) bool { return lessID(bridge.Ports[i].ID, bridge.Ports[j].ID) })
		s.Bridges = append(s.Bridges, bridge)
	}
	sort.Slice(s.Bridges, func(i, j int) bool { return s.Bridges[i].Name < s.Bridges[j].Name })
	return s
}

func (r rows) portState(p portRow, n names) PortState {
	s := PortState{
		Name: p.Name, ID: idPort + p.Name, Ours: p.ExternalIDs[keyMark] == valueMark, Tag: p.Tag, Trunks: p.Trunks,
	}
	if len(p.Interfaces) == 1 { // of several, it is an OVS bond: nothing of ours, and no VF LAG
		s.Interface = r.Interfaces[p.Interfaces[0]].Name
		s.ID = p.identity(s.Interface, n)
		s.Netdev = n.netdevs[s.ID]
	}
	if p.VLANMode != nil {
		s.VLANMode = *p.VLANMode
	}
	for i, id := range p.Interfaces {
		f := r.Interfaces[id]
		if of, ok := n.ids[f.Name]; ok && len(p.Interfaces) > 1 {
			s.Bonded = append(s.Bonded, of)
		}
		if f.OFPort != nil && (i == 0 || *f.OFPort < s.OFPort) {
			s.OFPort = *f.OFPort
		}
		if f.Error != nil {
			s.Error = *f.Error
		}
	}
	return s
}

// identity is PortState.ID of a row: what was noted when the port was made, else
// what the netdev stands for now.
func (p portRow) identity(device string, n names) string {
	if p.ExternalIDs[keyMark] == valueMark {
		if f, err := pci.ParseFunction(p.ExternalIDs[keyFunction]); err == nil {
			return f.String()
		}
		if b := p.ExternalIDs[keyBond]; b != "" {
			return idBond + b
		}
	}
	if id, ok := n.ids[device]; ok {
		return id
	}
	return idPort + p.Name
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
