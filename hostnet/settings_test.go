// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/sysctl"
)

var (
	onePF = pci.PF("0000:3b:00.0")
	oneVF = pci.VF("0000:3b:00.0", 1)
)

// told is a look at an uplink and a VF's netdev that somebody told things, with a VLAN
// and a macvlan on that of the VF, and a VLAN on the macvlan.
func told() *snapshot.Snapshot {
	mac := func(n byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, n} }
	conf := make([]int32, 33)
	conf[7] = 2 // rp_filter
	return &snapshot.Snapshot{
		Links: []rtlink.Link{
			{Index: 2, Name: "p0", Up: true, MTU: 9000, TxQLen: 1000, MAC: mac(2), PermMAC: mac(2), Alias: "to the left switch"},
			{Index: 3, Name: "v1", Up: true, MTU: 1500, TxQLen: 500, Group: 7, MAC: mac(9), PermMAC: mac(3), AltNames: []string{"storage"}, Conf4: conf},
			{Index: 4, Name: "v1.70", Kind: "vlan", Up: true, MTU: 1400, TxQLen: 1000, Lower: 3, MAC: mac(9), Data: []byte{6, 0, 1, 0, 70, 0, 0, 0}},
			{Index: 5, Name: "mv", Kind: "macvlan", Up: true, MTU: 1500, Lower: 3, MAC: mac(5)},
			{Index: 6, Name: "mv.8", Kind: "vlan", MTU: 1500, Lower: 5, MAC: mac(5), Data: []byte{6, 0, 1, 0, 8, 0, 0, 0}},
			{Index: 7, Name: "tun", Kind: "macsec", Up: true, MTU: 1500, Lower: 3, MAC: mac(9)},
			{Index: 8, Name: "br0", Kind: "bridge", Alias: "of somebody"},
		},
		Netdevs: []netdev.Link{{Name: "p0", Index: 2, Function: onePF}, {Name: "v1", Index: 3, Function: oneVF}},
		Numbers: map[int]map[ethtool.Setting]ethtool.Numbers{2: {ethtool.Rings: {"rx": 4096, "tx": 512}, ethtool.Channels: {"combined": 3}}},
		Sysctls: sysctl.Conf{"ipv4/rp_filter": 0, "ipv4/forwarding": 0},
	}
}

func TestObserveSettings(t *testing.T) {
	s := Observe(told())
	got := map[string]Settings{}
	for id, n := range s.Netdevs {
		if n.Settings != nil {
			got[id.String()] = n.Settings
		}
	}
	want := map[string]Settings{
		"pci/0000:3b:00.0/netdev":      {"alias": "to the left switch", "ethtool rings": "rx 4096 tx 512", "ethtool channels": "combined 3"},
		"pci/0000:3b:00.0/vf/1/netdev": {"mac": "02:00:00:00:00:09", "group": "7", "txqueuelen": "500", "altname storage": "present", "sysctl ipv4/rp_filter": "2"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if u := s.Netdevs[resource.OfLink("mv")].Upper; u == nil || u.MAC != "02:00:00:00:00:05" {
		t.Errorf("the macvlan is made of %+v", u)
	}
	if u := s.Netdevs[resource.OfLink("v1.70")].Upper; u == nil || u.MAC != "" || len(u.Data) == 0 {
		t.Errorf("the VLAN is made of %+v", u)
	}
	if u := s.Netdevs[resource.OfLink("tun")].Upper; u != nil {
		t.Errorf("a macsec, whose keys nobody tells, is made of %+v", u)
	}
	// The journal has it as it is.
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, back, cmp.Transformer("items", func(i Item) string { return i.attribute() })); d != "" {
		t.Errorf("it is read back otherwise (-was +is)\n%s", d)
	}
}

func TestDiffSettings(t *testing.T) {
	have := Observe(told())
	vf, pf := resource.OfNetdev(oneVF), resource.OfNetdev(onePF)
	without := func(ids ...resource.ID) State {
		s := Observe(told())
		for _, id := range ids {
			delete(s.Netdevs, id)
		}
		return s
	}
	bare := func(id resource.ID) State {
		s := Observe(told())
		n := s.Netdevs[id]
		n.Settings = nil
		s.Netdevs[id] = n
		return s
	}
	for name, c := range map[string]struct {
		have    State
		effects step.Effects
	}{
		"nothing":    {have, nil},
		"vf-remade":  {have, step.Effects{{Kind: step.Remade, On: vf, For: step.Apply}}},
		"vf-gone":    {have, step.Effects{{Kind: step.Gone, On: vf, For: step.ForGood}}},
		"pf-reset":   {have, step.Effects{{Kind: step.Reset, On: pf}}},
		"vf-down":    {have, step.Effects{{Kind: step.Down, On: vf, For: step.Moment}}},
		"mv-down":    {have, step.Effects{{Kind: step.Down, On: resource.OfLink("mv"), For: step.Moment}}},
		"killed":     {without(resource.OfLink("v1.70"), resource.OfLink("mv"), resource.OfLink("mv.8")), nil},
		"killed-all": {without(vf, resource.OfLink("v1.70"), resource.OfLink("mv"), resource.OfLink("mv.8")), nil},
		"bare":       {bare(vf), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Diff(c.have, Fill(State{}, have, c.effects), c.effects, step.Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden.Text(t, "testdata/settings/"+name+".txt", golden.Format(r))
		})
	}
}

// What a profile tells a driver (package tuning) is not told it by what is carried.
func TestCarriedBesidesWhatIsTold(t *testing.T) {
	pf, vf := resource.OfNetdev(onePF), resource.OfNetdev(oneVF)
	have := Observe(told())
	n := have.Netdevs[pf]
	n.Settings = maps.Clone(n.Settings)
	n.Settings[attrFeatures] = "off: rx-lro tx-nocache-copy"
	have.Netdevs[pf] = n
	n = have.Netdevs[vf]
	n.MTU = 9000
	have.Netdevs[vf] = n
	effects := step.Effects{{Kind: step.Reset, On: pf}, {Kind: step.Remade, On: vf, For: step.Apply}}
	want := Fill(State{Told: map[resource.ID][]string{
		pf: {"channels combined", "features rx-gro", "features rx-lro", "rings rx"}, vf: {"mtu"},
	}}, have, effects)
	r, err := Diff(have, want, effects, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/settings/told.txt", golden.Format(r))
}

// A rollback puts back what its operation touched, and nothing else.
func TestKeepSettings(t *testing.T) {
	vf := resource.OfNetdev(oneVF)
	kept := Keep(Observe(told()), func(id resource.ID, attribute string) bool { return id == vf && attribute == "group" })
	if len(kept.Netdevs) != 1 || !cmp.Equal(kept.Netdevs[vf].Settings, Settings{"group": "7"}) {
		t.Errorf("kept %+v", kept)
	}
}

func TestSettingsAreSetInOrder(t *testing.T) {
	s := Settings{"sysctl ipv4/x": "1", "features": "all on", "ethtool rings": "", "ethtool channels": "", "altname b": "", "altname a": "", "mac": ""}
	want := []string{"mac", "altname a", "altname b", "ethtool channels", "ethtool rings", "features", "sysctl ipv4/x"}
	if got := s.sorted(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, a := range []string{"address 192.0.2.1/24", "master", "up", "", "macs"} {
		if isSetting(a) {
			t.Errorf("%q is a setting", a)
		}
	}
	if !strings.HasPrefix(s.sorted()[1], attrAltname) {
		t.Error("an altname has no name")
	}
}

func TestWhoseMACIsPutBack(t *testing.T) {
	a, b := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	vf, pf, rep := resource.OfNetdev(oneVF), resource.OfNetdev(onePF), resource.OfRepresentor(oneVF)
	for name, c := range map[string]struct {
		link rtlink.Link
		id   resource.ID
		want bool
	}{
		"a VF's of its own":               {rtlink.Link{MAC: a, PermMAC: a}, vf, false},
		"a VF's, set by hand":             {rtlink.Link{MAC: a, PermMAC: b}, vf, true},
		"a VF's, taken at random":         {rtlink.Link{MAC: a}, vf, true},
		"a representor's, at random":      {rtlink.Link{MAC: a}, rep, false},
		"an uplink's, set by hand":        {rtlink.Link{MAC: a, PermMAC: b}, pf, true},
		"an uplink's, which the bond set": {rtlink.Link{MAC: a, PermMAC: b, SlaveKind: "bond"}, pf, false},
	} {
		if got := ownMAC(c.link, c.id); got != c.want {
			t.Errorf("%s: put back %v, want %v", name, got, c.want)
		}
	}
}

// What an interrupted operation was to put back is put back by the next, also where what lost it is done already.
func TestSettingsOfAnInterruptedOperation(t *testing.T) {
	id, attribute := resource.OfNetdev(onePF), attrEthtool+string(ethtool.Coalesce)
	state := func(value string) State {
		return State{Netdevs: map[resource.ID]Netdev{id: {Name: "p0", Settings: Settings{attribute: value}}}}
	}
	again := map[resource.ID][]string{id: {attribute}}
	for name, c := range map[string]struct {
		was, is string
		again   map[resource.ID][]string
		steps   int
	}{
		"it is so":                        {"rx-usecs 8", "rx-usecs 8", again, 0},
		"it is not, and nobody was at it": {"rx-usecs 8", "rx-usecs 0", nil, 0},
		"it is not":                       {"rx-usecs 8", "rx-usecs 0", again, 1},
		"another was to be put back":      {"rx-usecs 8", "rx-usecs 0", map[resource.ID][]string{id: {attrFeatures}}, 0},
		"the driver does not take it":     {"adaptive-rx 1 rx-usecs 8", "adaptive-rx 1 rx-usecs 0", again, 0},
		"it is not adaptive":              {"adaptive-rx 1 rx-usecs 8", "adaptive-rx 0 rx-usecs 8", again, 1},
		"the mode has it no more":         {"cqe-size 64 rx-usecs 8", "rx-usecs 8", again, 0},
	} {
		before := state(c.was)
		before.Again = c.again
		r, err := Diff(state(c.is), Fill(State{}, before, nil), nil, step.Options{})
		if err != nil || len(r.Steps) != c.steps || c.steps > 0 && r.Steps[0].To.Str() != c.was {
			t.Errorf("%s: %v, %v", name, r.Steps, err)
		}
	}
}

// A VLAN that a profile had made and took away is not made again because it was there before.
func TestAVLANThatAProfileTookAway(t *testing.T) {
	id, lower := resource.OfLink("mgmt"), resource.OfBond("bond0")
	for name, c := range map[string]struct {
		alias string
		steps int
	}{
		"a profile's": {step.AliasOf("me"), 0},
		"somebody's":  {"management", 2}, // and its alias
	} {
		bond := Netdev{Name: "bond0", Kind: "bond", Up: true}
		before := State{Netdevs: map[resource.ID]Netdev{
			lower: bond, id: {Name: "mgmt", Kind: "vlan", Lower: lower, Upper: &Upper{}, Settings: Settings{attrAlias: c.alias}},
		}}
		r, err := Diff(State{Netdevs: map[resource.ID]Netdev{lower: bond}}, Fill(State{}, before, nil), nil, step.Options{Owner: "me"})
		if err != nil || len(r.Steps) != c.steps {
			t.Errorf("%s: %v, %v", name, r.Steps, err)
		}
	}
}

// The kernel lowers the MTU of a VLAN with that of the netdev below: that is a step, and a rollback raises it again.
func TestTheMTUOfAVLAN(t *testing.T) {
	id, lower := resource.OfLink("bond0.7"), resource.OfBond("bond0")
	state := func(mtu int) State {
		return State{Netdevs: map[resource.ID]Netdev{
			lower: {Name: "bond0", Kind: "bond", MTU: 9000, Up: true}, id: {Name: "bond0.7", Kind: "vlan", Lower: lower, MTU: mtu, Up: true, Upper: &Upper{}},
		}}
	}
	again := map[resource.ID][]string{id: {attrMTU}}
	rollback := step.Options{Owner: "me", Only: func(resource.ID) bool { return true }}
	for name, c := range map[string]struct {
		was, is, below int
		again          map[resource.ID][]string
		told           map[resource.ID][]string
		opt            step.Options
		want           string
	}{
		"lowered":                 {9000, 9000, 1500, nil, nil, step.Options{}, "link/bond0.7 mtu: 9000 -> 1500"},
		"it fits":                 {1500, 1500, 9000, nil, nil, step.Options{}, ""},
		"below is left alone":     {9000, 9000, 0, nil, nil, step.Options{}, ""},
		"somebody has lowered it": {9000, 1400, 9000, nil, nil, step.Options{}, ""},
		"the profile says it":     {9000, 9000, 1500, nil, again, step.Options{}, ""},
		"an interrupted apply's":  {9000, 1500, 9000, again, nil, step.Options{}, "link/bond0.7 mtu: 1500 -> 9000"},
		"and it stays lowered":    {9000, 1500, 1500, again, nil, step.Options{}, ""},
		"taken back":              {9000, 1500, 9000, nil, nil, rollback, "link/bond0.7 mtu: 1500 -> 9000"},
		"taken back, not touched": {0, 1500, 9000, nil, nil, rollback, ""},
	} {
		before := state(c.was)
		before.Again = c.again
		want := Fill(State{Told: c.told}, before, nil)
		if c.below > 0 {
			want.MTUs = map[resource.ID]int{lower: c.below}
		}
		r, err := Diff(state(c.is), want, nil, c.opt)
		got := ""
		for _, s := range r.Steps {
			got += s.String()
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
