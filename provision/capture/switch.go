// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/vlans"
	"github.com/nicwright/nicwright/profiles"
)

// ovs captures the bridges that have ports of the cards, and of those these ports.
func (c *capturer) ovs() {
	spec := ovs.SpecOf(c.host.Switch)
	if spec == nil {
		return
	}
	is := profiles.Switch{Spec: ovs.Spec{HWOffload: spec.HWOffload}}
	if spec.OffloadUnset {
		is.HWOffload = nil
	}
	for i, b := range spec.Bridges {
		bridge := ovs.Bridge{Name: b.Name}
		if b.AskedMTU != nil && *b.AskedMTU > 0 {
			bridge.MTU = b.AskedMTU
		}
		if b.Up != nil && *b.Up {
			bridge.Up = b.Up
		}
		for _, p := range b.Ports {
			if p, ok := c.switchPort(p, b.Name); ok {
				bridge.Ports = append(bridge.Ports, p)
			}
		}
		if len(bridge.Ports) == 0 {
			c.left("bridge "+b.Name+" of Open vSwitch", "it has no port of the cards here")
			continue
		}
		if n := len(c.host.Switch.Bridges[i].Ports) - len(bridge.Ports); n > 0 {
			c.left(fmt.Sprintf("other ports of bridge %s (%d)", b.Name, n), "they are no ports of the cards here, and stay as they are")
		}
		bridge.Ports = runs(bridge.Ports)
		is.Bridges = append(is.Bridges, profiles.SwitchBridge{Bridge: bridge, AddressSpec: c.addresses(resource.OfLink(b.Name), b.Name), Flows: c.flows(b.Name)})
	}
	if is.HWOffload != nil || is.Bridges != nil {
		c.doc.OVS = &is
	}
}

// flows captures the OpenFlow rules of a bridge that nicwright made.
func (c *capturer) flows(bridge string) (all []flows.Rule) {
	port := func(id string) (string, error) {
		bond, isBond := strings.CutPrefix(id, "bond/")
		var of portOf
		switch f, err := pci.ParseFunction(id); {
		case isBond:
			of = c.standsFor(bond, "", "")
		case err == nil && f.IsVF():
			of = c.standsFor("", id, "")
		case err == nil:
			of = c.standsFor("", "", id)
		}
		if of.name == "" {
			return "", fmt.Errorf("%s is not captured", id)
		}
		return of.bond + of.vf + of.uplink, nil
	}
	for _, s := range c.host.Flows.Rules {
		if s.Bridge != bridge {
			continue
		}
		r, err := s.Captured(fmt.Sprintf("rule%d", len(all)+1), port)
		if err != nil || s.Lost {
			c.left("an OpenFlow rule of bridge "+bridge, "%s: a port of it is not captured", s.Text())
			continue
		}
		all = append(all, r)
	}
	others := 0
	for id := range c.host.Flows.Others {
		if id.Name == bridge && id.Of != "table=0,priority=0" { // the bridge's own
			others++
		}
	}
	if others > 0 {
		c.left(fmt.Sprintf("OpenFlow rules of others in bridge %s (%d)", bridge, others), "they stay as they are")
	}
	return all
}

// switchPort is a port as a profile says it, if it can.
func (c *capturer) switchPort(p ovs.Port, bridge string) (ovs.Port, bool) {
	of := c.standsFor(p.Bond, p.VF, p.Uplink)
	switch {
	case of.name == "":
		return ovs.Port{}, false
	case p.Stale:
		c.left("port "+p.Name+" of bridge "+bridge, "its netdev is gone")
		return ovs.Port{}, false
	}
	is := ovs.Port{Name: of.name, Bond: of.bond, VF: of.vf, Uplink: of.uplink, Tag: p.Tag, Trunks: p.Trunks, VLANMode: p.VLANMode, CVLANs: p.CVLANs, Settings: p.Told().Settings}
	switch { // what is meant without being said
	case is.Tag != nil && is.VLANMode == "access" || is.Tag == nil && is.VLANMode == "trunk" && len(is.Trunks) > 0:
		is.VLANMode = ""
	case is.Tag == nil && is.VLANMode == "" && len(is.Trunks) == 0:
		is.Trunks = vlans.List{}
	}
	return is, true
}

// portOf is what a port of a bridge stands for, as a profile names it, and a name for the port.
type portOf struct{ name, bond, vf, uplink string }

// standsFor is the bond, VF or uplink of a port; zero where it is none that is captured, or is leased.
func (c *capturer) standsFor(bond, vf, uplink string) (of portOf) {
	switch f, err := pci.ParseFunction(vf + uplink); {
	case bond != "" && slices.Contains(c.in, bond):
		of.bond, of.name = bond, bond
	case err != nil || c.refs[f.PF] == "" || c.leased[f]:
	case f.IsVF():
		of.vf = fmt.Sprintf("%s/vf%d", c.refs[f.PF], f.VF)
		of.name = nameOf(of.vf)
	default:
		of.uplink = c.refs[f.PF]
		of.name = nameOf(of.uplink)
	}
	return of
}

// nameOf is the name of a switch's port that stands for CARD/PORT or CARD/PORT/vfN.
func nameOf(ref string) string { return strings.ReplaceAll(ref, "/", "-") }

// bridges captures the bridges of the kernel that filter VLANs and have ports of the cards.
func (c *capturer) bridges() {
	for _, b := range bridge.Captured(c.host.Bridges) {
		var ports []bridge.Port
		for _, p := range b.Ports {
			of := c.standsFor(p.Bond, p.VF, p.Uplink)
			if of.name == "" {
				continue
			}
			is := bridge.Port{Name: of.name, Bond: of.bond, VF: of.vf, Uplink: of.uplink, PVID: p.PVID, Untagged: p.Untagged, Trunks: p.Trunks}
			if b.VLANFiltering == nil { // what is set there holds for nothing
				is.PVID, is.Untagged, is.Trunks = nil, nil, nil
			}
			ports = append(ports, is)
		}
		ours := slices.ContainsFunc(c.host.Bridges.Bridges, func(h bridge.Bridge) bool { return h.Name == b.Name && h.Owner == c.doc.Name })
		if len(ports) == 0 && !ours { // one of the profile's own would be taken away by what was captured
			c.left("bridge "+b.Name, "it has no port of the cards here")
			continue
		}
		if n := len(b.Ports) - len(ports); n > 0 {
			c.left(fmt.Sprintf("other ports of bridge %s (%d)", b.Name, n), "they are no ports of the cards here, and stay as they are")
		}
		b.Ports = ports
		c.doc.Bridges = append(c.doc.Bridges, profiles.Bridge{Spec: b, AddressSpec: c.addresses(resource.OfLink(b.Name), b.Name)})
	}
}

// runs are ports, of which those of VFs in a row with the same VLANs are one.
func runs(ports []ovs.Port) []ovs.Port {
	vf := func(p ovs.Port) (port string, n int) {
		at := strings.LastIndex(p.VF, "/vf")
		if at < 0 {
			return "", -1
		}
		if _, err := fmt.Sscanf(p.VF[at:], "/vf%d", &n); err != nil {
			return "", -1
		}
		return p.VF[:at], n
	}
	slices.SortStableFunc(ports, func(a, b ovs.Port) int {
		pa, na := vf(a)
		pb, nb := vf(b)
		return cmp.Or(cmp.Compare(pa, pb), na-nb)
	})
	alike := func(a, b ovs.Port) bool {
		a.Name, a.VF, b.Name, b.VF = "", "", "", ""
		return reflect.DeepEqual(a, b)
	}
	var all []ovs.Port
	for i := 0; i < len(ports); {
		port, first := vf(ports[i])
		end := i + 1
		for ; end < len(ports) && first >= 0; end++ {
			if next, n := vf(ports[end]); next != port || n != first+end-i || !alike(ports[i], ports[end]) {
				break
			}
		}
		p := ports[i]
		if end-i > 1 {
			p.VF = fmt.Sprintf("%s/vf%d-%d", port, first, first+end-i-1)
			p.Name = nameOf(p.VF)
		}
		all = append(all, p)
		i = end
	}
	return all
}
