// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Wanted is what is wanted of a port that may be a bond's member.
type Wanted struct {
	MTU *int // bytes
}

// Follow is the bond with the MTU that it and its members are to have, where that
// follows from what is wanted of its members: a bond that says nothing takes the
// MTU that all of them say which say one. Who calls it then lets the members
// follow, and plans neither MTU nor up of them: bonding gives both. Without such an
// MTU the present one of the bond stays, and a new bond takes that of its members.
func (s Spec) Follow(have State, ports map[pci.Address]Wanted) Spec {
	if s.MTU != nil {
		return s
	}
	members := s.Members
	if members == nil {
		members = have.Members(s.Name)
	}
	var mtu *int
	for _, id := range members {
		w := ports[pci.Address(id)].MTU
		switch {
		case w == nil:
		case mtu == nil:
			mtu = w
		case *mtu != *w:
			return s // a rule of the profile's says so
		}
	}
	s.MTU = mtu
	return s
}

// newMTU is the MTU of a bond that says none and that is not there, or not in use
// yet: that of its members, nil where there is none to be seen.
func (s Spec) newMTU(have State) (*int, error) {
	if h := have.bond(s.Name); s.Filled || h != nil && (len(h.Members) > 0 || h.Owner == "") {
		return nil, nil
	}
	var first string
	var mtu int
	for _, id := range s.Members {
		u, ok := have.Uplinks[pci.Address(id)]
		switch {
		case !ok:
		case first == "":
			first, mtu = u.Netdev+" ("+id+")", u.MTU
		case u.MTU != mtu:
			return nil, fmt.Errorf("bond %s: its members have one MTU, and now %s has %d and %s (%s) %d: say mtu at the bond", s.Name, first, mtu, u.Netdev, id, u.MTU)
		}
	}
	if first == "" {
		return nil, nil
	}
	return &mtu, nil
}

// Fill lays over upon under: a bond of over that says nothing of something says
// what under says, and a bond that over does not name is there as Filled. So what
// nobody asked for is put back where a step takes it away, and else no step. A LAG
// comes back by itself where it can: none is waited for that nobody asked for.
func Fill(over, under []Spec, _ step.Effects) []Spec {
	by := claims(over)
	var all []Spec
	for _, s := range over {
		if i := index(under, s.Name); i >= 0 && !s.Filled {
			s = s.fill(under[i], by)
		}
		all = append(all, s)
	}
	for _, u := range under {
		if index(over, u.Name) < 0 {
			f := Spec{Name: u.Name}.fill(u, by)
			f.Filled = true
			all = append(all, f)
		}
	}
	return all
}

func index(specs []Spec, name string) int {
	return slices.IndexFunc(specs, func(s Spec) bool { return s.Name == name })
}

// fill sets what is not set to what before says, as far as it goes with what is
// set; members that other bonds claim stay out.
func (s Spec) fill(before Spec, by map[string]string) Spec {
	mode := before.Mode
	if s.Mode != nil {
		mode = s.Mode
	}
	otherMode := s.Mode != nil && (before.Mode == nil || *s.Mode != *before.Mode)
	otherMiimon := s.Miimon != nil && (before.Miimon == nil || *s.Miimon != *before.Miimon)
	if s.Members == nil && before.Members != nil {
		s.Members = slices.DeleteFunc(slices.Clone(before.Members), func(id string) bool { return by[id] != "" && by[id] != s.Name })
	}
	for _, a := range attributes {
		text, said := get(a.spec(&before))
		_, already := get(a.spec(&s))
		switch {
		case !said || already || mode != nil && !a.in(*mode):
		case a.perMiimon && otherMiimon: // Diff carries it over
		case a.name == attrMiimon && text == "0" && otherMode: // which may need link checks
		case a.member && text != "" && s.Members != nil && !slices.Contains(s.Members, text):
		default:
			set(a.spec(&s), text)
		}
	}
	if s.MTU == nil {
		s.MTU = before.MTU
	}
	if s.Up == nil {
		s.Up = before.Up
	}
	return s
}

// Lay is base with what was before an operation laid upon it: what over names is
// as it says, and what the operation made and over does not name is not there.
func Lay(over, base []Spec, made func(name string) bool) []Spec {
	over = slices.DeleteFunc(slices.Clone(over), func(s Spec) bool { return s.Filled })
	by := claims(over)
	var all []Spec
	for _, b := range base {
		i := index(over, b.Name)
		switch {
		case i >= 0:
			lag, owner := b.LAG, b.Owner
			b = over[i].fill(b, by)
			if b.LAG == nil {
				b.LAG = lag
			}
			if b.Owner == "" {
				b.Owner = owner
			}
		case made(b.Name):
			continue
		case b.Members != nil:
			b.Members = slices.DeleteFunc(slices.Clone(b.Members), func(id string) bool { return by[id] != "" })
		}
		all = append(all, b)
	}
	for _, s := range over {
		if index(base, s.Name) < 0 {
			all = append(all, s)
		}
	}
	return all
}

// Keep is what specs say of what was touched; the rest is left alone. A bond that
// was not touched stays by its name: it was there before, and is not to be deleted.
func Keep(specs []Spec, touched func(id resource.ID, attribute string) bool) []Spec {
	var all []Spec
	for _, s := range specs {
		id := resource.OfBond(s.Name)
		if touched(id, Present) {
			all = append(all, s)
			continue
		}
		kept := s
		for _, a := range attributes {
			if !touched(id, a.name) {
				unset(a.spec(&kept))
			}
		}
		if !touched(id, attrMembers) {
			kept.Members = nil
		}
		if !touched(id, attrMTU) {
			kept.MTU = nil
		}
		if !touched(id, attrUp) {
			kept.Up = nil
		}
		if !touched(id, attrLAG) {
			kept.LAG = nil
		}
		if !touched(id, step.AttrMark) {
			kept.Owner = ""
		}
		all = append(all, kept)
	}
	return all
}
