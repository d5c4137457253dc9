// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) {
	golden.Diff(t, Diff)
}

// Rollback is an apply of what was observed: to the state itself there is
// nothing to do.
func TestSpecOfStateIsNoStep(t *testing.T) {
	states := []State{
		{
			Name: "bond0", Mode: "802.3ad", XmitHashPolicy: "layer3+4", LACPRate: "fast", Miimon: 100, MTU: 9000, Up: true,
			Members: []Member{{ID: "0001:3b:00.0"}, {ID: "0001:3b:00.1"}}, LAG: LAG{State: LAGActive, Type: LAGSwitchdev},
		},
		{Name: "bond1", Mode: "active-backup", XmitHashPolicy: "layer2", MTU: 1500, Members: []Member{{ID: "netdev:eno1"}}, LAG: LAG{State: LAGUnknown}},
		{Name: "bond2", Mode: "balance-rr", XmitHashPolicy: "layer2", MTU: 1500, Ours: true, LAG: LAG{State: LAGDisabled}},
	}
	var want []Spec
	for _, s := range states {
		want = append(want, s.Spec())
	}
	steps, err := Diff(states, want, nil)
	if err != nil || len(steps) != 0 {
		t.Errorf("got %v, %v", steps, err)
	}
	// And from nothing, everything is made again.
	steps, err = Diff(nil, want[:1], nil)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for _, s := range steps {
		set[s.Attribute] = s.To
	}
	for a, v := range map[string]string{attrMode: "802.3ad", attrMembers: "0001:3b:00.0,0001:3b:00.1", attrMTU: "9000", attrLAG: "active", attrUp: "up"} {
		if set[a] != v {
			t.Errorf("%s: got %q, want %q", a, set[a], v)
		}
	}
}

func TestStepsOfOneBondAreOneAct(t *testing.T) {
	mode, lag := "802.3ad", true
	steps, err := Diff(nil, []Spec{{Name: "b0", Mode: &mode, LAG: &lag}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if (s.Phase == step.Bond) != (s.Group == "bond/b0") {
			t.Errorf("%v has the group %q", s, s.Group)
		}
	}
}

func TestValidate(t *testing.T) {
	lacp, backup, fast := "802.3ad", "active-backup", "fast"
	if err := (Spec{Name: "b", Mode: &backup, LACPRate: &fast}).Validate(); err == nil {
		t.Error("lacp_rate without LACP is accepted")
	}
	if err := (Spec{Name: "b", Mode: &lacp, LACPRate: &fast}).Validate(); err != nil {
		t.Error(err)
	}
}
