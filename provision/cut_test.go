// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/journal"
)

var (
	up0   = resource.OfNetdev(pci.PF(pf0))
	up1   = resource.OfNetdev(pci.PF(pf1))
	vf0   = pci.VF(pf0, 0)
	bond0 = resource.OfBond("bond0")
	vlan7 = resource.OfLink("bond0.7")
	vmbr  = resource.OfLink("vmbr0")
	brex  = resource.OfLink("br-ex")
	mgmt  = resource.OfLink("eno1")
)

// manyFloors has a VLAN and a bridge over a bond of the card's ports, a VF, a bridge of Open vSwitch over the second
// port with an internal port, and a netdev of the board.
func manyFloors() *Host {
	tag := 7
	return &Host{
		Net: hostnet.State{Netdevs: map[resource.ID]hostnet.Netdev{
			up0:                        {Name: "eth0", Master: bond0},
			bond0:                      {Name: "bond0", Kind: "bond", Master: vmbr},
			vmbr:                       {Name: "vmbr0", Kind: "bridge"},
			vlan7:                      {Name: "bond0.7", Kind: "vlan", Lower: bond0},
			up1:                        {Name: "eth1"},
			resource.OfNetdev(vf0):     {Name: "eth2"},
			brex:                       {Name: "br-ex", Kind: "openvswitch"},
			resource.OfLink("mgmt0"):   {Name: "mgmt0", Kind: "openvswitch"},
			resource.OfLink("br-none"): {Name: "br-none", Kind: "openvswitch"},
			mgmt:                       {Name: "eno1"},
		}},
		Switch: &ovs.State{Bridges: []ovs.BridgeState{
			{Name: "br-ex", Ports: []ovs.PortState{{ID: pci.PF(pf1).String(), Name: "eth1"}, {ID: "port/mgmt0", Name: "mgmt0", Tag: &tag}}},
			{Name: "br-none"},
		}},
	}
}

func TestCuts(t *testing.T) {
	effect := func(k step.EffectKind, on resource.ID) []step.Effect {
		return []step.Effect{{Kind: k, On: on, For: step.Moment}}
	}
	stopped := []step.Effect{step.Stop(resource.OfFunction(pci.PF(pf0)), step.Apply, "all traffic of all VFs of the port")}
	for name, c := range map[string]struct {
		through resource.ID
		effects []step.Effect
		on      resource.ID // zero: it is not cut off
	}{
		"itself":                           {mgmt, effect(step.Down, mgmt), mgmt},
		"another netdev":                   {mgmt, effect(step.Down, up0), resource.ID{}},
		"it has to be free of TC rules":    {mgmt, effect(step.LetGo, mgmt), resource.ID{}},
		"a member of the bond":             {bond0, effect(step.Reset, up0), up0},
		"a member, below a VLAN":           {vlan7, effect(step.Leaves, up0), up0},
		"a member, below a bridge":         {vmbr, effect(step.Remade, up0), up0},
		"the bond, below a bridge":         {vmbr, effect(step.Stops, bond0), bond0},
		"the bridge above is not below":    {bond0, effect(step.Down, vmbr), resource.ID{}},
		"a VLAN beside is not below":       {vmbr, effect(step.Gone, vlan7), resource.ID{}},
		"the other port":                   {vlan7, effect(step.Joins, up1), resource.ID{}},
		"the VFs of its port":              {vlan7, stopped, resource.ID{}},
		"the netdev joins":                 {up1, effect(step.Joins, up1), up1},
		"a VF that is unbound":             {resource.OfNetdev(vf0), append(effect(step.Unbound, resource.OfFunction(vf0)), effect(step.Stops, resource.OfFunction(vf0))...), resource.OfFunction(vf0)},
		"a VF's representor":               {resource.OfNetdev(vf0), effect(step.Gone, resource.OfRepresentor(vf0)), resource.OfRepresentor(vf0)},
		"a port of its Open vSwitch":       {brex, effect(step.Reset, up1), up1},
		"a port, below an internal port":   {resource.OfLink("mgmt0"), effect(step.Stops, up1), up1},
		"the bridge of Open vSwitch":       {brex, effect(step.Stops, resource.OfBridge("br-ex")), resource.OfBridge("br-ex")},
		"a port of another Open vSwitch":   {resource.OfLink("br-none"), effect(step.Reset, up1), resource.ID{}},
		"a netdev that the look had not":   {resource.OfLink("late0"), effect(step.Down, resource.OfLink("late0")), resource.OfLink("late0")},
		"a step that has no effect at all": {mgmt, nil, resource.ID{}},
	} {
		p := &Plan{Steps: []step.Step{{Resource: resource.OfSwitch(), Attribute: "x"}, {Resource: bond0, Attribute: "mode", Effects: c.effects}}}
		cuts := p.Cuts(manyFloors(), []Way{{"the ssh session from 192.0.2.7", c.through}})
		if c.on.IsZero() {
			if len(cuts) > 0 {
				t.Errorf("%s: %+v", name, cuts)
			}
			continue
		}
		if len(cuts) != 1 || cuts[0].On != c.on || cuts[0].Step.Attribute != "mode" {
			t.Errorf("%s: %+v, want one on %s", name, cuts, c.on)
		}
	}
}

func TestCutOffNamesTheSessionTheNetdevAndTheStep(t *testing.T) {
	s := step.Step{Resource: bond0, Attribute: "mode", From: step.Text("active-backup"), To: step.Text("802.3ad"), Effects: []step.Effect{{Kind: step.Down, On: bond0, For: step.Moment}}}
	p := &Plan{Steps: []step.Step{s}}
	err := &CutOffError{journal.Apply, p.Cuts(manyFloors(), []Way{{"the ssh session from 192.0.2.7", vlan7}, {"the default route (default via 192.0.2.1)", bond0}})}
	for _, w := range []string{
		"the ssh session from 192.0.2.7 goes through link/bond0.7, over bond/bond0: bond/bond0 goes down, for a moment (step bond/bond0 mode: active-backup -> 802.3ad)",
		"the default route (default via 192.0.2.1) goes through bond/bond0: ", "--confirm", "--yes-cut-me-off", "nothing was changed",
	} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("it does not say %q:\n%v", w, err)
		}
	}
}

func TestCutOffByARollbackOffersNoConfirm(t *testing.T) {
	if err := (&CutOffError{Kind: journal.Rollback}); strings.Contains(err.Error(), "--confirm") || !strings.Contains(err.Error(), "--yes-cut-me-off") {
		t.Errorf("%v", err)
	}
}

func TestDefaultWays(t *testing.T) {
	route := func(dst, table byte, index int) rtnet.Entry {
		b := make([]byte, unix.SizeofRtMsg)
		b[0], b[1], b[4], b[7] = unix.AF_INET, dst, table, unix.RTN_UNICAST
		return rtnet.Entry{Kind: rtnet.Route, Text: "default via 192.0.2.1", Index: index, Family: unix.AF_INET, Body: b}
	}
	both := route(0, unix.RT_TABLE_MAIN, 3)
	both.Others = []int{4}
	h := manyFloors()
	put := func(id resource.ID, e rtnet.Entry) {
		n := h.Net.Netdevs[id]
		n.Items = append(n.Items, hostnet.Item{Entry: e, Devices: map[int]resource.ID{3: bond0, 4: mgmt}})
		h.Net.Netdevs[id] = n
	}
	put(up1, route(24, unix.RT_TABLE_MAIN, 0))
	put(vlan7, route(0, 100, 0))
	put(brex, rtnet.Entry{Kind: rtnet.Address})
	put(bond0, both)
	ways := defaultWays(h.Net)
	if len(ways) != 2 || ways[0].Netdev != bond0 || ways[1].Netdev != mgmt || !strings.Contains(ways[0].Whose, "default via 192.0.2.1") {
		t.Errorf("%+v", ways)
	}
}

func TestWayToAPeer(t *testing.T) {
	r := &Road{Have: *manyFloors()}
	ways, err := r.Ways(netip.MustParseAddr("127.0.0.1"))
	if err != nil || len(ways) != 1 || ways[0].Netdev != resource.OfLink("lo") || ways[0].Whose != "the ssh session from 127.0.0.1" {
		t.Errorf("%+v, %v", ways, err)
	}
	if ways, err = r.Ways(netip.Addr{}); err != nil || len(ways) != 0 {
		t.Errorf("without a session: %+v, %v", ways, err)
	}
}
