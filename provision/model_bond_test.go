// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func (m *model) bondOf(name string) *bond.Bond {
	if i := slices.IndexFunc(m.Bonds.Bonds, func(b bond.Bond) bool { return b.Name == name }); i >= 0 {
		return &m.Bonds.Bonds[i]
	}
	return nil
}

// leave takes a member out. The kernel gives it the MTU that it came with
// (__bond_release_one), and bond's Doer the one that it had as a member again.
func (m *model) leave(b *bond.Bond, id string) {
	b.Members = slices.DeleteFunc(b.Members, func(x bond.Member) bool { return x.ID == id })
}

func (m *model) bond(s step.Step) error {
	if s.Resource.Kind == resource.Netdev { // of a member
		p := m.Port(s.Resource.Function.PF)
		if p.Up = true; s.Attribute == "mtu" {
			p.MTU, _ = strconv.Atoi(s.To.Str())
		}
		return nil
	}
	b, to := m.bondOf(s.Resource.Name), s.To.Str()
	n, _ := strconv.Atoi(to)
	if s.Attribute == bond.Present {
		switch {
		case s.To.IsAbsent() && b != nil:
			for _, x := range slices.Clone(b.Members) {
				m.leave(b, x.ID)
			}
			m.Bonds.Bonds = slices.DeleteFunc(m.Bonds.Bonds, func(o bond.Bond) bool { return o.Name == b.Name })
		case b != nil:
			return fmt.Errorf("EEXIST")
		default:
			m.Bonds.Bonds = append(m.Bonds.Bonds, bond.Bond{Name: s.Resource.Name, Mode: "balance-rr", XmitHashPolicy: "layer2", MTU: 1500, Members: []bond.Member{}})
			slices.SortFunc(m.Bonds.Bonds, func(x, y bond.Bond) int { return strings.Compare(x.Name, y.Name) })
		}
		return nil
	}
	if b == nil {
		return fmt.Errorf("there is no such bond")
	}
	for _, e := range s.Effects {
		if e.Kind == step.Leaves && e.From == s.Resource {
			m.leave(b, string(e.On.Function.PF))
		}
	}
	switch s.Attribute {
	case "mark":
		b.Alias = to
		if _, b.Owner, _ = strings.Cut(to, ":"); to == step.NoOwner { // as version 1 marked it
			b.Owner = step.NoOwner
		}
	case "mode":
		if len(b.Members) > 0 {
			return fmt.Errorf("ENOTEMPTY: it has members")
		}
		if b.Mode, b.LACPRate = to, ""; to == "802.3ad" {
			b.LACPRate = "slow"
			if b.Miimon == 0 {
				b.Miimon = 100
			}
		}
	case "miimon":
		b.Miimon = n
	case "xmit_hash_policy":
		b.XmitHashPolicy = to
	case "lacp_rate":
		if b.Mode != "802.3ad" {
			return fmt.Errorf("EACCES: mode %s has none", b.Mode)
		}
		b.LACPRate = to
	case "mtu":
		b.MTU = n
		for _, x := range b.Members {
			m.Port(pci.Address(x.ID)).MTU = n
		}
	case "up":
		b.Up = to == "up"
	case "members":
		for _, id := range strings.FieldsFunc(to, func(r rune) bool { return r == ',' }) {
			if slices.ContainsFunc(b.Members, func(x bond.Member) bool { return x.ID == id }) {
				continue
			}
			p := m.Port(pci.Address(id))
			uplink := resource.OfNetdev(pci.PF(p.Address))
			if u := m.Bonds.Uplinks[p.Address]; m.bridgeOf(u.Master) != nil && step.Effects(s.Effects).On(uplink, step.Leaves) {
				m.takeOut(uplink)
			} else if u.Master != "" {
				if o := m.bondOf(u.Master); o == nil || o.Owner == "" {
					return fmt.Errorf("EBUSY: %s is in %s", id, u.Master)
				} else { // whose own step says so, too
					m.leave(o, id)
				}
			}
			p.MTU, p.Up = b.MTU, true
			b.Members = append(b.Members, bond.Member{ID: id, Netdev: p.Netdev, MIIStatus: "up", Carrier: true})
		}
		slices.SortFunc(b.Members, func(x, y bond.Member) int { return strings.Compare(x.ID, y.ID) })
	case "lag":
		if b.LAG.State != bond.LAGActive {
			return fmt.Errorf("the card makes no LAG")
		}
	default:
		return fmt.Errorf("no such attribute")
	}
	return nil
}
