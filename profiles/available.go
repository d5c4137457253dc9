// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch/ovs"
)

// Available is the profile without what hangs on cards and ports that are not among
// cards, and without Open vSwitch where noSwitch says why that is not there. A bond
// keeps the members that there are, and is no VF LAG then. Each sentence says what is
// left out and why; without any, the profile is p. What else is wrong with a selector
// is left for Resolve to say.
func (p *Profile) Available(cards []CardInfo, noSwitch string) (*Profile, []string, error) {
	a := available{p: p, doc: p.doc, gone: map[string]bool{}}
	a.cards(cards)
	a.bonds()
	a.vlans()
	if p.OVS != nil && noSwitch != "" {
		a.say("Open vSwitch: %s", noSwitch)
		a.doc = a.doc.with("ovs", nil)
	} else {
		a.ports()
	}
	a.networks(noSwitch != "")
	if len(a.said) == 0 {
		return p, nil, nil
	}
	// What is proven, or measured, is so of all of it.
	less, err := decode(a.doc.with("verify", nil).with("bench", nil))
	if err != nil {
		return nil, nil, err
	}
	less.layers = p.layers
	return less, a.said, nil
}

type available struct {
	p    *Profile
	doc  *node
	gone map[string]bool // ports as CARD/PORT, and bonds by name
	said []string
}

func (a *available) say(format string, args ...any) {
	a.said = append(a.said, fmt.Sprintf(format, args...))
}

// cards leaves out cards that nothing of the host matches, and ports that their card has not got.
func (a *available) cards(host []CardInfo) {
	all := a.doc.get("cards")
	var keep []*node
	for i, c := range a.p.Cards {
		n := slices.IndexFunc(host, c.Select.matches)
		if n < 0 {
			a.say("card %s: no card of this host matches %s", c.Name, c.Select)
			for _, port := range c.Ports {
				a.gone[portRef{c.Name, port.Name}.String()] = true
			}
			continue
		}
		ports := all.items[i].get("ports")
		var has []*node
		for j, port := range c.Ports {
			if slices.ContainsFunc(host[n].Ports, func(p PortInfo) bool { return p.Number == *port.Port }) {
				has = append(has, ports.items[j])
				continue
			}
			ref := portRef{c.Name, port.Name}.String()
			a.say("port %s: the card has %s and no port %d", ref, host[n].portList(), *port.Port)
			a.gone[ref] = true
		}
		keep = append(keep, all.items[i].with("ports", ports.of(has)))
	}
	a.doc = a.doc.with("cards", all.of(keep))
}

func (a *available) bonds() {
	all := a.doc.get("bonds")
	var keep []*node
	for i, b := range a.p.Bonds {
		bond := all.items[i]
		members := bond.get("members")
		var has []*node
		var lacks []string
		for j, m := range b.Members {
			if a.gone[m] {
				lacks = append(lacks, m)
			} else {
				has = append(has, members.items[j])
			}
		}
		switch {
		case len(lacks) > 0 && len(has) == 0:
			a.say("bond %s: none of its members is there", b.Name)
			a.gone[b.Name] = true
			continue
		case len(lacks) > 0:
			a.say("bond %s: without %s", b.Name, strings.Join(lacks, ", "))
			bond = bond.with("members", members.of(has)).with("lag", nil)
			if b.Primary != nil && a.gone[*b.Primary] {
				bond = bond.with("primary", nil)
			}
		}
		keep = append(keep, bond)
	}
	a.doc = a.doc.with("bonds", all.of(keep))
}

// vlans leaves out those on what is not there.
func (a *available) vlans() {
	all := a.doc.get("vlans")
	var keep []*node
	for i, v := range a.p.VLANs {
		if a.gone[v.Bond+v.Uplink] {
			a.say("VLAN %s: %s is not there", v.Name, v.Bond+v.Uplink)
			continue
		}
		keep = append(keep, all.items[i])
	}
	a.doc = a.doc.with("vlans", all.of(keep))
}

// ports leaves out those of bridges whose netdev there will not be.
func (a *available) ports() {
	if bridges := a.doc.get("bridges"); bridges != nil {
		var all []*node
		for i, b := range a.p.Bridges {
			var on []string
			for _, port := range b.Ports {
				on = append(on, a.on(port.Bond+port.Uplink, port.VF))
			}
			all = append(all, a.portsOf(bridges.items[i], b.Name, "port", on))
		}
		a.doc = a.doc.with("bridges", bridges.of(all))
	}
	if a.p.OVS == nil {
		return
	}
	bridges := a.doc.get("ovs").get("bridges")
	var all []*node
	for i, b := range a.p.OVS.Bridges {
		var on []string
		for _, port := range b.Ports {
			on = append(on, a.on(port.Bond+port.Uplink, port.VF))
		}
		all = append(all, a.flowsOf(a.portsOf(bridges.items[i], b.Name, "OVS port", on), b))
	}
	a.doc = a.doc.with("ovs", a.doc.get("ovs").with("bridges", bridges.of(all)))
}

// on is the bond, or the port as CARD/PORT, that a bridge's port is of: one of its keys is said.
func (a *available) on(named, vfs string) string {
	if ref, err := parseVFRef(vfs); vfs != "" && err == nil {
		return ref.portRef.String()
	}
	return named
}

// portsOf is a bridge without the ports that are on what is not there.
func (a *available) portsOf(bridge *node, name, kind string, on []string) *node {
	ports := bridge.get("ports")
	var keep []*node
	for j, of := range on {
		if a.gone[of] {
			a.say("%s %s of %s: %s is not there", kind, ports.items[j].name(), name, of)
			continue
		}
		keep = append(keep, ports.items[j])
	}
	return bridge.with("ports", ports.of(keep))
}

// flowsOf is a bridge of Open vSwitch without the rules of ports that are not there.
func (a *available) flowsOf(bridge *node, b SwitchBridge) *node {
	flows := bridge.get("flows")
	var keep []*node
	for j, f := range b.Flows {
		lacks := ""
		_, _ = a.p.rules(b, f, func(p ovs.Port) string { // NW038
			if on := a.on(p.Bond+p.Uplink, p.VF); a.gone[on] && lacks == "" {
				lacks = on
			}
			return nameOfPort(p)
		})
		if lacks != "" {
			a.say("flow %s of %s: %s is not there", f.Name, b.Name, lacks)
			continue
		}
		keep = append(keep, flows.items[j])
	}
	return bridge.with("flows", flows.of(keep))
}

// with is the mapping with another value for a key that it has; nil takes the key away.
func (n *node) with(name string, v *node) *node {
	if n.get(name) == nil {
		return n
	}
	c := *n
	c.fields = nil
	for _, f := range n.fields {
		if f.name == name {
			if v == nil {
				continue
			}
			f.node = v
		}
		c.fields = append(c.fields, f)
	}
	return &c
}

// of is the list with these items; of no list, nil.
func (n *node) of(items []*node) *node {
	if n == nil {
		return nil
	}
	c := *n
	c.items = items
	return &c
}
