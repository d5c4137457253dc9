// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// portFunctions are the functions of a PF's VFs, as the devlink tool shows them.
func portFunctions(t *testing.T, pf pci.Address) map[int]map[string]any {
	t.Helper()
	var ports struct {
		Port map[string]struct {
			Flavour  string
			VFNum    int
			Function map[string]any
		}
	}
	ask(t, &ports, "devlink", "-j", "port", "show")
	all := map[int]map[string]any{}
	for name, p := range ports.Port {
		if p.Flavour == "pcivf" && strings.HasPrefix(name, "pci/"+string(pf)+"/") {
			all[p.VFNum] = p.Function
		}
	}
	return all
}

// That a VF then has fewer channels is in lab/connectx/tests/functions.sh: it takes a machine with more than one processor.
func TestPortFunctionAttributes(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	spec := func(vfs int, functions map[int]FunctionSpec) map[pci.Address]PortSpec {
		return map[pci.Address]PortSpec{p.Address: {VFs: &vfs, Mode: ptr(switchdev), Functions: functions}}
	}
	bring(ctx, t, spec(2, each(2, FunctionSpec{Driver: ptr("mlx5_core")})))
	before := observeCard(ctx, t).Ports[0]
	if _, has := before.VFs[0].Caps[attrMigratable]; !has || before.VFs[0].MaxIOEQs == nil {
		t.Fatalf("the card grants VFs neither migratable nor max_io_eqs: %+v", before.VFs[0])
	}
	set := FunctionSpec{Driver: ptr("mlx5_core"), RoCE: ptr(false), Migratable: ptr(true), MaxIOEQs: ptr(1)}
	want := spec(2, map[int]FunctionSpec{0: {Driver: ptr("mlx5_core")}, 1: set})
	bring(ctx, t, want)
	says := func(n int, roce, migratable string, eqs any) {
		t.Helper()
		f := portFunctions(t, p.Address)[n]
		if f["roce"] != roce || f["migratable"] != migratable || eqs != nil && fmt.Sprint(f["max_io_eqs"]) != fmt.Sprint(eqs) {
			t.Errorf("VF %d: devlink says %v, not roce %s, migratable %s, max_io_eqs %v", n, f, roce, migratable, eqs)
		}
	}
	says(0, "enable", "disable", *before.VFs[0].MaxIOEQs)
	says(1, "disable", "enable", 1)

	// A new count makes the VF anew, and what was set of it is set again.
	now := observeCard(ctx, t).Ports[0].Spec()
	bring(ctx, t, map[pci.Address]PortSpec{p.Address: PortSpec{VFs: ptr(3), Mode: ptr(switchdev)}.Fill(now)})
	says(1, "disable", "enable", 1)
	says(2, "enable", "disable", nil)

	// Rollback: as at first.
	bring(ctx, t, map[pci.Address]PortSpec{p.Address: before.Spec()})
	for n := range 2 {
		says(n, "enable", "disable", *before.VFs[n].MaxIOEQs)
	}

	// What the card has not.
	r, err := Diff([]Card{observeCard(ctx, t)}, spec(2, each(2, FunctionSpec{MaxIOEQs: ptr(60000)})), step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := run(ctx, r.Steps); err == nil || !strings.Contains(err.Error(), "max_io_eqs to 60000") || !strings.Contains(err.Error(), "the kernel says: ") {
		t.Errorf("60000 event queues: %v", err)
	} else {
		t.Log(err)
	}
}
