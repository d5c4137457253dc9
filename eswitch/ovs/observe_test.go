// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"slices"
	"testing"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// A host with a bond in a bridge of Open vSwitch, one PF in a bridge of the kernel.
func someHost() *snapshot.Snapshot {
	return &snapshot.Snapshot{
		Links: []rtlink.Link{
			{Index: 1, Name: "ovs-system", Kind: kindOVS},
			{Index: 2, Name: "bond0", Kind: "bond", Bond: &rtlink.Bond{}, Master: 1},
			{Index: 3, Name: "p0", Master: 2},
			{Index: 4, Name: "p1", Master: 5},
			{Index: 5, Name: "vmbr0", Kind: "bridge"},
			{Index: 6, Name: "v0"},
			{Index: 7, Name: "r0", Master: 1},
		},
		Netdevs: []netdev.Link{
			{Name: "p0", Index: 3, Function: pci.PF("0001:3b:00.0")},
			{Name: "p1", Index: 4, Function: pci.PF("0001:3b:00.1")},
			{Name: "v0", Index: 6, Function: pci.VF("0001:3b:00.0", 0)},
			{Name: "r0", Index: 7, Function: pci.VF("0001:3b:00.0", 0), Representor: true},
		},
		OVS: snapshot.OVS{Running: true, CanIngress: true, Ingress: map[int]uint32{2: 2, 3: 2, 7: 0}, Rows: &ovsdb.Database{
			RootUUID: "o", Root: ovsdb.Columns{"bridges": ovsdb.UUID("b"), "other_config": ovsdb.Map(map[string]string{keyOffload: "true"})},
			Bridges: map[string]ovsdb.Columns{"b": {"name": ovsdb.Atom("br0"), "ports": ovsdb.Set(ovsdb.UUID("p"), ovsdb.UUID("q")), "controller": ovsdb.UUID("c"), "fail_mode": ovsdb.Atom("secure")}},
			Ports: map[string]ovsdb.Columns{
				"p": {"name": ovsdb.Atom("bond0"), "interfaces": ovsdb.UUID("i")},
				"q": {"name": ovsdb.Atom("r0"), "interfaces": ovsdb.UUID("j"), "external_ids": ovsdb.Map(map[string]string{keyMark: "host1", "a": "b"})},
			},
			Interfaces: map[string]ovsdb.Columns{"i": {"name": ovsdb.Atom("bond0"), "ofport": ovsdb.Atom(1)}, "j": {"name": ovsdb.Atom("r0"), "ofport": ovsdb.Atom(2)}},
			Mirrors:    map[string]ovsdb.Columns{"m": {"name": ovsdb.Atom("tap"), "output_port": ovsdb.UUID("q")}},
		}},
	}
}

func TestObserve(t *testing.T) {
	s := Observe(someHost())
	if len(s.Masters) != 2 || s.Masters["pci/0001:3b:00.1"] != (Master{"vmbr0", "bridge"}) || s.Masters["pci/0001:3b:00.0"] != (Master{"bond0", "bond"}) {
		t.Errorf("masters %v", s.Masters)
	}
	b := s.Bridges[0]
	if len(b.Rest) != 1 || b.Rest.String("fail_mode") != "secure" || len(b.Ports) != 2 {
		t.Errorf("bridge %+v", b)
	}
	bond, rep := b.Ports[0], b.Ports[1]
	if bond.ID != "bond/bond0" || !slices.Equal(bond.Over, []string{"pci/0001:3b:00.0"}) || bond.Unhooked != nil || bond.Owner != "" {
		t.Errorf("bond %+v", bond)
	}
	if rep.ID != "pci/0001:3b:00.0/vf/0" || rep.Owner != "host1" || !slices.Equal(rep.Mirrors, []string{"tap"}) || rep.Rest == nil || rep.Rest.Port.Map("external_ids")["a"] != "b" || len(rep.Rest.Port.Map("external_ids")) != 1 {
		t.Errorf("representor %+v", rep)
	}
}

func TestObserveFindsLostQdiscs(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*snapshot.OVS)
		bond  []string
		rep   []string
	}{
		{"all are there", func(*snapshot.OVS) {}, nil, nil},
		{"of a representor", func(o *snapshot.OVS) { delete(o.Ingress, 7) }, nil, []string{"r0"}},
		{"of a member", func(o *snapshot.OVS) { delete(o.Ingress, 3) }, []string{"p0"}, nil},
		{"of the bond and all", func(o *snapshot.OVS) { clear(o.Ingress) }, []string{"bond0"}, []string{"r0"}},
		{"the bond shares no block", func(o *snapshot.OVS) { o.Ingress = map[int]uint32{2: 0, 7: 0} }, nil, nil},
		{"the kernel has none", func(o *snapshot.OVS) { clear(o.Ingress); o.CanIngress = false }, nil, nil},
		{"nothing is offloaded", func(o *snapshot.OVS) { clear(o.Ingress); o.Rows.Root["other_config"] = ovsdb.Map(nil) }, nil, nil},
	} {
		host := someHost()
		c.spoil(&host.OVS)
		s := Observe(host)
		if got := s.Bridges[0].Ports; !slices.Equal(got[0].Unhooked, c.bond) || !slices.Equal(got[1].Unhooked, c.rep) {
			t.Errorf("%s: %v, %v", c.name, got[0].Unhooked, got[1].Unhooked)
		}
	}
}

func TestObserveWithoutSwitch(t *testing.T) {
	host := someHost()
	host.OVS = snapshot.OVS{Reason: "it is not running", Unread: true}
	if s := Observe(host); s.Running || !s.Unread || s.Reason != "it is not running" || len(s.Masters) != 2 {
		t.Errorf("got %+v", s)
	}
	host = someHost()
	host.OVS.Stopped = "it does not answer"
	if s := Observe(host); !s.Running || s.Stopped != "it does not answer" {
		t.Errorf("got %+v", s)
	}
}
