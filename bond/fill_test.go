// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"encoding/json"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// inJSON compares by what is written, for specs are full of pointers.
func inJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFill(t *testing.T) {
	before := []Spec{
		{Name: "b", Mode: ptr("802.3ad"), LACPRate: ptr("fast"), Miimon: ptr(100), UpDelay: ptr(200), MTU: ptr(9000), Up: ptr(true), Members: strs("p", "q"), LAG: ptr(true), Owner: "x"},
		{Name: "foreign", Mode: ptr("active-backup"), Miimon: ptr(0), Primary: ptr("r"), Members: strs("r", "s")},
	}
	for name, c := range map[string]struct{ over, want []Spec }{
		"nothing said": {
			[]Spec{{Name: "b"}},
			[]Spec{{Name: "b", Mode: ptr("802.3ad"), LACPRate: ptr("fast"), Miimon: ptr(100), UpDelay: ptr(200), MTU: ptr(9000), Up: ptr(true), Members: strs("p", "q")}, before[1]},
		},
		"another mode has no lacp_rate": {
			[]Spec{{Name: "b", Mode: ptr("active-backup"), MTU: ptr(1500), Up: ptr(false), Members: []string{}}},
			[]Spec{{Name: "b", Mode: ptr("active-backup"), Miimon: ptr(100), UpDelay: ptr(200), MTU: ptr(1500), Up: ptr(false), Members: []string{}}, before[1]},
		},
		"delays are of another miimon": {
			[]Spec{{Name: "b", Mode: ptr("802.3ad"), Miimon: ptr(70), Members: strs("p")}},
			[]Spec{{Name: "b", Mode: ptr("802.3ad"), LACPRate: ptr("fast"), Miimon: ptr(70), MTU: ptr(9000), Up: ptr(true), Members: strs("p")}, before[1]},
		},
		"a member that another bond claims": {
			[]Spec{{Name: "foreign", Mode: ptr("802.3ad"), Members: strs("s")}, {Name: "new", Members: strs("r", "q")}},
			[]Spec{{Name: "foreign", Mode: ptr("802.3ad"), Members: strs("s")}, {Name: "new", Members: strs("r", "q")}, {Name: "b", Mode: ptr("802.3ad"), LACPRate: ptr("fast"), Miimon: ptr(100), UpDelay: ptr(200), MTU: ptr(9000), Up: ptr(true), Members: strs("p")}},
		},
	} {
		got := Fill(c.over, before, nil)
		if g, w := inJSON(t, got), inJSON(t, c.want); g != w {
			t.Errorf("%s:\ngot  %s\nwant %s", name, g, w)
		}
		for _, s := range got {
			if s.Filled == (index(c.over, s.Name) >= 0) {
				t.Errorf("%s: %s is filled: %v", name, s.Name, s.Filled)
			}
		}
	}
}

// What an interrupted apply has taken out of a foreign bond goes back into it,
// and what it made is deleted.
func TestDiffOfWhatWasFilled(t *testing.T) {
	have := State{Bonds: []Bond{
		{Name: "bond0", Mode: "802.3ad", Miimon: 100, MTU: 1500, Alias: "nicwright:p", Owner: "p", Members: []Member{{ID: port1, Up: true}}},
		{Name: "bond9", Mode: "active-backup", MTU: 1500, Members: []Member{}},
	}}
	before := append(Specs(have), Spec{Name: "gone", Mode: ptr("802.3ad")})
	before[1].Members = strs(port0)
	r, err := Diff(have, Fill(nil, before, nil), nil, step.Options{Owner: "p"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range r.Steps {
		got[s.Resource.String()+" "+s.Attribute] = s.To.String()
	}
	if len(got) != 2 || got["bond/bond0 bond"] != "(none)" || got["bond/bond9 members"] != port0 {
		t.Errorf("got %v", got)
	}
	only := func(id resource.ID) bool { return id != resource.OfBond("bond0") }
	if r, err = Diff(have, nil, nil, step.Options{Owner: "p", Only: only}); err != nil || len(r.Steps) != 0 {
		t.Errorf("a rollback deletes what its operation did not make: %v, %v", r.Steps, err)
	}
}

// A bond that a profile takes over carries its mark; and the former's, when that is
// taken back.
func TestMarkOfWhatIsTakenOver(t *testing.T) {
	have := State{Bonds: []Bond{{Name: "b", Mode: "802.3ad", Miimon: 100, MTU: 1500, Alias: "nicwright", Owner: step.NoOwner, Members: []Member{}}}}
	r, err := Diff(have, []Spec{{Name: "b"}}, nil, step.Options{Owner: "p", Also: strs(step.NoOwner)})
	if err != nil || len(r.Steps) != 1 || r.Steps[0].To.Str() != "nicwright:p" {
		t.Fatalf("got %v, %v", r.Steps, err)
	}
	if r, err = Diff(have, []Spec{{Name: "b"}}, nil, step.Options{Owner: "p"}); err != nil || len(r.Steps) != 0 {
		t.Errorf("another's bond is marked: %v, %v", r.Steps, err)
	}
	before := Keep(Specs(have), func(_ resource.ID, attribute string) bool { return attribute == step.AttrMark })
	have.Bonds[0].Alias, have.Bonds[0].Owner = "nicwright:p", "p"
	if r, err = Diff(have, before, nil, step.Options{Owner: "p"}); err != nil || len(r.Steps) != 1 || r.Steps[0].To.Str() != "nicwright" {
		t.Errorf("taken back: %v, %v", r.Steps, err)
	}
}

func TestKeepAndLay(t *testing.T) {
	now := []Spec{busy().Spec(), {Name: "made", Mode: ptr("802.3ad")}, {Name: "other", Members: strs("r", port1)}}
	kept := Keep(now, func(id resource.ID, attribute string) bool {
		return id == resource.OfBond("bond0") && attribute == attrMembers
	})
	want := []Spec{{Name: "bond0", Members: strs(port0, port1)}, {Name: "made"}, {Name: "other"}}
	if g, w := inJSON(t, kept), inJSON(t, want); g != w {
		t.Errorf("kept:\ngot  %s\nwant %s", g, w)
	}
	if g, w := inJSON(t, Keep(now, func(_ resource.ID, a string) bool { return a == Present })), inJSON(t, now); g != w {
		t.Errorf("of a bond that was deleted all is kept:\ngot  %s\nwant %s", g, w)
	}
	laid := Lay([]Spec{{Name: "bond0", MTU: ptr(1500), Members: strs(port1)}, {Name: "deleted", Mode: ptr("802.3ad")}, {Name: "made", Filled: true}}, now,
		func(name string) bool { return name == "made" })
	first := busy().Spec()
	first.MTU, first.Members = ptr(1500), strs(port1)
	want = []Spec{first, {Name: "other", Members: strs("r")}, {Name: "deleted", Mode: ptr("802.3ad")}}
	if g, w := inJSON(t, laid), inJSON(t, want); g != w {
		t.Errorf("laid:\ngot  %s\nwant %s", g, w)
	}
}

func TestFollow(t *testing.T) {
	have := State{Bonds: []Bond{busy()}}
	ports := func(mtus ...*int) map[pci.Address]Wanted {
		return map[pci.Address]Wanted{port0: {MTU: mtus[0]}, port1: {MTU: mtus[1]}}
	}
	for name, c := range map[string]struct {
		spec  Spec
		ports map[pci.Address]Wanted
		want  *int
	}{
		"the bond says":           {Spec{MTU: ptr(2000), Members: strs(port0)}, ports(ptr(9000), nil), ptr(2000)},
		"both ports say":          {Spec{Members: strs(port0, port1)}, ports(ptr(9000), ptr(9000)), ptr(9000)},
		"one port says":           {Spec{Members: strs(port0, port1)}, ports(nil, ptr(9000)), ptr(9000)},
		"they differ":             {Spec{Members: strs(port0, port1)}, ports(ptr(1500), ptr(9000)), nil},
		"nobody says":             {Spec{Members: strs(port0, port1)}, ports(nil, nil), nil},
		"members are left alone":  {Spec{Name: "bond0"}, ports(ptr(1400), ptr(1400)), ptr(1400)},
		"another bond's members":  {Spec{Name: "bond1"}, ports(ptr(1400), ptr(1400)), nil},
		"members that are no one": {Spec{Name: "bond0", Members: []string{}}, ports(ptr(1400), ptr(1400)), nil},
	} {
		got := c.spec.Follow(have, c.ports).MTU
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got %v", name, inJSON(t, got))
		}
	}
}
