// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
)

func TestDriftsOf(t *testing.T) {
	vf := resource.OfFunction(pci.VF("0000:3b:00.0", 3))
	change := func(from, to step.Value) step.Step {
		return step.Step{Resource: vf, Attribute: "driver", From: from, To: to}
	}
	mlx5, none := step.Text("mlx5_core"), step.Absent()
	for name, c := range map[string]struct {
		steps []step.Step
		want  []Drift
	}{
		"nothing":            {},
		"one":                {[]step.Step{change(none, mlx5)}, []Drift{{Have: none, Want: mlx5}}},
		"there and back":     {[]step.Step{change(mlx5, none), change(none, mlx5)}, nil},
		"there and further":  {[]step.Step{change(mlx5, none), change(none, step.Text("vfio-pci"))}, []Drift{{Have: mlx5, Want: step.Text("vfio-pci")}}},
		"unknown to unknown": {[]step.Step{change(step.Unknown(), step.Unknown())}, []Drift{{Have: step.Unknown(), Want: step.Unknown()}}},
	} {
		var want []Drift
		for _, d := range c.want {
			d.Profile, d.Resource, d.Attribute = "p", vf, "driver"
			want = append(want, d)
		}
		var got []Drift
		for _, d := range driftsOf("p", c.steps) {
			got = append(got, d)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	a := Drift{Profile: "p", Resource: bond0, Attribute: "mtu", Have: step.Text("1500"), Want: step.Text("9000")}
	other := a
	other.Have = step.Text("1400")
	b := Drift{Profile: "p", Resource: br0, Attribute: "bridge", Want: step.Text("present")}
	of := func(drifts ...Drift) map[key]Drift {
		all := map[key]Drift{}
		for _, d := range drifts {
			all[d.key()] = d
		}
		return all
	}
	for name, c := range map[string]struct {
		before, now map[key]Drift
		want        []string
	}{
		"nothing":  {of(), of(), nil},
		"the same": {of(a, b), of(b, a), nil},
		"began":    {nil, of(b, a), []string{"p: began: bond/bond0 mtu: 1500, want 9000", "p: began: ovs/br0 bridge: (none), want present"}},
		"ended":    {of(a, b), of(b), []string{"p: ended: bond/bond0 mtu: 9000, want 9000"}},
		"changed":  {of(a), of(other), []string{"p: changed: bond/bond0 mtu: 1400, want 9000"}},
	} {
		var got []string
		for _, e := range compare(c.before, c.now) {
			got = append(got, e.Words())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestLedger(t *testing.T) {
	l, p, now := ledger{}, place{"p", bond0}, time.Unix(0, 0)
	after := func(d time.Duration) { now = now.Add(d) }
	may := func(want bool) {
		t.Helper()
		if got, _ := l.may(p, now); got != want {
			t.Errorf("at %v: may be repaired: %v, want %v", now, got, want)
		}
	}
	may(true)
	if l.undone(p, now) {
		t.Error("undone before it was repaired")
	}
	l.tried(p, now, true)
	may(false)
	after(firstWait)
	may(true)
	first := l.undone(p, now)
	if again := l.undone(p, now); first || again || l[p].undone != 1 {
		t.Errorf("one repair that was undone once, and seen twice: %+v", l[p])
	}
	l.tried(p, now, true)
	after(firstWait)
	may(false)
	after(firstWait)
	may(true)
	after(holds) // it held
	if l.undone(p, now) || l[p] != nil {
		t.Errorf("a repair that held for an hour counts: %+v", l[p])
	}
	for n := range mostUndone {
		l.tried(p, now, true)
		after(time.Minute)
		if got := l.undone(p, now); got != (n == mostUndone-1) {
			t.Errorf("after %d repairs that were undone: a fight: %v", n+1, got)
		}
	}
	after(1000 * time.Hour)
	may(false)
	if ok, _ := l.may(place{"q", bond0}, now); !ok {
		t.Error("the same resource as another profile wants it")
	}
	l.forget("q")
	may(false)
	l.forget("p")
	may(true)
	for range 100 { // it fails, for ever
		l.tried(p, now, false)
	}
	if _, at := l.may(p, now); at.Sub(now) != longestWait {
		t.Errorf("after a hundred failures it waits for %v", at.Sub(now))
	}
}

func TestPacer(t *testing.T) {
	var p pacer
	start := time.Unix(0, 0)
	for name, c := range map[string]struct{ took, wait time.Duration }{
		"short":  {time.Millisecond, shortestPause},
		"usual":  {200 * time.Millisecond, 1800 * time.Millisecond},
		"length": {5 * time.Second, longestPause},
	} {
		ended := start.Add(c.took)
		p.looked(start, ended)
		if got := p.after(ended).Sub(ended); got != c.wait {
			t.Errorf("%s: after a look of %v the next in %v, want %v", name, c.took, got, c.wait)
		}
		if got := p.after(ended.Add(time.Minute)).Sub(ended); got != time.Minute+settle {
			t.Errorf("%s: after a rest in %v", name, got)
		}
	}
}

func TestSuspects(t *testing.T) {
	uplink := resource.OfNetdev(pci.PF("0000:3b:00.0"))
	s := hostnet.State{Netdevs: map[resource.ID]hostnet.Netdev{uplink: {Name: "p0", MasterName: "vmbr0", MasterKind: "bridge"}, bond0: {Name: "bond0"}}}
	for id, want := range map[resource.ID]string{
		uplink:                               "NetworkManager, which runs; vmbr0, the bridge that p0 is a port of",
		resource.OfFunction(uplink.Function): "NetworkManager, which runs; vmbr0, the bridge that p0 is a port of",
		bond0:                                "NetworkManager, which runs",
		resource.OfSwitchPort("br0", "bond/bond0"): "NetworkManager, which runs; who writes to the database of Open vSwitch (ovsdb-client monitor shows what)",
	} {
		if got := strings.Join(suspects(s, id, []string{"NetworkManager"}), "; "); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
	if got := suspects(s, bond0, nil); got != nil {
		t.Errorf("nobody: %q", got)
	}
}

func TestRunning(t *testing.T) {
	proc := t.TempDir()
	for pid, comm := range map[string]string{"1": "systemd", "20": "NetworkManager", "21": "systemd-network", "22": "NetworkManager", "self": "puppet"} {
		if err := errors.Join(os.Mkdir(filepath.Join(proc, pid), 0o755), os.WriteFile(filepath.Join(proc, pid, "comm"), []byte(comm+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(proc, "23"), 0o755); err != nil { // it ended
		t.Fatal(err)
	}
	if got := running(proc); !slices.Equal(got, []string{"NetworkManager", "systemd-networkd"}) {
		t.Errorf("%q run", got)
	}
	for comm := range managers() {
		if len(comm) > 15 {
			t.Errorf("the kernel keeps no name as long as %q", comm)
		}
	}
}

func TestSightOf(t *testing.T) {
	pf, vf := pci.PF("0000:3b:00.0"), pci.VF("0000:3b:00.0", 0)
	on := map[string]crypto.Feature{"tls-hw-tx-offload": {Active: true}}
	got := SightOf(provision.Host{
		Cards:   []eswitch.Card{{Ports: []eswitch.Port{{Address: pf.PF, NumVFs: 1}}}},
		Offload: map[pci.Function]crypto.State{pf: {Features: map[string]crypto.Feature{"hw-tc-offload": {Active: true}, "tls-hw-rx-offload": {}}}, vf: {Features: on}},
		Switch:  &ovs.State{Running: true},
	}, []netdev.Link{
		{Name: "p0", Index: 2, Function: pf},
		{Name: "v0", Index: 3, Function: vf},
		{Name: "r0", Index: 4, Function: vf, Representor: true},
		{Name: "other", Index: 5, Function: pci.PF("0000:01:00.0")},
	})
	want := Sight{OVS: true, VFs: map[pci.Function]int{pf: 1}, Netdevs: map[int]Netdev{
		2: {ID: resource.OfNetdev(pf), Name: "p0"}, 3: {ID: resource.OfNetdev(vf), Name: "v0", Offloads: true},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestNeeds(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		want profiles.Want
		says []string
	}{
		"a card alone": {profiles.Want{}, nil},
		"a switch":     {profiles.Want{OVS: &ovs.Spec{}}, []string{Switch}},
		"rules": {
			profiles.Want{OVS: &ovs.Spec{}, Flows: []flows.Spec{{Bridge: "br0"}, {Bridge: "br0", Priority: 1}, {Bridge: "br1"}}}, []string{Switch, "flows br0", "flows br1"},
		},
		"a bond":         {profiles.Want{Bonds: []bond.Spec{{Name: "b", TakeAddresses: &no}}}, nil},
		"a bond's own":   {profiles.Want{Net: hostnet.State{Said: map[resource.ID]hostnet.AddressSpec{resource.OfBond("b"): {Addresses: []string{"192.0.2.1/24"}}}}}, []string{Addresses}},
		"a bond's moves": {profiles.Want{OVS: &ovs.Spec{}, Bonds: []bond.Spec{{Name: "a"}, {Name: "b", TakeAddresses: &yes}}}, []string{Switch, Addresses}},
	} {
		if got := needs(&c.want); !slices.Equal(got, c.says) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestInForceIsTheLastOfEachProfile(t *testing.T) {
	op := func(id, profile string) *journal.Operation {
		return &journal.Operation{ID: id, Kind: journal.Apply, Outcome: journal.Done, Profile: journal.Profile{Name: profile}}
	}
	undone := op("4", "p")
	undone.UndoneBy = "5"
	ops := []*journal.Operation{op("1", "p"), op("2", "q"), op("3", "p"), undone}
	ids := func(h Host) (all []string) {
		for _, o := range h.inForce(ops) {
			all = append(all, o.ID)
		}
		return all
	}
	if got := ids(Host{}); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("all: %q", got)
	}
	if got := ids(Host{Only: "q"}); !slices.Equal(got, []string{"2"}) {
		t.Errorf("of q: %q", got)
	}
}

func TestRefuses(t *testing.T) {
	uplink := resource.OfNetdev(pci.PF("0000:3b:00.0"))
	quiet := []step.Step{{Resource: bond0, Attribute: "alias", From: step.Absent(), To: step.Text("x")}}
	loud := []step.Step{{Resource: uplink, Attribute: "mtu", From: step.Text("1500"), To: step.Text("9000"), Effects: []step.Effect{step.Stop(uplink, step.Moment, "all traffic of p0"), {Kind: step.Down, On: uplink}}}}
	for name, c := range map[string]struct {
		steps []step.Step
		host  Host
		says  string
	}{
		"quiet":                {quiet, Host{}, ""},
		"loud":                 {loud, Host{}, "all traffic of p0, for a moment"},
		"of two the other too": {loud, Host{}, "and 1 more"},
		"allowed":              {loud, Host{Disrupt: true}, ""},
	} {
		got, err := c.host.refuses(&provision.Road{}, &provision.Plan{Steps: c.steps, Profile: journal.Profile{Name: "p"}})
		if err != nil || (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
