// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) {
	const address = pci.Address("0001:3b:00.0")
	pf, vf := pci.PF(address), pci.VF(address, 3)
	on, off := true, false
	changeable := func(active bool) Feature { return Feature{Hardware: true, Wanted: active, Active: active} }
	fixed := func(active bool) Feature { return Feature{Active: active, Fixed: true} }
	for _, c := range []struct {
		name     string
		function pci.Function
		have     map[string]Feature // nil: it has no netdev
		want     Spec
		replaced bool
		steps    string // one a line
		err      string
	}{
		{"as it is", vf, map[string]Feature{featTLSTx: changeable(true)}, Spec{TLSTx: &on}, false, "", ""},
		{"what is not named is left alone", vf, map[string]Feature{featTLSTx: changeable(true), featTC: changeable(true)}, Spec{}, false, "", ""},
		{
			"off to on, in the order of setting", vf,
			map[string]Feature{featTLSTx: changeable(false), featTLSRx: changeable(false), featTC: changeable(false)},
			Spec{TLSRx: &on, TLSTx: &on, TC: &on},
			false,
			"pci/0001:3b:00.0/vf/3 hw-tc-offload: off -> on\npci/0001:3b:00.0/vf/3 tls-hw-tx-offload: off -> on\npci/0001:3b:00.0/vf/3 tls-hw-rx-offload: off -> on", "",
		},
		{"no netdev yet", vf, nil, Spec{TLSTx: &on}, false, "pci/0001:3b:00.0/vf/3 tls-hw-tx-offload: (none) -> on", ""},
		{"a netdev that is made again has to be set again", vf, map[string]Feature{featTLSTx: changeable(true)}, Spec{TLSTx: &on}, true, "pci/0001:3b:00.0/vf/3 tls-hw-tx-offload: (none) -> on", ""},
		{"fixed on is what is wanted", pf, map[string]Feature{featESP: fixed(true)}, Spec{ESP: &on}, false, "", ""},
		{"fixed off and wanted off", pf, map[string]Feature{featTLSTx: fixed(false)}, Spec{TLSTx: &off}, false, "", ""},
		{"TLS on an uplink", pf, map[string]Feature{featTLSTx: fixed(false)}, Spec{TLSTx: &on}, false, "", "NW101"},
		{"TLS on a VF of a driver without it", vf, map[string]Feature{featTLSTx: fixed(false)}, Spec{TLSTx: &on}, false, "", "MLX5_EN_TLS"},
		{"ESP without a card for it", vf, map[string]Feature{featESP: fixed(false)}, Spec{ESP: &on}, false, "", "MLX5_EN_IPSEC"},
		{"ESP cannot be switched off", vf, map[string]Feature{featESP: fixed(true)}, Spec{ESP: &off}, false, "", "fixed on"},
		{"fixed now, but the netdev is made again", pf, map[string]Feature{featTLSTx: fixed(false)}, Spec{TLSTx: &on}, true, "pci/0001:3b:00.0 tls-hw-tx-offload: (none) -> on", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := map[pci.Function]State{}
			if c.have != nil {
				have[c.function] = State{Netdev: "x", Features: c.have}
			}
			steps, err := Diff(have, map[pci.Function]Spec{c.function: c.want}, step.Replaced{c.function.String(): c.replaced})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want an error about %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, s := range steps {
				lines = append(lines, s.String())
				if s.Phase != step.Offload || s.Device != string(address) || s.Domain != domain || s.Group != c.function.String() {
					t.Errorf("the step is filed wrongly: %+v", s)
				}
			}
			if got := strings.Join(lines, "\n"); got != c.steps {
				t.Errorf("got\n%s\nwant\n%s", got, c.steps)
			}
		})
	}
}

// To want what was observed changes nothing: a rollback to the present is empty.
func TestSpecOfAStateIsNoStep(t *testing.T) {
	f := pci.PF("0001:3b:00.0")
	s := State{Netdev: "x", Features: map[string]Feature{
		featTLSTx: {Hardware: true, Wanted: true, Active: false}, featTLSRx: {Hardware: true},
		featESP: {Active: true, Fixed: true}, featTC: {Hardware: true, Wanted: true, Active: true},
	}}
	spec := s.Spec()
	if spec.ESP != nil || spec.TC == nil || !*spec.TC {
		t.Errorf("got %+v", spec)
	}
	steps, err := Diff(map[pci.Function]State{f: s}, map[pci.Function]Spec{f: spec}, nil)
	if err != nil || len(steps) != 0 {
		t.Errorf("got %v, %v", steps, err)
	}
}
