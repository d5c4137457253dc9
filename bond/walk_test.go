// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// model does steps to a State as the kernel would, in plain Go, and refuses what
// it would refuse.
type model struct {
	State
	downed map[string]bool // bonds that are down for a moment
}

func (m *model) do(s step.Step) error {
	name, err := bondOf(s)
	if err != nil {
		return err
	}
	b, to := m.bond(name), s.To.Str()
	if s.Attribute == Present {
		if s.To.IsAbsent() {
			for _, member := range b.memberIDs() {
				m.leave(b, member)
			}
			m.Bonds = slices.DeleteFunc(m.Bonds, func(o Bond) bool { return o.Name == name })
			return nil
		}
		m.Bonds = append(m.Bonds, Bond{Name: name, Mode: defaultMode, MTU: 1500})
		return nil
	}
	if b == nil {
		return fmt.Errorf("%s: there is no such bond", s)
	}
	out := func() { // the members that the step's effects say
		for _, e := range s.Effects {
			if e.Kind == step.Leaves && e.From == resource.OfBond(name) {
				m.leave(b, string(e.On.Function.PF))
			}
		}
	}
	switch a := find(s.Attribute); {
	case s.Resource.Kind != resource.Bond:
		i := slices.IndexFunc(b.Members, func(member Member) bool { return memberID(member.ID) == s.Resource })
		if b.Members[i].Up = true; s.Attribute == attrMTU {
			b.Members[i].MTU = atoi(to)
		}
	case a != nil && a.member:
		if to != "" && !slices.Contains(b.memberIDs(), to) {
			return fmt.Errorf("%s: it is no member", s)
		}
		b.Primary = &to
	case a != nil:
		out()
		down := step.Effects(s.Effects).On(resource.OfBond(name), step.Down) || m.downed[name]
		switch {
		case a.empty && len(b.Members) > 0:
			return fmt.Errorf("%s: the bond has members", s)
		case a.down && b.Up && !down:
			return fmt.Errorf("%s: the bond is up", s)
		case !a.in(b.Mode):
			return fmt.Errorf("%s: mode %s does not have it", s, b.Mode)
		case a.perMiimon && (b.Miimon == 0 || atoi(to)%b.Miimon != 0):
			return fmt.Errorf("%s: with miimon %d", s, b.Miimon)
		}
		m.downed[name] = down
		if a.name == attrMiimon && b.Miimon > 0 {
			for _, d := range attributes {
				if ms, ok := get(d.bond(b)); ok && d.perMiimon {
					set(d.bond(b), fmt.Sprint(atoi(ms)/b.Miimon*atoi(to)))
				}
			}
		}
		set(a.bond(b), to)
		if a.name == AttrMode && b.Miimon == 0 && slices.Contains([]string{mode8023ad, balanceTLB, balanceALB}, to) {
			b.Miimon = defaultMiimon
		}
	case s.Attribute == step.AttrMark:
		b.Alias, b.Owner = to, step.OwnerOf(to)
	case s.Attribute == attrMTU:
		b.MTU = atoi(to)
		for i := range b.Members {
			b.Members[i].MTU = b.MTU
		}
	case s.Attribute == attrUp:
		b.Up = to == step.UpDown(true)
	case s.Attribute == attrMembers:
		out()
		for _, id := range strings.FieldsFunc(to, func(r rune) bool { return r == ',' }) {
			if slices.Contains(b.memberIDs(), id) {
				continue
			}
			u := m.Uplinks[pci.Address(id)]
			if o := m.bond(u.Master); o != nil { // which gives it up, as its own step says
				m.leave(o, id)
			}
			b.Members = append(b.Members, Member{ID: id, Netdev: u.Netdev, MTU: b.MTU, Up: true, Carrier: true, MIIStatus: "up"})
			u.Master, u.MasterKind, u.MTU, u.Up = name, "bond", b.MTU, true
			m.Uplinks[pci.Address(id)] = u
		}
		slices.SortFunc(b.Members, func(x, y Member) int { return strings.Compare(x.ID, y.ID) })
	}
	return nil
}

func (m *model) leave(b *Bond, id string) {
	b.Members = slices.DeleteFunc(b.Members, func(member Member) bool { return member.ID == id })
	if b.Primary != nil && *b.Primary == id {
		b.Primary = ptr("")
	}
	if u := m.Uplinks[pci.Address(id)]; u.Master == b.Name {
		u.Master, u.MasterKind = "", ""
		m.Uplinks[pci.Address(id)] = u
	}
}

// settle ends an act: what was down for a moment is up again, and what a mode does
// not have is not seen.
func (m *model) settle() {
	m.downed = map[string]bool{}
	for i := range m.Bonds {
		b := &m.Bonds[i]
		for _, a := range attributes {
			if f, ok := a.bond(b).(**string); ok && !a.in(b.Mode) {
				*f = nil
			}
			if f, ok := a.bond(b).(**int); ok && !a.in(b.Mode) {
				*f = nil
			}
		}
		b.LACPRate = map[bool]string{true: b.LACPRate}[b.Mode == mode8023ad]
		for name, value := range map[string]string{
			"xmit_hash_policy": "layer2", "ad_select": "stable", "min_links": "0", "updelay": "0", "downdelay": "0",
			"fail_over_mac": "none", "lacp_active": "on", "lacp_rate": "slow",
		} {
			if a := find(name); a.in(b.Mode) {
				if _, ok := get(a.bond(b)); !ok {
					set(a.bond(b), value)
				}
			}
		}
		if b.Primary == nil && find(attrPrimary).in(b.Mode) {
			b.Primary = ptr("")
		}
	}
	slices.SortFunc(m.Bonds, func(x, y Bond) int { return strings.Compare(x.Name, y.Name) })
}

func (m *model) apply(want []Spec, opt step.Options) error {
	r, err := Diff(m.State, Fill(want, Specs(m.State), nil), nil, opt)
	if err != nil {
		return err
	}
	for _, s := range r.Steps {
		if err := m.do(s); err != nil {
			return fmt.Errorf("%w; the plan:\n%v", err, r.Steps)
		}
	}
	m.settle()
	if r, err = Diff(m.State, Fill(want, Specs(m.State), nil), nil, opt); err != nil {
		return fmt.Errorf("the second plan: %w", err)
	}
	if len(r.Steps) > 0 {
		return fmt.Errorf("the second plan is %v", r.Steps)
	}
	return nil
}

// randomWant wants up to two bonds over three uplinks, each attribute or not.
func randomWant(r *rand.Rand) []Spec {
	uplinks := []string{port0, port1, "0002:3b:00.0"}
	r.Shuffle(len(uplinks), func(i, j int) { uplinks[i], uplinks[j] = uplinks[j], uplinks[i] })
	var want []Spec
	for _, name := range []string{"a", "b"}[:r.IntN(3)] {
		s := Spec{Name: name, MTU: maybe(r, 1500, 9000), Up: maybe(r, true, false), Mode: maybe(r, activeBackup, mode8023ad, "balance-rr")}
		if n := r.IntN(3); n > 0 {
			s.Members = append([]string{}, uplinks[:n-1]...)
			uplinks = uplinks[n-1:]
		}
		s.Miimon, s.MinLinks, s.XmitHashPolicy, s.ADSelect = maybe(r, 50, 100), maybe(r, 0, 2), maybe(r, "layer2", layer34), maybe(r, "stable", "count")
		s.UpDelay, s.DownDelay = maybe(r, 0, 200), maybe(r, 0, 300)
		if s.Miimon == nil {
			s.UpDelay, s.DownDelay = nil, nil // of a bond without link checks they are refused
		}
		if s.Mode != nil && *s.Mode == mode8023ad {
			s.LACPRate, s.LACPActive = maybe(r, "slow", "fast"), maybe(r, "on", "off")
		}
		if s.Mode != nil && *s.Mode == activeBackup {
			s.FailOverMAC = maybe(r, "none", "active")
			if len(s.Members) > 0 {
				s.Primary = maybe(r, "", s.Members[0])
			}
		}
		want = append(want, s)
	}
	return want
}

func maybe[T any](r *rand.Rand, of ...T) *T {
	if n := r.IntN(len(of) + 1); n < len(of) {
		return &of[n]
	}
	return nil
}

// Every plan converges, the second is empty, and the state of before comes back.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 13))
		m := &model{State{Uplinks: map[pci.Address]Uplink{}}, map[string]bool{}}
		for i, id := range []pci.Address{port0, port1, "0002:3b:00.0"} {
			m.Uplinks[id] = Uplink{Netdev: fmt.Sprintf("p%d", i), MTU: 1500}
		}
		opt := step.Options{Owner: "p"}
		for n := range 4 {
			want, before := randomWant(r), Specs(m.State)
			if err := m.apply(want, opt); err != nil {
				t.Fatalf("seed %d, walk %d to %s: %v", seed, n, inJSON(t, want), err)
			}
			if r.IntN(2) == 0 {
				continue
			}
			if err := m.apply(before, opt); err != nil {
				t.Fatalf("seed %d, walk %d back from %s to %s: %v", seed, n, inJSON(t, want), inJSON(t, before), err)
			}
			if got, want := inJSON(t, Specs(m.State)), inJSON(t, before); got != want {
				t.Fatalf("seed %d, walk %d: back is\n%s\nand was\n%s", seed, n, got, want)
			}
		}
	}
}
