// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) {
	golden.Diff(t, Diff)
}

// A checkpoint is saved as JSON: what it says has to survive that, the trunk of
// all VLANs (an empty list) above all.
func TestSpecSurvivesJSON(t *testing.T) {
	const id = "pci/0001:3b:00.0/vf/0"
	port := PortState{Name: "r0", Interface: "r0", ID: id, Ours: true, Netdev: "r0", OFPort: 1}
	before := State{Running: true, Bridges: []BridgeState{{Name: "br0", Ours: true, Ports: []PortState{port}}}}
	b, err := json.Marshal(before.Spec())
	if err != nil {
		t.Fatal(err)
	}
	var want Spec
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if steps, err := Diff(&before, &want, nil); err != nil || len(steps) != 0 {
		t.Errorf("to itself: %v, %v", steps, err)
	}
	tag := 100
	port.Tag = &tag
	after := State{Running: true, Bridges: []BridgeState{{Name: "br0", Ours: true, Ports: []PortState{port}}}}
	steps, err := Diff(&after, &want, nil)
	if err != nil || len(steps) != 1 || steps[0].From != "access 100" || steps[0].To != "trunk" {
		t.Errorf("rollback: %v, %v (from %s)", steps, err, b)
	}
}

// FuzzAssemble gives assemble tables as OVSDB may answer them, dangling
// references and all: whatever comes, the State's own Spec asks for nothing but
// to attach again what is not attached.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte(`{"Root":{"UUID":"o","Bridges":["b","x"],"OtherConfig":{"hw-offload":"true"}},
		"Bridges":{"b":{"UUID":"b","Name":"br0","Ports":["p","q","l"],"ExternalIDs":{"nicwright":"1"}}},
		"Ports":{"p":{"UUID":"p","Name":"r0","Interfaces":["i"],"Tag":5,"ExternalIDs":{"nicwright":"1","nicwright-function":"pci/0001:3b:00.0/vf/0"}},
		"q":{"UUID":"q","Name":"bond0","Interfaces":["i","j"],"Trunks":[3,2]},"l":{"UUID":"l","Name":"br0"}},
		"Interfaces":{"i":{"UUID":"i","Name":"r0","OFPort":1}}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r rows
		if json.Unmarshal(b, &r) != nil {
			return
		}
		n := names{
			ids:     map[string]string{"r0": "pci/0001:3b:00.0/vf/0", "bond0": "bond/bond0"},
			netdevs: map[string]string{"pci/0001:3b:00.0/vf/0": "r0", "bond/bond0": "bond0"},
		}
		s := assemble(r, n)
		want := s.Spec()
		steps, err := Diff(&s, &want, nil)
		if err != nil {
			return // two rows for one identity, two bridges of one name: refused in words
		}
		for _, st := range steps {
			if st.Phase != step.Switch || st.Attribute != attrPort || st.From != "" || st.To == "" || st.Reason == "" {
				// A port of ours that stands for nothing nameable is not in Spec, so it goes.
				if st.To == "" && unnameable(s, st.Resource) {
					continue
				}
				t.Errorf("%+v from %s", st, b)
			}
		}
	})
}

func unnameable(s State, resource string) bool {
	for _, b := range s.Bridges {
		for _, p := range b.Ports {
			if portResource(b.Name, p.ID) == resource {
				_, err := pci.ParseFunction(p.ID)
				return err != nil
			}
		}
	}
	return false
}
