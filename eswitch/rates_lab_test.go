// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
)

// rates are what the devlink tool shows: of a PF's nodes by name, of its VFs by number.
func rates(t *testing.T, pf pci.Address) (nodes map[string]string, vfs map[int]string) {
	t.Helper()
	var ports struct {
		Port map[string]struct {
			Flavour string
			VFNum   int
		}
	}
	ask(t, &ports, "devlink", "-j", "port", "show")
	var all struct {
		Rate map[string]struct {
			Type, Parent string
			TxMax        int64 `json:"tx_max"`
			TxShare      int64 `json:"tx_share"`
		}
	}
	ask(t, &all, "devlink", "-j", "port", "function", "rate", "show")
	nodes, vfs = map[string]string{}, map[int]string{}
	for name, r := range all.Rate {
		own, ok := strings.CutPrefix(name, "pci/"+string(pf)+"/")
		switch {
		case !ok:
		case r.Type == "node":
			nodes[own] = fmt.Sprintf("%d %d", r.TxMax, r.TxShare)
		case ports.Port[name].Flavour == "pcivf":
			vfs[ports.Port[name].VFNum] = r.Parent
		}
	}
	return nodes, vfs
}

// That the card keeps to them is in lab/connectx/tests/rates.sh.
func TestRateGroups(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	base := PortSpec{VFs: ptr(2), Mode: ptr(switchdev), Functions: each(2, FunctionSpec{Driver: ptr("none")})}
	bring(ctx, t, map[pci.Address]PortSpec{p.Address: base})
	if out, err := exec.Command("devlink", "port", "function", "rate", "add", "pci/"+string(p.Address)+"/theirs", "tx_max", "7mbit").CombinedOutput(); err != nil {
		t.Fatalf("devlink port function rate add: %v: %s", err, out)
	}
	before := observeCard(ctx, t).Ports[0].Spec()
	is := func(nodes map[string]string, vfs map[int]string) {
		t.Helper()
		n, v := rates(t, p.Address)
		have, _ := json.Marshal([]any{n, v})
		want, _ := json.Marshal([]any{nodes, vfs})
		if string(have) != string(want) {
			t.Errorf("devlink says %s, not %s", have, want)
		}
	}

	want := base
	want.RateGroups = []RateGroup{{Name: "gold", TxMax: 200, TxShare: 10}, {Name: "rest"}}
	want.Functions = map[int]FunctionSpec{0: {RateGroup: ptr("gold")}, 1: {RateGroup: ptr("rest")}}
	bring(ctx, t, map[pci.Address]PortSpec{p.Address: want})
	is(map[string]string{"gold": "25000000 1250000", "rest": "0 0", "theirs": "875000 0"}, map[int]string{0: "gold", 1: "rest"})

	// One limit, and a VF that goes elsewhere.
	want.RateGroups[0].TxMax = 100
	want.Functions[1] = FunctionSpec{RateGroup: ptr(NoGroup)}
	bring(ctx, t, map[pci.Address]PortSpec{p.Address: want})
	is(map[string]string{"gold": "12500000 1250000", "rest": "0 0", "theirs": "875000 0"}, map[int]string{0: "gold", 1: ""})

	// A new count takes them from the card, and they are made again, others' too.
	now := observeCard(ctx, t).Ports[0].Spec()
	bring(ctx, t, map[pci.Address]PortSpec{p.Address: PortSpec{VFs: ptr(3)}.Fill(now)})
	is(map[string]string{"gold": "12500000 1250000", "rest": "0 0", "theirs": "875000 0"}, map[int]string{0: "gold", 1: "", 2: ""})

	// Rollback.
	bring(ctx, t, map[pci.Address]PortSpec{p.Address: before})
	is(map[string]string{"theirs": "875000 0"}, map[int]string{0: "", 1: ""})
}
