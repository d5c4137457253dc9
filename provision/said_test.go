// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// addressed is a model host whose second uplink has somebody's address.
type addressed struct {
	*flow
	id resource.ID
}

func newAddressed(t *testing.T) addressed {
	t.Helper()
	a := addressed{&flow{t: t, m: newModel(t, "bare"), boot: "one"}, resource.OfNetdev(pci.PF("0001:3b:00.1"))}
	a.m.Port("0001:3b:00.1").Up = true
	a.m.sync()
	a.somebody("address 10.9.9.9/24")
	return a
}

func (a addressed) somebody(attributes ...string) {
	a.t.Helper()
	for _, attribute := range attributes {
		if err := a.m.hostnet([]step.Step{{Resource: a.id, Attribute: attribute, To: step.Text("present")}}); err != nil {
			a.t.Fatal(err)
		}
	}
}

// apply applies a profile that says these addresses.
func (a addressed) apply(addresses ...string) *Plan {
	a.t.Helper()
	want := &profiles.Want{Profile: "p", Ports: map[pci.Address]eswitch.PortSpec{"0001:3b:00.1": {}}}
	if len(addresses) > 0 {
		want.Net.Said = map[resource.ID]hostnet.AddressSpec{a.id: {Addresses: addresses}}
	}
	plan, err := a.look().Apply(want, journal.Profile{Name: "p"}, Allowed{})
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.walk(plan, -1); err != nil {
		a.t.Fatal(err)
	}
	return plan
}

func (a addressed) does(plan *Plan, err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.walk(plan, -1); err != nil {
		a.t.Fatal(err)
	}
}

func (a addressed) has(when string, want ...string) {
	a.t.Helper()
	var is []string
	for _, i := range a.m.Net.Netdevs[a.id].Items {
		is = append(is, i.Text)
	}
	slices.Sort(is)
	if d := cmp.Diff(want, is); d != "" {
		a.t.Errorf("%s (-want +is):\n%s", when, d)
	}
}

const addrOne, addrTwo, addrTheirs = "192.0.2.10/24", "192.0.2.11/24", "10.9.9.9/24"

// What operations put there, and what they took away again, comes and goes with them; somebody's stays.
func TestSaidAcrossOperations(t *testing.T) {
	a := newAddressed(t)
	a.apply(addrOne, addrTwo)
	a.has("both are said", addrTheirs, addrOne, addrTwo)
	a.apply(addrTwo)
	a.has("one is said no more", addrTheirs, addrTwo)
	a.apply()
	a.has("none is said", addrTheirs)
	a.does(a.look().Rollback("", Allowed{}))
	a.has("none was said, taken back", addrTheirs, addrTwo)
	a.does(a.look().Rollback("", Allowed{}))
	a.has("one was said, taken back", addrTheirs, addrOne, addrTwo)
	a.apply(addrOne)
	a.apply(addrOne, addrTwo)
	a.apply(addrTheirs, addrTwo)
	a.has("somebody's is said too", addrTheirs, addrTwo)
	a.apply(addrTwo)
	a.has("and no more, and is somebody's", addrTheirs, addrTwo)
	a.does(a.look().Remove("p", Allowed{}))
	a.has("removed", addrTheirs)
}

// A boot takes all addresses: what is there after it before an apply is somebody's.
func TestSaidAfterABoot(t *testing.T) {
	a := newAddressed(t)
	a.apply(addrOne, addrTwo)
	n := a.m.Net.Netdevs[a.id]
	n.Items = nil
	a.m.Net.Netdevs[a.id] = n
	a.boot = "two"
	a.somebody("address "+addrTheirs, "address "+addrOne)
	a.apply(addrOne, addrTwo)
	a.has("after the boot", addrTheirs, addrOne, addrTwo)
	a.does(a.look().Remove("p", Allowed{}))
	a.has("what somebody put there at the boot stays", addrTheirs, addrOne)
}

// A plan that takes an address or a default route away cuts off those who come by it.
func TestWhatIsSaidNoMoreCuts(t *testing.T) {
	a := newAddressed(t)
	a.apply(addrOne)
	want := &profiles.Want{Profile: "p", Ports: map[pci.Address]eswitch.PortSpec{"0001:3b:00.1": {}}}
	r := a.look()
	plan, err := r.Apply(want, journal.Profile{Name: "p"}, Allowed{})
	if err != nil {
		t.Fatal(err)
	}
	cuts := plan.Cuts(&r.Have, []Way{{"the ssh session from 192.0.2.7", a.id}, {"another", resource.OfLink("eno1")}})
	if len(cuts) != 1 || cuts[0].Whose != "the ssh session from 192.0.2.7" || !strings.Contains(cuts[0].Effect.Words(), "what uses the address 192.0.2.10/24") {
		t.Errorf("it cuts off %+v", cuts)
	}
	if d := plan.Disrupts(); len(d) != 1 || !strings.Contains(d[0], "192.0.2.10/24") {
		t.Errorf("it disrupts %q", d)
	}
}

// A saved plan is held against the profile that it was made of.
func TestSavedPlanThatTakesAway(t *testing.T) {
	a := newAddressed(t)
	a.apply(addrOne, addrTwo)
	want := &profiles.Want{Profile: "p", Ports: map[pci.Address]eswitch.PortSpec{"0001:3b:00.1": {}}, Net: hostnet.State{Said: map[resource.ID]hostnet.AddressSpec{a.id: {Addresses: []string{addrTwo}}}}}
	plan, err := a.look().Apply(want, journal.Profile{Name: "p"}, Allowed{})
	if err != nil || len(plan.Steps) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	again, err := a.look().Saved(plan)
	if err != nil || again.Profile.Hash != HashOf(want) {
		t.Errorf("the saved plan is one of another profile, or does not hold: %v", err)
	}
}
