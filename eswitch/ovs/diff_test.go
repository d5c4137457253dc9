// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) {
	golden.Diff(t, Diff)
}

func ptr[T any](v T) *T { return &v }

// The journal is JSON: what it says has to survive that, the trunk of all VLANs
// (an empty list) above all.
func TestSpecSurvivesJSON(t *testing.T) {
	const id = "pci/0001:3b:00.0/vf/0"
	port := PortState{Name: "r0", Interface: "r0", ID: id, Owner: "me", Netdev: "r0", OFPort: 1}
	before := State{Running: true, Bridges: []BridgeState{{Name: "br0", Owner: "me", Ports: []PortState{port}}}}
	b, err := json.Marshal(SpecOf(&before))
	if err != nil {
		t.Fatal(err)
	}
	var want Spec
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if r, err := Diff(&before, &want, nil, step.Options{Owner: "me"}); err != nil || len(r.Steps) != 0 {
		t.Errorf("to itself: %v, %v", r.Steps, err)
	}
	port.Tag = ptr(100)
	after := State{Running: true, Bridges: []BridgeState{{Name: "br0", Owner: "me", Ports: []PortState{port}}}}
	r, err := Diff(&after, &want, nil, step.Options{Owner: "me"})
	if err != nil || len(r.Steps) != 1 || r.Steps[0].From.Str() != "tag 100" || r.Steps[0].To.Str() != "trunk" {
		t.Errorf("rollback: %v, %v (from %s)", r.Steps, err, b)
	}
}

// What version 1 wrote into its checkpoints is still rolled back to.
func TestVersion1StateIsRead(t *testing.T) {
	var s State
	err := json.Unmarshal([]byte(`{"running":true,"hw-offload":true,"bridges":[{"name":"br0","ours":true,"ports":[
		{"name":"r0","interface":"r0","id":"pci/0001:3b:00.0/vf/0","ours":true,"netdev":"r0","tag":7,"vlan_mode":"access","ofport":2}]}]}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	spec := SpecOf(&s)
	if spec.Bridges[0].Owner != step.NoOwner || spec.Bridges[0].Ports[0].Owner != step.NoOwner || *spec.Bridges[0].Ports[0].Tag != 7 {
		t.Errorf("got %+v", spec)
	}
}

func touching(ids map[string]string) func(resource.ID, string) bool {
	return func(id resource.ID, attribute string) bool { return ids[id.String()] == attribute }
}

func TestKeepHasOnlyWhatWasTouched(t *testing.T) {
	spec := &Spec{HWOffload: ptr(true), Bridges: []Bridge{
		{Name: "br0", Exact: true, Ports: []Port{
			{Name: "made", VF: "pci/0001:3b:00.0/vf/0", Exact: true},
			{Name: "changed", VF: "pci/0001:3b:00.0/vf/1", Exact: true},
			{Name: "detached", VF: "pci/0001:3b:00.0/vf/2", Exact: true},
		}},
		{Name: "br1", Exact: true},
	}}
	kept := Keep(spec, touching(map[string]string{
		"ovs/br0/pci/0001:3b:00.0/vf/0": AttrPort, "ovs/br0/pci/0001:3b:00.0/vf/1": attrVLAN, "ovs/br0/pci/0001:3b:00.0/vf/2": attrOnPort,
	}))
	if kept.HWOffload != nil || len(kept.Bridges) != 1 || !kept.Bridges[0].IfThere {
		t.Fatalf("kept %+v", kept)
	}
	p := kept.Bridges[0].Ports
	if len(p) != 2 || p[0].Name != "made" || p[0].IfThere || p[1].Name != "changed" || !p[1].IfThere {
		t.Errorf("kept %+v", p)
	}
	if kept := Keep(spec, touching(nil)); kept != nil {
		t.Errorf("of an operation that touched nothing: %+v", kept)
	}
}

func TestLayTakesAwayWhatTheOperationMade(t *testing.T) {
	base := &Spec{Bridges: []Bridge{
		{Name: "mine", Ports: []Port{{Name: "a", VF: "pci/0001:3b:00.0/vf/0"}}},
		{Name: "other", Ports: []Port{{Name: "b", VF: "pci/0001:3b:00.0/vf/1"}, {Name: "c", Bond: "bond0"}}},
	}}
	over := &Spec{Bridges: []Bridge{{Name: "other", Ports: []Port{{Name: "a", VF: "pci/0001:3b:00.0/vf/0", Tag: ptr(5)}}}}}
	laid := Lay(over, base, touching(map[string]string{"ovs/mine": AttrBridge, "ovs/other/bond/bond0": AttrPort}))
	if len(laid.Bridges) != 1 || laid.Bridges[0].Name != "other" {
		t.Fatalf("got %+v", laid)
	}
	var names []string
	for _, p := range laid.Bridges[0].Ports {
		names = append(names, p.Name)
	}
	if !reflect.DeepEqual(names, []string{"a", "b"}) || laid.Bridges[0].Ports[0].Tag == nil {
		t.Errorf("ports %v", names)
	}
}

// FuzzAssemble gives assemble tables as OVSDB may answer them, dangling
// references and all: whatever comes, the State's own Spec asks for nothing but
// to attach again what is not attached.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte(`{"Root":{"bridges":["set",[["uuid","b"],["uuid","x"]]],"other_config":["map",[["hw-offload","true"]]]},
		"Bridges":{"b":{"name":"br0","ports":["set",[["uuid","p"],["uuid","q"],["uuid","l"]]],"external_ids":["map",[["nicwright","1"]]]}},
		"Ports":{"p":{"name":"r0","interfaces":["uuid","i"],"tag":5,"external_ids":["map",[["nicwright","1"],["nicwright-function","pci/0001:3b:00.0/vf/0"]]]},
		"q":{"name":"bond0","interfaces":["set",[["uuid","i"],["uuid","j"]]],"trunks":["set",[3,2]]},"l":{"name":"br0"}},
		"Interfaces":{"i":{"name":"r0","ofport":1}}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r ovsdb.Database
		if json.Unmarshal(b, &r) != nil || r.Root == nil {
			return
		}
		n := names{
			ids:     map[string]string{"r0": "pci/0001:3b:00.0/vf/0", "bond0": "bond/bond0"},
			netdevs: map[string]string{"pci/0001:3b:00.0/vf/0": "r0", "bond/bond0": "bond0"},
		}
		s := assemble(&r, n)
		result, err := Diff(&s, SpecOf(&s), nil, step.Options{Owner: "me"})
		if err != nil {
			return // two rows for one identity, two bridges of one name, a mode that nobody knows: refused in words
		}
		for _, st := range result.Steps {
			if st.Phase != step.Switch || st.Attribute != attrOnPort || st.To.IsAbsent() || st.Reason == "" {
				// A port of ours that stands for nothing nameable is not in Spec, so it goes.
				if st.To.IsAbsent() && unnameable(s, st.Resource) {
					continue
				}
				t.Errorf("%+v from %s", st, b)
			}
		}
	})
}

func unnameable(s State, id resource.ID) bool {
	for _, b := range s.Bridges {
		for _, p := range b.Ports {
			if resource.OfSwitchPort(b.Name, p.ID) == id {
				_, err := pci.ParseFunction(p.ID)
				return err != nil
			}
		}
	}
	return false
}
