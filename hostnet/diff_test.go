// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// The want is filled from what is there, as provision does.
func TestDiff(t *testing.T) {
	golden.Diff(t, func(have, want State, effects step.Effects, opt step.Options) (step.Result, error) {
		return Diff(have, Fill(want, have, effects), effects, opt)
	})
}

func stateOf(t *testing.T, name string) State {
	t.Helper()
	var s State
	golden.Read(t, filepath.Join("testdata/diff", name, "have.yaml"), &s)
	return s
}

// What is observed is wanted as it is, also through the journal.
func TestStateThroughTheJournal(t *testing.T) {
	for _, name := range []string{"bond-down", "uplink-goes-into-a-bond", "rollback-to-a-bridge", "vf-made-again"} {
		s := stateOf(t, name)
		a := resource.OfNetdev(pci.PF("0001:3b:00.0"))
		s.Move = map[resource.ID]resource.ID{a: resource.OfBond("bond0")}
		s.Absent = map[resource.ID][]string{a: {"address 192.0.2.1/24"}}
		for id, n := range s.Netdevs {
			for i := range n.Items {
				n.Items[i].Body = []byte{2, 24, 128, 0, byte(i)}
			}
			s.Netdevs[id] = n
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, back); d != "" {
			t.Errorf("%s (-before +after)\n%s", name, d)
		}
	}
}

func TestObserve(t *testing.T) {
	pf := pci.Address("0001:3b:00.0")
	s := &snapshot.Snapshot{
		Links: []rtlink.Link{
			{Index: 2, Name: "p0", Up: true, MTU: 9000, Master: 4},
			{Index: 4, Name: "vmbr0", Kind: "bridge"},
			{Index: 5, Name: "p0.70", Kind: "vlan", Lower: 2},
			{Index: 6, Name: "bond0", Kind: "bond", Bond: &rtlink.Bond{}},
		},
		Netdevs: []netdev.Link{{Index: 2, Name: "p0", Function: pci.PF(pf)}, {Index: 99, Name: "gone", Function: pci.VF(pf, 1)}},
		Entries: []rtnet.Entry{
			{Kind: rtnet.Address, Text: "192.0.2.1/24", Index: 2},
			{Kind: rtnet.Nexthop, Text: "id 1 group 2/3", Index: 5, Others: []int{6}},
			{Kind: rtnet.Route, Text: "default via 192.0.2.9", Index: 99},
			{Kind: rtnet.Address, Text: "2001:db8::1/64", Index: 2, Daemon: rtnet.Advertised},
		},
	}
	got := Observe(s)
	p0, br, vlan, bond := resource.OfNetdev(pci.PF(pf)), resource.OfLink("vmbr0"), resource.OfLink("p0.70"), resource.OfBond("bond0")
	want := State{Netdevs: map[resource.ID]Netdev{
		p0: {Name: "p0", Up: true, MTU: 9000, Master: br, MasterName: "vmbr0", MasterKind: "bridge", Items: []Item{
			{s.Entries[0], map[int]resource.ID{2: p0}}, {s.Entries[3], map[int]resource.ID{2: p0}},
		}},
		br: {Name: "vmbr0", Kind: "bridge"}, bond: {Name: "bond0", Kind: "bond"},
		vlan: {Name: "p0.70", Kind: "vlan", Lower: p0, Upper: &Upper{}, Items: []Item{{s.Entries[1], map[int]resource.ID{5: vlan, 6: bond}}}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	holders := []Holder{{netip.MustParseAddr("192.0.2.1"), p0, "p0"}, {netip.MustParseAddr("2001:db8::1"), p0, "p0"}}
	if d := cmp.Diff(holders, Holders(s), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("who has which address (-want +got)\n%s", d)
	}
	if hangs := got.Hangs(pf); !slices.Equal(hangs, []string{"address 192.0.2.1/24"}) {
		t.Errorf("what keeps it from a bond: %q", hangs)
	}
	if all := got.Addresses(pci.PF(pf)); !slices.Equal(all, []string{"192.0.2.1/24", "2001:db8::1/64"}) {
		t.Errorf("its addresses: %q", all)
	}
}

func TestKeepAndLay(t *testing.T) {
	s := stateOf(t, "bond-down")
	bond := resource.OfBond("bond0")
	if got := Keep(s, func(resource.ID, string) bool { return false }); len(got.Netdevs) != 0 {
		t.Errorf("what was not touched is kept: %+v", got)
	}
	kept := Keep(s, func(id resource.ID, attribute string) bool {
		return id == bond && attribute == "address 198.51.100.10/24"
	})
	if len(kept.Netdevs) != 1 || len(kept.Netdevs[bond].Items) != 1 || kept.Netdevs[bond].Up {
		t.Errorf("one address was touched: %+v", kept)
	}
	n := kept.Netdevs[bond]
	n.MTU, n.Items = 1234, []Item{{Entry: rtnet.Entry{Kind: rtnet.Address, Text: "192.0.2.77/24"}}}
	laid := s.Lay(State{Netdevs: map[resource.ID]Netdev{bond: n}})
	var on []string
	for _, i := range laid.Netdevs[bond].Items {
		on = append(on, i.attribute())
	}
	if len(laid.Netdevs) != len(s.Netdevs) || laid.Netdevs[bond].MTU != 1234 || len(on) != 6 || !slices.Contains(on, "address 192.0.2.77/24") || !slices.Contains(on, "address 198.51.100.10/24") || slices.Contains(on, "nexthop id 5") {
		t.Errorf("what was before does not count, or an address of another operation is lost: %+v", laid)
	}
	without := s.Without(map[resource.ID][]string{bond: {"address 198.51.100.10/24"}, resource.OfLink("none"): {"address 192.0.2.1/24"}})
	if without.Has(bond, "address 198.51.100.10/24") || !s.Has(bond, "address 198.51.100.10/24") || len(without.Netdevs) != len(s.Netdevs) {
		t.Errorf("what an operation touched is still there, or not in what that is made from: %+v", without)
	}
	if got := (State{}).Lay(State{}); got.Netdevs == nil || got.Absent == nil {
		t.Errorf("nothing laid on nothing: %+v", got)
	}
}

func TestTakeBack(t *testing.T) {
	s := stateOf(t, "uplink-goes-into-a-bond")
	a, bond := resource.OfNetdev(pci.PF("0001:3b:00.0")), resource.OfBond("bond0")
	s.Netdevs[bond] = Netdev{Name: "bond0", Items: []Item{{Entry: rtnet.Entry{Kind: rtnet.Address, Text: "198.51.100.10/24"}}}}
	got := s.TakeBack(a, bond).TakeBack(a, bond)
	want := []string{"address 2001:db8:51::10/64", "route 10.2.0.0/16 nexthop via 198.51.100.3 nexthop via 203.0.113.3", "route default via 198.51.100.1"}
	if d := cmp.Diff(want, got.Absent[bond]); d != "" {
		t.Errorf("what the bond had itself, and what is advertised, stays (-want +got)\n%s", d)
	}
	if s.Absent != nil {
		t.Error("the state that it is made from is changed")
	}
	if got := s.TakeBack(resource.OfLink("none"), bond); got.Absent != nil {
		t.Errorf("of nothing: %v", got.Absent)
	}
}

func TestSummary(t *testing.T) {
	bond, vf := resource.OfBond("bond0"), resource.OfNetdev(pci.VF("0001:3b:00.0", 1))
	have := stateOf(t, "bond-down")
	have.Netdevs[vf] = Netdev{Name: "v1"}
	down := step.Effect{Kind: step.Down, On: bond, For: step.Moment}
	got := Summary(step.Effects{
		down, down,
		{Kind: step.Remade, On: vf},
		{Kind: step.Gone, On: resource.OfLink("none")},
		step.Stop(bond, step.Moment, "all traffic over bond0"),
		{Kind: step.Down, On: vf, For: step.Apply},
		{Kind: step.Leaves, On: vf, From: bond},
		{Kind: step.Joins, On: vf, From: bond},
		{Kind: step.Gone, On: vf},
	}, have)
	golden.Text(t, "testdata/summary.txt", strings.Join(got, "\n")+"\n")
}

// A rollback that takes the last IPv4 address away puts back the routes that it leaves alone, which the kernel takes along.
func TestARollbackKeepsWhatItLeavesAlone(t *testing.T) {
	id := resource.OfNetdev(onePF)
	at := map[int]resource.ID{anywhere: id}
	address := Item{Entry: rtnet.NewAddress(netip.MustParsePrefix("192.0.2.10/24"), anywhere), Devices: at}
	route := Item{Entry: rtnet.NewRoute(rtnet.Way{To: netip.MustParsePrefix("198.51.100.0/24"), Table: 74}, anywhere), Devices: at}
	have := State{Netdevs: map[resource.ID]Netdev{id: {Name: "p0", Up: true, Items: []Item{address, route}}}}
	over := State{Netdevs: map[resource.ID]Netdev{id: {Name: "p0", Up: true}}, Unsaid: map[resource.ID][]string{id: {address.attribute()}}}
	r, err := Diff(have, Fill(over, have, nil), nil, step.Options{Only: func(resource.ID) bool { return true }})
	var lines []string
	for _, s := range r.Steps {
		lines = append(lines, s.String())
	}
	want := []string{id.String() + " address 192.0.2.10/24: present -> (none)", id.String() + " route 198.51.100.0/24 table 74: (unknown) -> present"}
	if !slices.Equal(lines, want) || err != nil {
		t.Errorf("%q, %v", lines, err)
	}
}
