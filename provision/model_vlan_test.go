// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

func (m *model) vlanOf(name string) *vlan.VLAN {
	if i := slices.IndexFunc(m.VLANs.VLANs, func(v vlan.VLAN) bool { return v.Name == name }); i >= 0 {
		return &m.VLANs.VLANs[i]
	}
	return nil
}

func (m *model) dropVLANs(gone func(vlan.VLAN) bool) {
	m.VLANs.VLANs = slices.DeleteFunc(m.VLANs.VLANs, gone)
}

// vlans does the steps of one act: first goes what goes or becomes another.
func (m *model) vlans(steps []step.Step) error {
	for _, s := range steps {
		if s.Attribute == vlan.Present {
			m.dropVLANs(func(v vlan.VLAN) bool { return v.Name == s.Resource.Name })
		}
	}
	for _, s := range steps {
		if err := m.vlan(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (m *model) vlan(s step.Step) error {
	v, to := m.vlanOf(s.Resource.Name), s.To.Str()
	if s.Attribute == vlan.Present {
		if s.To.IsAbsent() {
			return nil
		}
		which, on, _ := strings.Cut(to, " on ")
		id, err := strconv.Atoi(which)
		if err != nil {
			return err
		}
		lower, err := resource.Parse(on)
		if err != nil {
			return err
		}
		below, there := m.Net.Netdevs[lower]
		if !there {
			return fmt.Errorf("ENODEV: %s", on)
		}
		if slices.ContainsFunc(m.VLANs.VLANs, func(o vlan.VLAN) bool { return o.On == lower && o.ID == id }) {
			return fmt.Errorf("EEXIST: %s", to)
		}
		m.VLANs.VLANs = append(m.VLANs.VLANs, vlan.VLAN{Name: s.Resource.Name, On: lower, ID: id, Protocol: "802.1Q", MTU: below.MTU})
		slices.SortFunc(m.VLANs.VLANs, func(a, b vlan.VLAN) int { return strings.Compare(a.Name, b.Name) })
		return nil
	}
	if v == nil && s.To.IsAbsent() { // a mark is taken off, and it is removed
		return nil
	}
	if v == nil {
		return fmt.Errorf("ENODEV")
	}
	below := m.Net.Netdevs[v.On]
	switch s.Attribute {
	case "mark":
		v.Alias = to
		_, v.Owner, _ = strings.Cut(to, ":")
	case "mtu":
		if v.MTU, _ = strconv.Atoi(to); v.MTU > below.MTU {
			return fmt.Errorf("ERANGE: on an MTU of %d", below.MTU)
		}
	case "up":
		if v.Up = to == "up"; v.Up && !below.Up {
			return fmt.Errorf("ENETDOWN")
		}
	default:
		return fmt.Errorf("no such attribute")
	}
	return nil
}

// syncVLANs: a VLAN goes with what it is on, goes down with it, and has at most its MTU.
func (m *model) syncVLANs() {
	m.dropVLANs(func(v vlan.VLAN) bool { _, there := m.Net.Netdevs[v.On]; return !there })
	m.VLANs.Others = map[string]string{}
	for _, n := range m.Net.Netdevs {
		if n.Kind != "vlan" {
			m.VLANs.Others[n.Name] = n.Kind
		}
	}
	for i := range m.VLANs.VLANs {
		v := &m.VLANs.VLANs[i]
		below := m.Net.Netdevs[v.On]
		v.Up, v.MTU = v.Up && below.Up, min(v.MTU, below.MTU)
	}
}

// randomVLANs wants some on the bond, or on the second port where that is in no bond.
func randomVLANs(r *rand.Rand, w *profiles.Want) {
	for _, name := range []string{"mgmt", "storage"}[:r.IntN(3)] {
		v := vlan.Spec{Name: name, ID: 100 + len(name), Up: maybe(r, true, false), MTU: maybe(r, 1400, 1500)}
		if r.IntN(4) == 0 {
			v.ID = 200 + len(name)
		}
		if len(w.Bonds) > 0 {
			w.Bonds[0].Up, v.On = new(true), resource.OfBond(w.Bonds[0].Name)
		} else {
			port := w.Ports["0001:3b:00.1"]
			port.Up, v.On = new(true), resource.OfNetdev(pci.PF("0001:3b:00.1"))
			w.Ports["0001:3b:00.1"] = port
		}
		w.VLANs = append(w.VLANs, v)
	}
}
