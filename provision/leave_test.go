// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func TestLeave(t *testing.T) {
	const pf, other = pci.Address("0000:3b:00.0"), pci.Address("0000:3b:00.1")
	port, vf, netdev := resource.OfFunction(pci.PF(pf)), resource.OfFunction(pci.VF(pf, 1)), resource.OfNetdev(pci.VF(pf, 1))
	bond, bridge := resource.OfBond("bond0"), resource.OfBridge("br0")
	uplink := resource.OfNetdev(pci.PF(other))
	portOfBond := resource.OfSwitchPort("br0", "bond/bond0")
	for name, c := range map[string]struct {
		steps []step.Step
		leave []resource.ID
		stay  []resource.ID // whose steps are done
	}{
		"nothing": {
			steps: []step.Step{{Resource: vf}, {Resource: bond}},
			stay:  []resource.ID{vf, bond},
		},
		"one of two": {
			steps: []step.Step{{Resource: vf}, {Resource: bond}},
			leave: []resource.ID{vf}, stay: []resource.ID{bond},
		},
		"all of a port": {
			steps: []step.Step{{Resource: port}, {Resource: vf}, {Resource: netdev}, {Resource: uplink}},
			leave: []resource.ID{port}, stay: []resource.ID{uplink},
		},
		"a netdev alone": {
			steps: []step.Step{{Resource: vf}, {Resource: netdev}},
			leave: []resource.ID{netdev}, stay: []resource.ID{vf},
		},
		"what its step has an effect on, also before it": {
			steps: []step.Step{{Resource: uplink}, {Resource: bond, Effects: []step.Effect{{Kind: step.Joins, On: uplink, From: bond}}}, {Resource: portOfBond}, {Resource: bridge}},
			leave: []resource.ID{bond}, stay: []resource.ID{bridge},
		},
		"whose traffic stops is another's": {
			steps: []step.Step{{Resource: bond, Effects: []step.Effect{step.Stop(uplink, step.Moment, "traffic")}}, {Resource: uplink}},
			leave: []resource.ID{bond}, stay: []resource.ID{uplink},
		},
		"ports of a bridge": {
			steps: []step.Step{{Resource: bridge}, {Resource: portOfBond}, {Resource: resource.OfSwitchPort("br1", "bond/bond0")}},
			leave: []resource.ID{bridge}, stay: []resource.ID{resource.OfSwitchPort("br1", "bond/bond0")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := Plan{Steps: slices.Clone(c.steps)}
			ids := map[resource.ID]bool{}
			for _, id := range c.leave {
				ids[id] = true
			}
			out := p.Leave(ids)
			var stay []resource.ID
			for _, s := range p.Steps {
				stay = append(stay, s.Resource)
			}
			if !slices.Equal(stay, c.stay) || len(out)+len(stay) != len(c.steps) {
				t.Errorf("done are those of %v, want %v; %d are left out", stay, c.stay, len(out))
			}
			for _, s := range out {
				if !p.leaves(s.Resource) {
					t.Errorf("%s is left out, and still expected", s.Resource)
				}
			}
		})
	}
}

func TestDisrupts(t *testing.T) {
	id := resource.OfBond("bond0")
	p := Plan{Steps: []step.Step{
		{Resource: id, Attribute: "quiet", Effects: []step.Effect{{Kind: step.LetGo, On: id}}},
		{Resource: id, Attribute: "mtu", Effects: []step.Effect{{Kind: step.Down, On: id, For: step.Moment}}},
	}}
	got := p.Disrupts()
	if len(got) != 1 || !strings.Contains(got[0], "bond/bond0 goes down, for a moment") || !strings.Contains(got[0], "mtu") {
		t.Errorf("got %q", got)
	}
}

func TestHeld(t *testing.T) {
	dir := t.TempDir()
	held := func(want bool) {
		t.Helper()
		if got, err := Held(dir); err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	held(false) // there is no lock file, and none is made
	lock, err := TakeLock(dir, []string{"nicwright", "apply"})
	if err != nil {
		t.Fatal(err)
	}
	held(true)
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	held(false)
	if lock, err = TakeLock(dir, nil); err != nil {
		t.Fatalf("having asked keeps the lock: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}
