// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) {
	golden.Diff(t, Diff)
}

func strs(s ...string) []string { return s }

func busy() Bond {
	return Bond{
		Name: "bond0", Mode: "802.3ad", XmitHashPolicy: "layer3+4", LACPRate: "fast", Miimon: 100, UpDelay: ptr(200), MinLinks: ptr(1),
		ADActorSysPrio: ptr(65535), MTU: 9000, Up: true,
		Members: []Member{{ID: port0, MTU: 9000, Up: true}, {ID: port1, MTU: 9000, Up: true}}, LAG: LAG{State: LAGActive, Type: LAGSwitchdev},
	}
}

// Rollback is an apply of what was observed: to the state itself there is
// nothing to do.
func TestSpecOfStateIsNoStep(t *testing.T) {
	have := State{Bonds: []Bond{
		busy(),
		{Name: "bond1", Mode: "active-backup", XmitHashPolicy: "layer2", Primary: ptr(""), MTU: 1500, Members: []Member{{ID: "netdev:eno1", MTU: 1500}}, LAG: LAG{State: LAGUnknown}},
		{Name: "bond2", Mode: "balance-rr", XmitHashPolicy: "layer2", MTU: 1500, Alias: "nicwright:p", Owner: "p", LAG: LAG{State: LAGDisabled}},
	}}
	opt := step.Options{Owner: "p"}
	for name, want := range map[string][]Spec{
		"said": Specs(have), "filled": Fill([]Spec{{Name: "bond2"}}, Specs(have), nil), "kept": Keep(Specs(have), func(resource.ID, string) bool { return false }),
	} {
		r, err := Diff(have, want, nil, opt)
		if err != nil || len(r.Steps) != 0 {
			t.Errorf("%s: got %v, %v", name, r.Steps, err)
		}
	}
	// And from nothing, everything is made again.
	r, err := Diff(State{}, Specs(have)[:1], nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for _, s := range r.Steps {
		set[s.Attribute] = s.To.Str()
	}
	for a, v := range map[string]string{
		AttrMode: "802.3ad", attrMembers: port0 + "," + port1, attrMTU: "9000", attrLAG: "active", attrUp: "up", step.AttrMark: "nicwright:p", "updelay": "200", "ad_actor_sys_prio": "65535",
	} {
		if set[a] != v {
			t.Errorf("%s: got %q, want %q", a, set[a], v)
		}
	}
}

func TestStepsOfOneBondAreOneAct(t *testing.T) {
	mode, lag := "802.3ad", true
	r, err := Diff(State{}, []Spec{{Name: "b0", Mode: &mode, LAG: &lag}}, nil, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Steps {
		if (s.Phase == step.Bond) != (s.Group == "bond/b0") {
			t.Errorf("%v has the group %q", s, s.Group)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		spec Spec
		want string // "": it is valid
	}{
		"LACP":                      {Spec{Mode: ptr("802.3ad"), LACPRate: ptr("fast")}, ""},
		"lacp_rate without LACP":    {Spec{Mode: ptr("active-backup"), LACPRate: ptr("fast")}, "lacp_rate is set, but mode is active-backup: only 802.3ad has it"},
		"primary of a hashed bond":  {Spec{Mode: ptr("802.3ad"), Primary: ptr("a/0")}, "only active-backup, balance-tlb and balance-alb has it"},
		"a delay":                   {Spec{Miimon: ptr(100), UpDelay: ptr(200)}, ""},
		"a delay that is rounded":   {Spec{Miimon: ptr(100), UpDelay: ptr(250)}, "the kernel would make it 200"},
		"a delay without checks":    {Spec{Miimon: ptr(0), DownDelay: ptr(100)}, "without link checks there is no delay"},
		"no delay without checks":   {Spec{Miimon: ptr(0), DownDelay: ptr(0)}, ""},
		"a LAG of balance-rr":       {Spec{Mode: ptr("balance-rr"), LAG: ptr(true)}, "the card makes a LAG of active-backup, balance-xor and 802.3ad only"},
		"a LAG of nothing":          {Spec{LAG: ptr(true), Members: []string{}}, "no members"},
		"a primary elsewhere":       {Spec{Primary: ptr("a/0"), Members: strs("a/1")}, "not among its members"},
		"no primary":                {Spec{Primary: ptr(""), Members: strs("a/1")}, ""},
		"addresses for a bond down": {Spec{TakeAddresses: ptr(true), Up: ptr(false)}, "nothing can be reached"},
		"lag false of any mode":     {Spec{Mode: ptr("balance-rr"), LAG: ptr(false)}, ""},
		"a primary among the known": {Spec{Primary: ptr("a/1"), Members: strs("a/1")}, ""},
	} {
		err := c.spec.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// members: [] takes all out, no members leaves them alone; also through a document.
func TestNoMembersIsSomethingElseThanNothingSaid(t *testing.T) {
	for _, members := range [][]string{nil, {}} {
		b, err := json.Marshal(Spec{Name: "b", Members: members})
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(Spec{Name: "b", Members: members})
		if err != nil {
			t.Fatal(err)
		}
		var fromJSON, fromYAML Spec
		if err := json.Unmarshal(b, &fromJSON); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(y, &fromYAML); err != nil {
			t.Fatal(err)
		}
		for as, s := range map[string]Spec{string(b): fromJSON, string(y): fromYAML} {
			if (s.Members == nil) != (members == nil) {
				t.Errorf("%#v, written as %s, is read as %#v", members, as, s.Members)
			}
		}
	}
}
