// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

const rep0 = "pci/0001:3b:00.0/vf/0"

// someRows are a foreign bridge with a port on the uplink p0, and one of ours with a
// port that was made when the representor was called old0.
func someRows(t *testing.T) *ovsdb.Database {
	t.Helper()
	d := new(ovsdb.Database)
	err := json.Unmarshal([]byte(`{"RootUUID":"o","Root":{"bridges":["set",[["uuid","b0"],["uuid","b1"]]],"other_config":["map",[["hw-offload","true"]]]},
		"Bridges":{"b0":{"name":"br-ex","ports":["uuid","p0"],"external_ids":["map",[["nicwright-away:`+rep0+`","trunk"]]]},
			"b1":{"name":"br0","ports":["uuid","p1"],"external_ids":["map",[["nicwright","me"]]]}},
		"Ports":{"p0":{"name":"p0","interfaces":["uuid","i0"],"tag":10,"vlan_mode":"native-untagged","trunks":["set",[10,100]]},
			"p1":{"name":"old0","interfaces":["uuid","i1"],"external_ids":["map",[["nicwright","me"],["nicwright-function","`+rep0+`"]]]}},
		"Interfaces":{"i0":{"name":"p0","ofport":4},"i1":{"name":"old0","ofport":-1}}}`), d)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var someNames = names{
	ids:     map[string]string{"p0": "pci/0001:3b:00.0", "r0": rep0},
	netdevs: map[string]string{"pci/0001:3b:00.0": "p0", rep0: "r0"},
	index:   map[string]int{"pci/0001:3b:00.0": 4, rep0: 9},
}

func sw(id resource.ID, attribute string, from, to step.Value) step.Step {
	return step.Step{Phase: step.Switch, Domain: Domain, Resource: id, Attribute: attribute, From: from, To: to}
}

func TestTransaction(t *testing.T) {
	none, uplinkPort, repPort := step.Absent(), resource.OfSwitchPort("br-ex", "pci/0001:3b:00.0"), resource.OfSwitchPort("br0", rep0)
	for _, c := range []struct {
		name  string
		steps []step.Step
		has   []string // each in one operation
		ops   int      // beside next_cfg's two
	}{
		{"nothing is to be done", []step.Step{
			sw(resource.OfSwitch(), attrOffload, none, step.Text("true")),
			sw(uplinkPort, attrVLAN, none, step.Text("native-untagged 10 trunks 10,100")),
		}, nil, 0},
		{
			"hw-offload is unset again",
			[]step.Step{sw(resource.OfSwitch(), attrOffload, step.Text("true"), none)},
			[]string{`"mutations":[["other_config","delete",["set",["hw-offload"]]]]`},
			1,
		},
		{
			"a port is taken off and noted",
			[]step.Step{sw(uplinkPort, attrOnPort, step.Text("native-untagged 10 trunks 10,100 ofport 4"), none)},
			[]string{`"insert",["map",[["nicwright-away:pci/0001:3b:00.0","native-untagged 10 trunks 10,100 ofport 4"]]]`, `"op":"wait"`, `["ports","delete",["set",[["uuid","p0"]]]]`},
			3,
		},
		{"a port is taken off for good", []step.Step{sw(uplinkPort, AttrPort, step.Text("x"), none)}, []string{`"op":"wait"`, `["ports","delete",["set",[["uuid","p0"]]]]`}, 2},
		{
			"a note is dropped",
			[]step.Step{sw(resource.OfSwitchPort("br-ex", rep0), AttrPort, step.Text("trunk"), none)},
			[]string{`["external_ids","delete",["set",["nicwright-away:` + rep0 + `"]]]`},
			1,
		},
		{
			"a port is put back as it was",
			[]step.Step{sw(resource.OfSwitchPort("br-ex", rep0), attrOnPort, none, step.Text(`tag 7 ofport 3 with {"port":{"external_ids":["map",[["a","b"]]],"qos":["uuid","q"]},"interfaces":[{"mtu_request":9000}]}`))},
			[]string{`"external_ids":["map",[["a","b"]]]`, `"qos":["uuid","q"]`, `"mtu_request":9000,"name":"r0","ofport_request":3`, `"tag":7`, `"vlan_mode":["set",[]]`, `["external_ids","delete",["set",["nicwright-away:` + rep0 + `"]]]`},
			5,
		},
		{
			"a port is on a netdev of another name",
			[]step.Step{sw(repPort, attrOnPort, step.Unknown(), step.Text("access 5 owner me"))},
			[]string{`"name":"r0"`, `[["nicwright","me"],["nicwright-function","` + rep0 + `"]]`, `["ports","delete",["set",[["uuid","p1"]]]]`, `["ports","insert",["set",[["named-uuid","row2"]]]]`},
			5,
		},
		{
			"a port changes its owner",
			[]step.Step{sw(repPort, step.AttrMark, step.Text("me"), step.Text(step.NoOwner))},
			[]string{`["external_ids","insert",["map",[["nicwright","1"],["nicwright-function","` + rep0 + `"]]]]`},
			1,
		},
		{
			"a bridge is made with its columns",
			[]step.Step{sw(resource.OfBridge("br9"), AttrBridge, none, step.Text(`owner me with {"port":{"fail_mode":"secure"}}`))},
			[]string{`"fail_mode":"secure"`, `"type":"internal"`, `["bridges","insert"`},
			5,
		},
		{"a bridge of ours goes", []step.Step{sw(resource.OfBridge("br0"), AttrBridge, step.Text("owner me"), none)}, []string{`["bridges","delete",["set",[["uuid","b1"]]]]`}, 2},
		{
			"a bond of Open vSwitch's own",
			[]step.Step{sw(resource.OfSwitchPort("br-ex", "port/bo"), attrOnPort, none,
				step.Text(`trunk with {"port":{"bond_mode":"balance-slb","name":"bo"},"interfaces":[{"name":"was"},{"name":"eth9"}],"of":["`+rep0+`",""]}`))},
			[]string{`"name":"r0"`, `"name":"eth9"`, `"name":"bo"`, `"interfaces":["set",[["named-uuid","row1"],["named-uuid","row2"]]]`},
			5,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := parseEdits(c.steps)
			if err != nil {
				t.Fatal(err)
			}
			tr, err := newTransaction(someRows(t), e, someNames)
			if err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(tr.ops)
			if err != nil {
				t.Fatal(err)
			}
			if len(tr.ops) != c.ops+2 {
				t.Errorf("%d operations, want %d", len(tr.ops), c.ops+2)
			}
			for _, want := range c.has {
				if !strings.Contains(string(b), want) {
					t.Errorf("no %s in\n%s", want, b)
				}
			}
			if t.Failed() {
				t.Logf("%s", b)
			}
		})
	}
}

func TestForeignBridgeIsNotDeleted(t *testing.T) {
	e, err := parseEdits([]step.Step{sw(resource.OfBridge("br-ex"), AttrBridge, step.Text("owner me"), step.Absent())})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newTransaction(someRows(t), e, someNames); err == nil || !strings.Contains(err.Error(), "ovs-vsctl del-br br-ex") {
		t.Errorf("got %v", err)
	}
}

func TestStepsThatAreNotOurs(t *testing.T) {
	for _, s := range []step.Step{
		sw(resource.OfSwitch(), "colour", step.Absent(), step.Text("red")),
		sw(resource.OfBridge("br0"), "colour", step.Absent(), step.Text("red")),
		sw(resource.OfBridge("br0"), AttrBridge, step.Absent(), step.Text("red")),
		sw(resource.OfSwitchPort("br0", rep0), "colour", step.Absent(), step.Text("red")),
		sw(resource.OfSwitchPort("br0", rep0), AttrPort, step.Absent(), step.Text("red")),
		sw(resource.OfSwitchPort("br0", rep0), attrVLAN, step.Absent(), step.Text("red")),
		sw(resource.OfSwitchPort("br0", rep0), attrVLAN, step.Absent(), step.Text("access 5 owner me")),
		sw(resource.OfBond("bond0"), "mode", step.Absent(), step.Text("red")),
	} {
		if _, err := parseEdits([]step.Step{s}); err == nil {
			t.Errorf("%s is done", s)
		}
	}
}

func TestUnattached(t *testing.T) {
	w := &watcher{byName: map[string]ovsdb.Columns{
		"waits":  {"name": ovsdb.Atom("waits")},
		"broken": {"ofport": ovsdb.Atom(-1), "error": ovsdb.Atom("no such device")},
		"r0":     {"ofport": ovsdb.Atom(3), "ifindex": ovsdb.Atom(8)},
		"p0":     {"ofport": ovsdb.Atom(3), "ifindex": ovsdb.Atom(4)},
	}}
	for _, c := range []struct{ name, id, waits, fails string }{
		{"waits", "bond/waits", "no ofport yet", ""},
		{"broken", "bond/broken", "", "cannot attach it: no such device"},
		{"gone", "bond/gone", "", "vanished from the database"},
		{"r0", rep0, "is on ifindex 8, and the netdev has 9", ""},
		{"p0", "pci/0001:3b:00.0", "", ""},
	} {
		why, err := w.unattached(c.name, c.id, someNames)
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) || !strings.Contains(why, c.waits) || c.waits == "" && why != "" {
			t.Errorf("%s: %q, %v", c.name, why, err)
		}
	}
}

// A name may be given on from one row to another in one update, in any order.
func TestWatcherSees(t *testing.T) {
	w := &watcher{byName: map[string]ovsdb.Columns{"r0": {}}, names: map[string]string{"old": "r0"}}
	w.see([]ovsdb.Event{
		{Table: ovsdb.TableInterface, UUID: "new", Row: ovsdb.Columns{"name": ovsdb.Atom("r0"), "ofport": ovsdb.Atom(5)}},
		{Table: ovsdb.TableInterface, UUID: "old"},
		{Table: ovsdb.TableRoot, UUID: "o", Row: ovsdb.Columns{"cur_cfg": ovsdb.Atom(7)}},
	})
	if w.cur != 7 || *w.byName["r0"].Int("ofport") != 5 || len(w.names) != 1 {
		t.Errorf("%+v", w)
	}
}
