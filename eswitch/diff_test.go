// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// In these cases want.yaml's "replaced" is what Diff has to say is replaced.
func TestDiff(t *testing.T) {
	golden.Diff(t, func(have []Card, want map[pci.Address]PortSpec, expected step.Replaced) ([]step.Step, error) {
		steps, replaced, err := Diff(have, want)
		if err != nil {
			return nil, err
		}
		if d := cmp.Diff(expected, replaced, cmpopts.EquateEmpty()); d != "" {
			return nil, fmt.Errorf("replaced differs (-want +got):\n%s", d)
		}
		for _, s := range steps {
			f, err := pci.ParseFunction(s.Resource)
			if err != nil || s.Device != string(f.PF) || s.Domain != "eswitch" {
				t.Errorf("a step that cannot be done: %+v (%v)", s, err)
			}
		}
		return steps, nil
	})
}

// What Spec says of a port is what the port is: nothing is left to do.
func TestSpecOfAPortIsWhatItIs(t *testing.T) {
	for name, p := range map[string]Port{
		"clean":            {Address: "0000:3b:00.0", Driver: "mlx5_core", TotalVFs: 8, Mode: "legacy", InlineMode: "none", EncapMode: "basic", Steering: "dmfs", Autoprobe: ptr(true)},
		"netdev elsewhere": {Address: "0000:3b:00.0", Driver: "mlx5_core", TotalVFs: 8, Mode: "switchdev"},
		"unlike VFs": {
			Address: "0000:3b:00.0", Driver: "mlx5_core", Netdev: "ens1", MTU: 1500, TotalVFs: 8, NumVFs: 2, Mode: "switchdev", Autoprobe: ptr(false),
			VFs: []VF{
				{Index: 0, Address: "0000:3b:00.2", Driver: "mlx5_core", Representor: &Representor{Netdev: "a", Up: true, MTU: 1500}},
				{Index: 1, Address: "0000:3b:00.3", Representor: &Representor{Netdev: "b", MTU: 1500}},
			},
		},
		"alike VFs": {
			Address: "0000:3b:00.0", Driver: "mlx5_core", TotalVFs: 8, NumVFs: 2, Mode: "switchdev",
			VFs: []VF{
				{Index: 0, Address: "0000:3b:00.2", Driver: "vfio-pci", Representor: &Representor{Netdev: "a", Up: true, MTU: 1500}},
				{Index: 1, Address: "0000:3b:00.3", Driver: "vfio-pci", Representor: &Representor{Netdev: "b", Up: true, MTU: 9000}},
			},
		},
		"netdevsim": {Address: "netdevsim/netdevsim1", Driver: "netdevsim", TotalVFs: 4, NumVFs: 1, Mode: "legacy", VFs: []VF{{}}},
	} {
		steps, replaced, err := Diff([]Card{{Ports: []Port{p}}}, map[pci.Address]PortSpec{p.Address: p.Spec()})
		if err != nil || len(steps) != 0 || len(replaced) != 0 {
			t.Errorf("%s: %v, replaced %v, %v", name, steps, replaced, err)
		}
	}
}

func TestSpecHasOnlyWhatAllVFsShare(t *testing.T) {
	p := Port{NumVFs: 3, VFs: []VF{
		{Address: "0000:3b:00.2", Driver: "vfio-pci", Representor: &Representor{Up: true, MTU: 1500}},
		{Address: "0000:3b:00.3", Driver: "vfio-pci", Representor: &Representor{Up: true, MTU: 9000}},
		{Address: "0000:3b:00.4", Driver: "vfio-pci"},
	}}
	want := FunctionSpec{Driver: ptr("vfio-pci")}
	if d := cmp.Diff(want, p.Spec().VF); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestFillLeavesRepresentorsToSwitchdev(t *testing.T) {
	before := PortSpec{Mode: ptr(switchdev), VFs: ptr(4), VF: FunctionSpec{RepresentorUp: ptr(true), Driver: ptr("none")}}
	got := PortSpec{Mode: ptr(legacy)}.Fill(before)
	want := PortSpec{Mode: ptr(legacy), VFs: ptr(4), VF: FunctionSpec{Driver: ptr("none")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := (PortSpec{}).Fill(before); got.VF.RepresentorUp == nil {
		t.Error("a port that stays in switchdev lost representor-up")
	}
}
