// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) { golden.Diff(t, Diff) }

const vf3 = "pci/0001:3b:00.0/vf/3"

func aRule(owner string) Spec {
	return Spec{Bridge: "br0", Priority: 100, Match: "in_port=" + vf3 + ",dl_vlan=100", Actions: "output:bond/bond0", Exact: true, Cookie: Cookie(openflow.Cookie(owner))}
}

// What is wanted to be as it is needs no step.
func TestToItself(t *testing.T) {
	have := State{Rules: []Spec{aRule("me"), {Bridge: "br0", Table: 1, Actions: "drop", Exact: true, Cookie: Cookie(openflow.Ours)}}}
	golden.ToItself(t, have, Specs(have), Diff)
}

// The work of a profile whose place another one takes becomes that one's; a rollback takes away what its operation made, and no more.
func TestWhoseItIs(t *testing.T) {
	is := aRule("old")
	wanted := is
	wanted.Exact, wanted.Cookie = false, 0
	for name, c := range map[string]struct {
		want []Spec
		opt  step.Options
		step string
	}{
		"taken over":       {[]Spec{wanted}, step.Options{Owner: "me", Also: []string{"old"}}, "output:bond/bond0 owner old -> output:bond/bond0 owner me"},
		"taken away":       {nil, step.Options{Owner: "me", Also: []string{"old"}}, "output:bond/bond0 owner old -> (none)"},
		"kept":             {nil, step.Options{Owner: "old", Keep: true}, ""},
		"rolled back":      {nil, step.Options{Owner: "old", Only: func(id resource.ID) bool { return id == is.ID() }}, "output:bond/bond0 owner old -> (none)"},
		"of another apply": {nil, step.Options{Owner: "old", Only: func(resource.ID) bool { return false }}, ""},
	} {
		r, err := Diff(State{Rules: []Spec{is}}, c.want, nil, c.opt)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, s := range r.Steps {
			got = append(got, s.String())
		}
		if text := strings.Join(got, "; "); c.step == "" && text != "" || !strings.HasSuffix(text, c.step) || len(got) > 1 {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestNew(t *testing.T) {
	port := func(name string) (string, error) {
		return map[string]string{"nic0/p0/vf3": vf3, "bond0": "bond/bond0"}[name], nil
	}
	s, err := New("br0", Rule{Match: "dl_vlan=100, in_port=nic0/p0/vf3", Actions: "output:bond0", Priority: new(100)}, port)
	want := aRule("")
	want.Exact, want.Cookie = false, 0
	if err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := New("br0", Rule{Actions: "drop", Table: new(3)}, port); err != nil || s.ID().String() != "flow/br0/table=3,priority=32768" {
		t.Errorf("%v, %v", s.ID(), err)
	}
}

// What steps say is what the bridge is told: of what goes, by the numbers that its ports had.
func TestChanges(t *testing.T) {
	have := State{Rules: []Spec{aRule("me"), {Bridge: "br0", Priority: 7, Match: "in_port=9", Actions: "NORMAL", Cookie: Cookie(openflow.Ours | 5)}}}
	wanted := have.Rules[0]
	wanted.Exact, wanted.Priority = false, 200
	r, err := Diff(have, []Spec{wanted}, nil, step.Options{Owner: "me", Also: []string{have.Rules[1].Cookie.String()}})
	if err != nil {
		t.Fatal(err)
	}
	before, now := map[string]int{vf3: 3, "bond/bond0": 1}, map[string]int{vf3: 4, "bond/bond0": 2}
	remove, add, err := changes(r.Steps, resolver(before, now), resolver(now))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range append(remove, add...) {
		got = append(got, strings.Join([]string{Cookie(f.Cookie).String(), f.Match.Text(nil), f.Actions.Text(nil)}, " "))
	}
	slices.Sort(got)
	want := []string{"0x6e69637700000005 in_port=9 NORMAL", "0x6e696377e5f6efb9 in_port=3,dl_vlan=100 output:1", "0x6e696377e5f6efb9 in_port=4,dl_vlan=100 output:2"}
	if d := cmp.Diff(want, got); d != "" || len(remove) != 2 {
		t.Error(d)
	}
	if _, _, err := changes(r.Steps, resolver(before), resolver(before, nil)); err != nil {
		t.Error(err)
	}
	if _, _, err := changes(r.Steps, resolver(before), resolver()); err == nil || !strings.Contains(err.Error(), "no port that works for "+vf3) {
		t.Errorf("a port that is not there: %v", err)
	}
	for _, broken := range []step.Step{
		{Resource: wanted.ID(), Attribute: "color", To: step.Text("drop owner me")},
		{Resource: wanted.ID(), Attribute: attrActions, To: step.Text("drop")},
		{Resource: resource.OfFlow("br0", "priority=1"), Attribute: attrActions, To: step.Text("drop owner me")},
		{Resource: resource.OfFlow("br0", "table=x,priority=1"), Attribute: attrActions, To: step.Text("drop owner me")},
	} {
		if _, _, err := changes([]step.Step{broken}, resolver(now), resolver(now)); err == nil {
			t.Errorf("%s is no error", broken)
		}
	}
}

// A bridge's rules are those of nicwright, with the ports by what they stand for, and those of others by whose they are.
func TestObserve(t *testing.T) {
	number := func(string) (uint32, error) { return 3, nil }
	m, err := openflow.ParseMatch("in_port=x,dl_vlan=100", number)
	if err != nil {
		t.Fatal(err)
	}
	s := &snapshot.Snapshot{OVS: snapshot.OVS{
		Running: true, Unasked: map[string]string{"br1": "why"},
		Rows: &ovsdb.Database{
			Root:       ovsdb.Columns{"bridges": ovsdb.UUID("b")},
			Bridges:    map[string]ovsdb.Columns{"b": {"name": ovsdb.Atom("br0"), "ports": ovsdb.UUID("p")}},
			Ports:      map[string]ovsdb.Columns{"p": {"name": ovsdb.Atom("eth7"), "interfaces": ovsdb.UUID("i")}},
			Interfaces: map[string]ovsdb.Columns{"i": {"name": ovsdb.Atom("eth7"), "ofport": ovsdb.Atom(3)}},
		},
		Flows: map[string][]openflow.Flow{"br0": {
			{Priority: 0, Cookie: 0}, {Priority: 5, Cookie: openflow.Cookie("me"), Match: m}, {Table: 0, Priority: 9, Cookie: openflow.Cookie("me")},
		}},
	}}
	got := Observe(s)
	mine := Cookie(openflow.Cookie("me"))
	want := State{
		Rules: []Spec{
			{Bridge: "br0", Priority: 9, Actions: "drop", Exact: true, Cookie: mine},
			{Bridge: "br0", Priority: 5, Match: "in_port=port/eth7,dl_vlan=100", Actions: "drop", Exact: true, Cookie: mine},
		},
		Others: map[resource.ID]Cookie{resource.OfFlow("br0", "table=0,priority=0"): 0},
		Ports:  map[string]map[string]int{"br0": {"port/eth7": 3}},
		Unread: map[string]string{"br1": "why"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzOfWhich(f *testing.F) {
	for _, s := range []string{"table=0,priority=100,in_port=" + vf3, "table=253,priority=0", "table=1", "priority=1,table=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		table, priority, match, err := ofWhich(s)
		if err != nil {
			return
		}
		again := which(int(table), int(priority), match)
		if a, b, c, err := ofWhich(again); err != nil || a != table || b != priority || c != match {
			t.Errorf("%q is %q", s, again)
		}
	})
}
