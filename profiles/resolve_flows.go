// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
)

// resolveFlows gives rules the identities of their ports. That they can be is NW038.
func (r *resolver) resolveFlows(w *Want) {
	if r.p.OVS == nil {
		return
	}
	for _, b := range r.p.OVS.Bridges {
		for _, of := range b.Flows {
			all, _ := r.p.rules(b, of, r.portID)
			w.Flows = append(w.Flows, all...)
		}
	}
}

// portID is ovs.PortState.ID of a port that was found.
func (r *resolver) portID(p ovs.Port) string {
	if p.Bond != "" {
		return "bond/" + p.Bond
	}
	if ref, err := parseVFRef(p.VF); err == nil {
		return pci.VF(r.ports[ref.portRef].Address, ref.first).String()
	}
	ref, _ := parsePortRef(p.Uplink)
	return pci.PF(r.ports[ref].Address).String()
}

// rules are those that an entry stands for: one, or one of each VF of the range that its frames come from.
func (p *Profile) rules(b SwitchBridge, of flows.Rule, id func(ovs.Port) string) (all []flows.Spec, err error) {
	find := func(name string) (string, error) {
		port, err := b.portNamed(name)
		if err != nil {
			return "", err
		}
		return id(port), nil
	}
	for _, match := range eachPort(of.Match) {
		one := of
		one.Match = match
		s, err := flows.New(b.Name, one, find)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// eachPort is a match for each VF of the range that in_port names.
func eachPort(match string) []string {
	parts := strings.Split(match, ",")
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		ref, err := parseVFRef(strings.TrimSpace(value))
		if strings.TrimSpace(name) != "in_port" || err != nil {
			continue
		}
		var all []string
		for n := ref.first; n <= ref.last; n++ {
			one := slices.Clone(parts)
			one[i] = fmt.Sprintf("in_port=%s/vf%d", ref.portRef, n)
			all = append(all, strings.Join(one, ","))
		}
		return all
	}
	return []string{match}
}

// portNamed is the port of the bridge that stands for CARD/PORT/vfN, CARD/PORT, or a bond.
func (b SwitchBridge) portNamed(name string) (ovs.Port, error) {
	wanted, errVF := parseVFRef(name)
	if errVF == nil && wanted.first != wanted.last {
		return ovs.Port{}, fmt.Errorf("%s is a range, and only in_port takes one", name)
	}
	var there []string
	for _, p := range b.Ports {
		ref, err := parseVFRef(p.VF)
		switch {
		case err == nil && errVF == nil && ref.portRef == wanted.portRef && ref.first <= wanted.first && wanted.first <= ref.last:
			return ovs.Port{VF: name}, nil
		case name != "" && (p.Bond == name || p.Uplink == name):
			return ovs.Port{Bond: p.Bond, Uplink: p.Uplink}, nil
		}
		there = append(there, p.Bond+p.VF+p.Uplink)
	}
	return ovs.Port{}, fmt.Errorf("%q is no port of %s in the profile (it has: %s, and LOCAL is its own)", name, b.Name, orNone(there))
}
