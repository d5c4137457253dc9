// SPDX-License-Identifier: Apache-2.0

package vlan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) { golden.Diff(t, Diff) }

var mgmt = VLAN{Name: "mgmt", On: resource.OfBond("bond0"), ID: 100, Protocol: "802.1Q", MTU: 1500, Up: true}

// What is wanted to be as it is needs no step.
func TestToItself(t *testing.T) {
	have := State{VLANs: []VLAN{mgmt}}
	golden.ToItself(t, have, Specs(have), Diff)
}

// An apply that was killed before it marked what it made marks it, removes it, or makes it another.
func TestUnmarked(t *testing.T) {
	made := func(id resource.ID) bool { return id == resource.OfLink("mgmt") }
	const marked, removed = "link/mgmt mark: (none) -> nicwright:me", "link/mgmt vlan: 100 on bond/bond0 -> (none)"
	for name, c := range map[string]struct {
		want []Spec
		opt  step.Options
		last string
	}{
		"marked":            {[]Spec{{Name: "mgmt", ID: 100, On: mgmt.On}}, step.Options{Owner: "me", Made: made}, marked},
		"another":           {[]Spec{{Name: "mgmt", ID: 101, On: mgmt.On, Up: new(false)}}, step.Options{Owner: "me", Made: made}, marked},
		"removed":           {nil, step.Options{Owner: "me", Made: made}, removed},
		"taken back":        {nil, step.Options{Owner: "me", Only: made}, removed},
		"somebody's stays":  {nil, step.Options{Owner: "me"}, ""},
		"not asked for all": {nil, step.Options{Owner: "me", Keep: true, Made: made}, ""},
	} {
		r, err := Diff(State{VLANs: []VLAN{mgmt}}, c.want, nil, c.opt)
		last := ""
		if n := len(r.Steps); n > 0 {
			last = r.Steps[n-1].String()
		}
		if err != nil || last != c.last {
			t.Errorf("%s: %v, %v", name, r.Steps, err)
		}
	}
}

// Of what there was, a rollback brings back what the operation touched, upon what was before others.
func TestWhatARollbackBringsBack(t *testing.T) {
	was := Specs(State{VLANs: []VLAN{mgmt}})
	touched := func(attributes ...string) func(resource.ID, string) bool {
		return func(_ resource.ID, a string) bool { return slices.Contains(attributes, a) }
	}
	base := Spec{Name: "mgmt", ID: 100, Protocol: "802.1Q", On: mgmt.On, IfThere: true}
	mtu, mark, other := base, base, Spec{Name: "b", ID: 5}
	mtu.MTU, mark.Exact = new(1500), true
	for name, c := range map[string]struct {
		touched func(resource.ID, string) bool
		keeps   []Spec
		over    []Spec // lies upon what was
		lies    []Spec
	}{
		"nothing":          {touched(), nil, nil, was},
		"it was removed":   {touched(Present), was, was, was},
		"it was made":      {touched(Present), was, nil, nil},
		"its MTU":          {touched(attrMTU), []Spec{mtu}, []Spec{mtu}, was},
		"its mark":         {touched(step.AttrMark), []Spec{mark}, []Spec{mark}, was},
		"another was made": {touched(Present), was, []Spec{other}, []Spec{other}},
	} {
		unexported := cmpopts.IgnoreUnexported(Spec{})
		if d := cmp.Diff(c.keeps, Keep(was, c.touched), unexported); d != "" {
			t.Errorf("%s: it keeps (-want +got)\n%s", name, d)
		}
		if d := cmp.Diff(c.lies, Lay(c.over, was, c.touched), unexported); d != "" {
			t.Errorf("%s: laid upon what was (-want +got)\n%s", name, d)
		}
	}
}

// One that is made again is as it was, where nobody says otherwise.
func TestMadeAgain(t *testing.T) {
	was := mgmt
	was.Up = false
	filled := Fill([]Spec{{Name: "mgmt", ID: 100, On: mgmt.On}, {Name: "new", ID: 5, On: mgmt.On}}, Specs(State{VLANs: []VLAN{was}}), nil)
	r, err := Diff(State{}, filled, nil, step.Options{Owner: "me"})
	var lines []string
	for _, s := range r.Steps {
		lines = append(lines, s.String())
	}
	want := []string{
		"link/mgmt vlan: (none) -> 100 on bond/bond0", "link/mgmt mark: (none) -> nicwright:me",
		"link/new vlan: (none) -> 5 on bond/bond0", "link/new mark: (none) -> nicwright:me", "link/new up: (none) -> up",
	}
	if d := cmp.Diff(want, lines); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestObserve(t *testing.T) {
	ad := rtlink.VLANData(7, rtlink.VLAN8021AD, nil)
	s := &snapshot.Snapshot{Links: []rtlink.Link{
		{Name: "bond0", Index: 2, Kind: "bond", Bond: &rtlink.Bond{}, MAC: []byte{2, 0, 0, 0, 0, 1}},
		{
			Name: "mgmt", Index: 3, Kind: "vlan", Lower: 2, MTU: 1400, Up: true, Alias: step.AliasOf("me"), MAC: []byte{2, 0, 0, 0, 0, 1},
			Data: rtlink.VLANData(100, rtlink.VLAN8021Q, nil),
		},
		{Name: "outer", Index: 4, Kind: "vlan", Lower: 2, Master: 6, MAC: []byte{2, 0, 0, 0, 0, 2}, Data: ad},
		{Name: "tap", Index: 5, Kind: "macvtap", Lower: 4},
		{Name: "br0", Index: 6, Kind: "bridge"},
		{Name: "foreign", Index: 7, Kind: "vlan", Data: ad},
	}}
	want := State{
		VLANs: []VLAN{
			{Name: "mgmt", On: resource.OfBond("bond0"), ID: 100, Protocol: "802.1Q", MTU: 1400, Up: true, Alias: "nicwright:me", Owner: "me", Data: s.Links[1].Data},
			{Name: "outer", On: resource.OfBond("bond0"), ID: 7, Protocol: "802.1ad", Data: ad, MAC: "02:00:00:00:00:02", Holds: []string{"tap", "br0"}},
		},
		Others: map[string]string{"bond0": "bond", "tap": "macvtap", "br0": "bridge", "foreign": "vlan"},
	}
	if d := cmp.Diff(want, Observe(s)); d != "" {
		t.Error(d)
	}
}

// What no plan of this version says is refused before anything is done.
func TestRefusedSteps(t *testing.T) {
	id := resource.OfLink("mgmt")
	for _, s := range []step.Step{
		{Resource: id, Attribute: "colour", To: step.Text("red")},
		{Resource: id, Attribute: attrMTU, To: step.Text("large")},
	} {
		if err := NewDoer(nil).Do(t.Context(), []step.Step{s}); err == nil {
			t.Errorf("%s: it was done", s)
		}
	}
}
