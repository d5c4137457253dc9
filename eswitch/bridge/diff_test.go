// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) { golden.Diff(t, Diff) }

var (
	uplink = resource.OfNetdev(pci.PF("0000:3b:00.0"))
	rep    = resource.OfRepresentor(pci.VF("0000:3b:00.0", 0))
	tap    = resource.OfLink("tap100i0")
)

// lived is a bridge that somebody lives on, with a port of a machine.
func lived() State {
	return State{
		Bridges: []Bridge{{
			Name: "vmbr0", MTU: 1500, Up: true, Options: map[string]int{"vlan_filtering": 1, "vlan_default_pvid": 1, "stp_state": 0, "mcast_snooping": 1},
			Ports: []PortState{
				{Netdev: uplink, Name: "eth0", PVID: 1, Untagged: []int{1}, Tagged: []int{100}, Settings: []byte{5, 0, 4, 0, 1, 0, 0, 0}},
				{Netdev: rep, Name: "r0", PVID: 100, Untagged: []int{100}},
				{Netdev: tap, Name: "tap100i0", PVID: 30, Untagged: []int{30}},
			},
		}},
		Netdevs: map[resource.ID]Netdev{uplink: {Name: "eth0", Master: "vmbr0", MasterKind: "bridge"}, rep: {Name: "r0", Master: "vmbr0", MasterKind: "bridge"}},
	}
}

// What is wanted to be as it is needs no step.
func TestToItself(t *testing.T) {
	have := lived()
	golden.ToItself(t, have, Specs(have), Diff)
}

// What an operation of the profile put there is taken out; what was there before is not.
func TestPortsAreTakenOutByTheJournal(t *testing.T) {
	made := func(id resource.ID) bool { return id == resource.OfBridgePort("vmbr0", rep) }
	for name, opt := range map[string]step.Options{
		"an apply": {Owner: "me", Made: made}, "a rollback": {Owner: "me", Only: made},
	} {
		r, err := Diff(lived(), nil, nil, opt)
		if err != nil || len(r.Steps) != 1 || r.Steps[0].Resource != resource.OfBridgePort("vmbr0", rep) || !r.Steps[0].To.IsAbsent() {
			t.Errorf("%s: %v, %v", name, r.Steps, err)
		}
		if !step.EffectsOf(r.Steps).On(rep, step.Leaves) {
			t.Errorf("%s: nobody is told that it leaves: %+v", name, r.Steps)
		}
	}
	if r, err := Diff(lived(), nil, nil, step.Options{Owner: "me", Made: made, Keep: true}); err != nil || len(r.Steps) > 0 {
		t.Errorf("not all that is wanted was asked for: %v, %v", r.Steps, err)
	}
}

func TestTheWorkOfAnotherProfileIsTakenOver(t *testing.T) {
	s := lived()
	s.Bridges[0].Alias, s.Bridges[0].Owner = "nicwright:they", "they"
	r, err := Diff(s, []Spec{{Name: "vmbr0"}}, nil, step.Options{Owner: "me", Also: []string{"they"}})
	if err != nil || len(r.Steps) != 1 || r.Steps[0].To != step.Text("nicwright:me") {
		t.Errorf("%v, %v", r.Steps, err)
	}
}

// An apply that is killed between making a bridge and marking it leaves one that the journal alone knows.
func TestABridgeThatWasNotMarkedYet(t *testing.T) {
	bare := State{Bridges: []Bridge{{Name: "vmbr0", Options: map[string]int{}}}}
	made := func(id resource.ID) bool { return id == resource.OfLink("vmbr0") }
	r, err := Diff(bare, []Spec{{Name: "vmbr0"}}, nil, step.Options{Owner: "me", Made: made})
	if err != nil || len(r.Steps) != 1 || r.Steps[0].To != step.Text("nicwright:me") {
		t.Errorf("applied again: %v, %v", r.Steps, err)
	}
	r, err = Diff(bare, nil, nil, step.Options{Owner: "me", Only: made})
	if err != nil || len(r.Steps) != 2 || r.Steps[0].To != step.Text("nicwright:me") || !r.Steps[1].To.IsAbsent() {
		t.Errorf("taken back: %v, %v", r.Steps, err)
	}
	if r, err = Diff(bare, nil, nil, step.Options{Owner: "me"}); err != nil || len(r.Steps) > 0 {
		t.Errorf("of nobody here: %v, %v", r.Steps, err)
	}
}

func touching(ids map[resource.ID][]string) func(resource.ID, string) bool {
	return func(id resource.ID, attribute string) bool {
		for _, a := range ids[id] {
			if a == attribute || a == "*" {
				return true
			}
		}
		return false
	}
}

// Keep and Lay are what a rollback is made of.
func TestWhatARollbackWants(t *testing.T) {
	port := func(id resource.ID) resource.ID { return resource.OfBridgePort("vmbr0", id) }
	link := resource.OfLink("vmbr0")
	for name, c := range map[string]struct {
		touched map[resource.ID][]string
		want    string // of what Keep leaves, the options and the ports
	}{
		"nothing":                {nil, ""},
		"an option":              {map[resource.ID][]string{link: {"stp_state"}}, "stp"},
		"a port's VLANs":         {map[resource.ID][]string{port(uplink): {"vlans"}}, "eth0 if there"},
		"a port":                 {map[resource.ID][]string{port(rep): {"port"}}, "r0"},
		"a port's netdev":        {map[resource.ID][]string{uplink: {"*"}}, "eth0 back"},
		"both":                   {map[resource.ID][]string{uplink: {"*"}, port(uplink): {"vlans"}}, "eth0"},
		"a netdev of no card":    {map[resource.ID][]string{tap: {"*"}}, ""},
		"the bridge":             {map[resource.ID][]string{link: {"*"}}, "filtering pvid stp snooping mtu up made eth0 r0 tap100i0"},
		"the bridge, by removal": {map[resource.ID][]string{link: {"bridge"}}, "filtering pvid stp snooping mtu up made eth0 r0 tap100i0"},
	} {
		var words []string
		for _, s := range Keep(Specs(lived()), touching(c.touched)) {
			for _, f := range []struct {
				word string
				set  bool
			}{
				{"filtering", s.VLANFiltering != nil},
				{"pvid", s.VLANDefaultPVID != nil},
				{"stp", s.STPState != nil},
				{"snooping", s.MulticastSnooping != nil},
				{"mtu", s.MTU != nil},
				{"up", s.Up != nil},
				{"made", !s.IfThere},
			} {
				if f.set {
					words = append(words, f.word)
				}
			}
			for _, p := range s.Ports {
				words = append(words, p.Name)
				if p.IfThere {
					words = append(words, "if there")
				}
				if p.Back {
					words = append(words, "back")
				}
			}
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s was touched: %q, want %q", name, got, c.want)
		}
	}
	// The host of now laid under what was before: what the operation made is not there.
	now := lived()
	now.Bridges = append(now.Bridges, Bridge{Name: "new", Options: map[string]int{}, Ports: []PortState{{Netdev: resource.OfBond("bond0"), Name: "bond0"}}})
	touched := map[resource.ID][]string{port(rep): {"port"}, resource.OfLink("new"): {"bridge"}, link: {"stp_state"}}
	laid := Lay(Keep(Specs(lived()), touching(map[resource.ID][]string{link: {"stp_state"}})), Specs(now), touching(touched))
	if len(laid) != 1 || laid[0].Name != "vmbr0" || len(laid[0].Ports) != 2 || laid[0].Ports[0].Name != "eth0" || laid[0].Ports[1].Name != "tap100i0" || *laid[0].STPState {
		t.Errorf("laid: %+v", laid)
	}
}

// A port that says nothing of VLANs, and has to be put again, gets what it had, with its settings.
func TestFill(t *testing.T) {
	filled := Fill([]Spec{{Name: "vmbr0", Ports: []Port{{Name: "out", Uplink: "pci/0000:3b:00.0"}}}}, Specs(lived()), nil)
	gone := lived()
	gone.Bridges[0].Ports = nil
	gone.Netdevs[uplink] = Netdev{Name: "eth0"}
	r, err := Diff(gone, filled, nil, step.Options{Owner: "me"})
	if err != nil || len(r.Steps) != 1 || r.Steps[0].To != step.Text("1 pvid untagged, 100") {
		t.Fatalf("%v, %v", r.Steps, err)
	}
	if got := NewDoer(filled).settings("vmbr0", uplink); len(got) == 0 {
		t.Error("its settings are forgotten")
	}
	if got := NewDoer(filled).settings("vmbr0", rep); got != nil {
		t.Errorf("settings of another port: %v", got)
	}
}

func TestSet(t *testing.T) {
	for text, want := range map[string]set{
		"none":                    {},
		"1 pvid untagged":         {1: {true, true}},
		"1 pvid, 2-4":             {1: {true, false}, 2: {}, 3: {}, 4: {}},
		"2-3 untagged, 4, 7 pvid": {2: {untagged: true}, 3: {untagged: true}, 4: {}, 7: {pvid: true}},
		"1-4094":                  nil,
	} {
		if want == nil {
			want = set{}
			for v := 1; v <= 4094; v++ {
				want[v] = member{}
			}
		}
		got, err := parse(text)
		if err != nil || !maps.Equal(got, want) || got.text() != text {
			t.Errorf("%q is %v (%q), %v", text, got, got.text(), err)
		}
	}
	for _, bad := range []string{"", "x", "0", "4095", "5-3", "3 tagged", "1,2", "1-2-3", "as the bridge gives"} {
		if s, err := parse(bad); err == nil {
			t.Errorf("%q is %v", bad, s)
		}
	}
	add, del := change(set{1: {true, true}, 5: {}, 6: {}}, set{1: {false, true}, 6: {}, 100: {true, true}})
	if d := cmp.Diff("1 untagged|100 pvid untagged|5", runText(add[0])+"|"+runText(add[1])+"|"+runText(del[0])); d != "" || len(add) != 2 || len(del) != 1 {
		t.Errorf("added %v, deleted %v", add, del)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1 pvid untagged, 100-199")
	f.Add("none")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			return
		}
		back, err := parse(s.text())
		if err != nil || !maps.Equal(s, back) {
			t.Errorf("%q is %q, which is %v, %v", text, s.text(), back, err)
		}
	})
}

// Steps of another version, or of elsewhere, are refused and not guessed at.
func TestStepsThatNobodyKnows(t *testing.T) {
	link, port := resource.OfLink("vmbr0"), resource.OfBridgePort("vmbr0", rep)
	for _, s := range []step.Step{
		{Resource: link, Attribute: "colour", To: step.Text("red")},
		{Resource: link, Attribute: "mtu", To: step.Text("large")},
		{Resource: link, Attribute: "stp_state", To: step.Text("maybe")},
		{Resource: link, Attribute: "vlan_default_pvid", To: step.Text("-1")},
		{Resource: resource.OfLink("vmbr1"), Attribute: "mtu", To: step.Text("1500")},
		{Resource: port, Attribute: "mtu", To: step.Text("1500")},
		{Resource: port, Attribute: "vlans", To: step.Text("none of them")},
	} {
		if c, err := parseChanges("vmbr0", []step.Step{s}); err == nil {
			t.Errorf("%s is %+v", s, c)
		}
	}
	if err := NewDoer(nil).Do(t.Context(), []step.Step{{Resource: link, Group: "bond/bond0"}}); err == nil {
		t.Error("the step of a bond is done")
	}
}
