// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// Observe makes the state of a look at the host.
func Observe(s *snapshot.Snapshot) State {
	o := observer{uplinks: map[int]pci.Address{}, links: map[int]rtlink.Link{}, lag: s.LAG}
	for _, l := range s.Links {
		o.links[l.Index] = l
	}
	state := State{Uplinks: map[pci.Address]Uplink{}}
	ports := s.OVS.BridgeOf()
	for _, d := range s.Netdevs {
		l, ok := o.links[d.Index]
		if !ok || d.Representor || d.SF != nil || d.Function.IsVF() {
			continue
		}
		o.uplinks[d.Index] = d.Function.PF
		u := Uplink{Netdev: l.Name, Index: l.Index, MTU: l.MTU, Up: l.Up}
		u.Master, u.MasterKind = o.master(l)
		if u.MasterKind == "openvswitch" {
			u.Bridge, u.Owner = ports[u.Netdev].Bridge, ports[u.Netdev].Owner
		}
		state.Uplinks[d.Function.PF] = u
	}
	for _, l := range s.Links {
		if l.Bond != nil {
			state.Bonds = append(state.Bonds, o.bond(l, s.Links))
		}
	}
	slices.SortFunc(state.Bonds, func(a, b Bond) int { return strings.Compare(a.Name, b.Name) })
	return state
}

type observer struct {
	uplinks map[int]pci.Address // by ifindex
	links   map[int]rtlink.Link
	lag     map[pci.Address]snapshot.LAG
}

// master is the name and kind of the netdev that l is a port of.
func (o observer) master(l rtlink.Link) (name, kind string) {
	m := o.links[l.Master]
	return m.Name, m.Kind
}

// id is the ID that l has as a member of a bond.
func (o observer) id(l rtlink.Link) string {
	if a, ok := o.uplinks[l.Index]; ok {
		return string(a)
	}
	return netdevPrefix + l.Name
}

func (o observer) bond(l rtlink.Link, all []rtlink.Link) Bond {
	b := Bond{
		Name: l.Name, Index: l.Index, MTU: l.MTU, Up: l.Up, Carrier: l.Carrier, Alias: l.Alias, Owner: step.OwnerOf(l.Alias),
		ARPInterval: l.Bond.Values[arpInterval], LAG: LAG{State: LAGDisabled},
	}
	b.Master, b.MasterKind = o.master(l)
	for _, a := range attributes { // the mode is the first: what it does not have is left out
		n, ok := l.Bond.Values[a.nla]
		switch {
		case b.Mode != "" && !a.in(b.Mode):
		case a.member:
			primary := ""
			if m, there := o.links[n]; ok && there {
				primary = o.id(m)
			}
			set(a.bond(&b), primary)
		case ok:
			set(a.bond(&b), a.text(n))
		}
	}
	if ad := l.Bond.AD; ad != nil {
		b.LACP = &LACP{
			Aggregator: ad.Aggregator, Ports: ad.Ports, ActorKey: ad.ActorKey, PartnerKey: ad.PartnerKey,
			PartnerMAC: ad.PartnerMAC.String(),
		}
	}
	for _, m := range all {
		if m.Slave == nil || m.Master != l.Index {
			continue
		}
		b.Members = append(b.Members, Member{
			ID: o.id(m), Netdev: m.Name, MTU: m.MTU, Up: m.Up, Carrier: m.Carrier, MIIStatus: m.Slave.MIIStatus, Aggregator: m.Slave.Aggregator, Backup: !m.Slave.Active,
		})
	}
	slices.SortFunc(b.Members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	for _, m := range b.Members {
		if strings.HasPrefix(m.ID, netdevPrefix) {
			continue
		}
		of, ok := o.lag[pci.Address(m.ID)]
		if !ok {
			of = snapshot.LAG{State: LAGUnknown, Reason: m.ID + " is not bound to mlx5_core, which alone makes a LAG of a bond"}
		}
		b.LAG = LAG(of)
		if of.State != LAGActive {
			break
		}
	}
	return b
}

// now looks at the bonds again, and at nothing else: for who waits for them, or
// proves them. debugfs is where debugfs is mounted.
func now(ctx context.Context, debugfs string) (State, *snapshot.Snapshot, error) {
	s := &snapshot.Snapshot{LAG: map[pci.Address]snapshot.LAG{}}
	var err error
	if s.Links, err = rtlink.Dump(ctx); err == nil {
		s.Netdevs, err = netdev.All(ctx)
	}
	if err != nil {
		return State{}, nil, fmt.Errorf("looking at the bonds: %w", err)
	}
	for a, u := range Observe(s).Uplinks {
		if u.MasterKind == "bond" {
			s.LAG[a] = snapshot.ReadLAG(debugfs, a)
		}
	}
	return Observe(s), s, nil
}
