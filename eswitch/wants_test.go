// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

func p[T any](v T) *T { return &v }

func TestFill(t *testing.T) {
	legacyVF := FunctionSpec{Driver: p("pci-stub"), MAC: p("02:00:00:00:00:01"), VLAN: p(100), MaxTxRate: p(5)}
	inLegacy := PortSpec{Mode: p(legacy), VFs: p(2), MTU: p(9000), Up: p(true), TakeFrom: p("br0"), Functions: map[int]FunctionSpec{0: legacyVF, 1: {Driver: p("none")}}}
	inSwitchdev := PortSpec{Mode: p(switchdev), VFs: p(1), Functions: map[int]FunctionSpec{0: {Driver: p("none"), RepresentorUp: p(true), IPsecCrypto: p(true)}}}
	kept := legacyVF
	kept.DriverKept = true
	for name, c := range map[string]struct{ want, before, filled PortSpec }{
		"each VF has its own, and masters stay out of it": {
			PortSpec{VFs: p(4)},
			inLegacy,
			PortSpec{Mode: p(legacy), VFs: p(4), MTU: p(9000), Up: p(true), Functions: map[int]FunctionSpec{0: kept, 1: {Driver: p("none"), DriverKept: true}}},
		},
		"what the profile says is not kept": {
			PortSpec{Functions: map[int]FunctionSpec{0: {Driver: p("pci-stub"), VLAN: p(0)}, 3: {VLAN: p(3)}}, VFs: p(1)},
			inLegacy,
			PortSpec{Mode: p(legacy), VFs: p(1), MTU: p(9000), Up: p(true), Functions: map[int]FunctionSpec{0: {Driver: p("pci-stub"), MAC: p("02:00:00:00:00:01"), VLAN: p(0), MaxTxRate: p(5)}, 3: {VLAN: p(3)}}},
		},
		"a VLAN is not for switchdev, a rate is": {
			PortSpec{Mode: p(switchdev), VFs: p(1), Follows: true},
			inLegacy,
			PortSpec{Mode: p(switchdev), VFs: p(1), Follows: true, Functions: map[int]FunctionSpec{0: {Driver: p("pci-stub"), MAC: p("02:00:00:00:00:01"), MaxTxRate: p(5), DriverKept: true}}},
		},
		"representors are not for legacy": {
			PortSpec{Mode: p(legacy)},
			inSwitchdev,
			PortSpec{Mode: p(legacy), VFs: p(1), Functions: map[int]FunctionSpec{0: {Driver: p("none"), DriverKept: true}}},
		},
		"a port that stays in switchdev keeps its own": {
			PortSpec{},
			inSwitchdev,
			PortSpec{Mode: p(switchdev), VFs: p(1), Functions: map[int]FunctionSpec{0: {Driver: p("none"), RepresentorUp: p(true), IPsecCrypto: p(true), DriverKept: true}}},
		},
		"without an eswitch VLANs are kept": {
			PortSpec{VFs: p(2)},
			PortSpec{VFs: p(1), Functions: map[int]FunctionSpec{0: {VLAN: p(100)}}},
			PortSpec{VFs: p(2), Functions: map[int]FunctionSpec{0: {VLAN: p(100)}}},
		},
	} {
		got := Fill(map[pci.Address]PortSpec{pf0: c.want}, map[pci.Address]PortSpec{pf0: c.before, pf1: inLegacy}, nil)
		if d := cmp.Diff(map[pci.Address]PortSpec{pf0: c.filled}, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}

func TestKeep(t *testing.T) {
	before := PortSpec{Mode: p(legacy), VFs: p(2), MTU: p(9000), Functions: map[int]FunctionSpec{0: {Driver: p("none"), VLAN: p(1)}, 1: {Driver: p(mlx5), VLAN: p(2)}}}
	vf := func(n int) resource.ID { return resource.OfFunction(pci.VF(pf0, n)) }
	pf := resource.OfFunction(pci.PF(pf0))
	for name, c := range map[string]struct {
		id   resource.ID
		attr string
		want map[pci.Address]PortSpec
	}{
		"an attribute of the port":       {pf, AttrMTU, map[pci.Address]PortSpec{pf0: {MTU: p(9000)}}},
		"one of a VF":                    {vf(1), attrVLAN, map[pci.Address]PortSpec{pf0: {Functions: map[int]FunctionSpec{1: {VLAN: p(2)}}}}},
		"the count, and with it all VFs": {pf, attrVFs, map[pci.Address]PortSpec{pf0: {VFs: p(2), Functions: before.Functions}}},
		"nothing":                        {pf, "nothing", map[pci.Address]PortSpec{}},
	} {
		got := Keep(map[pci.Address]PortSpec{pf0: before}, func(id resource.ID, attribute string) bool { return id == c.id && attribute == c.attr })
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}
