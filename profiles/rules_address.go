// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
)

// addressRules are of the addresses and routes of netdevs.
func addressRules() []rule {
	return []rule{
		{"NW027", "an address is a host's, with the length of its prefix; a route leads to a network, by a gateway of the same family", "", checkAddresses},
		{
			"NW028", "addresses and routes are the bond's and not its members', and the bridge's and not its ports': what comes in is the master's; say them there",
			"net/core/dev.c, __netif_receive_skb_core, rx_handler", checkAddressesOfPorts,
		},
		{"NW029", "an address is on one netdev, and of routes to one place each has its own metric, or its own table", "", checkAddressesOnce},
		{
			"NW030", "a netdev with addresses or routes is up; leave up: false out",
			"net/ipv4/fib_semantics.c, fib_check_nh", checkAddressesUp,
		},
	}
}

// holder is a netdev of which the profile says addresses or routes.
type holder struct {
	hostnet.AddressSpec
	called string
	ref    portRef // of a port
	name   string  // of a bond or what is on top
	link   bool    // it is a bridge or a VLAN
	up     *bool
	at     func(path ...any) Position
}

// eachHolder goes over the netdevs of which the profile says addresses or routes.
func (p *Profile) eachHolder(do func(holder)) {
	each := func(h holder) {
		if !h.AddressSpec.IsZero() {
			do(h)
		}
	}
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		each(holder{port.AddressSpec, ref.String(), ref, "", false, port.Up, at})
	})
	for i, b := range p.Bonds {
		each(holder{b.AddressSpec, "bond " + b.Name, portRef{}, b.Name, false, b.Up, func(path ...any) Position {
			return p.At(append([]any{"bonds", i}, path...)...)
		}})
	}
	for i, v := range p.VLANs {
		each(holder{v.AddressSpec, "VLAN " + v.Name, portRef{}, v.Name, true, v.Up, func(path ...any) Position {
			return p.At(append([]any{"vlans", i}, path...)...)
		}})
	}
	if p.OVS != nil {
		for i, b := range p.OVS.Bridges {
			each(holder{b.AddressSpec, "OVS bridge " + b.Name, portRef{}, b.Name, true, b.Up, func(path ...any) Position {
				return p.At(append([]any{"ovs", "bridges", i}, path...)...)
			}})
		}
	}
	for i, b := range p.Bridges {
		each(holder{b.AddressSpec, "bridge " + b.Name, portRef{}, b.Name, true, b.Up, func(path ...any) Position {
			return p.At(append([]any{"bridges", i}, path...)...)
		}})
	}
}

func checkAddresses(p *Profile, report report) {
	p.eachHolder(func(h holder) {
		for _, f := range h.Faults() {
			report(h.at(f.Key, f.Index), "%s: %v", h.called, f.Err)
		}
	})
}

func checkAddressesOfPorts(p *Profile, report report) {
	p.eachHolder(func(h holder) {
		key := "addresses"
		if len(h.Addresses) == 0 {
			key = "routes"
		}
		if _, b := p.bondOf(h.ref); h.name == "" && b != nil {
			report(h.at(key), "%s of %s, which is a member of %s", key, h.called, b.Name)
		}
		eachSwitchPort(p, func(sp switchPort) {
			if !h.link && h.name != "" && sp.Bond == h.name || h.name == "" && sp.Uplink == h.ref.String() {
				report(h.at(key), "%s of %s, which is a port of %s", key, h.called, sp.bridge)
			}
		})
	})
}

func checkAddressesOnce(p *Profile, report report) {
	type said struct {
		who   string
		at    Position
		entry rtnet.Entry
	}
	addresses, routes := map[netip.Addr]said{}, []said{}
	p.eachHolder(func(h holder) {
		for n, text := range h.Addresses {
			a, err := netip.ParsePrefix(text)
			if err != nil {
				continue // NW027
			}
			o, taken := addresses[a.Addr()]
			if taken && o.who != h.called {
				report(h.at("addresses", n), "%s of %s is an address of %s too (%s)", text, h.called, o.who, o.at)
			}
			addresses[a.Addr()] = said{h.called, h.at("addresses", n), rtnet.Entry{}}
		}
		for n, r := range h.Routes {
			e, err := r.Entry()
			if err != nil {
				continue
			}
			for _, o := range routes {
				if o.who != h.called && o.entry.Rivals(e) {
					report(h.at("routes", n), "the route %s of %s leads where %s of %s does, with the same metric (%s)", e.Text, h.called, o.entry.Text, o.who, o.at)
				}
			}
			routes = append(routes, said{h.called, h.at("routes", n), e})
		}
	})
}

func checkAddressesUp(p *Profile, report report) {
	p.eachHolder(func(h holder) {
		if isFalse(h.up) {
			report(h.at("up"), "%s has addresses or routes, and is to be down", h.called)
		}
	})
}

// checkGateways looks where the profile says addresses of the gateway's family: others may be the host's.
func checkGateways(p *Profile, report report) {
	p.eachHolder(func(h holder) {
		for n, r := range h.Routes {
			e, err := r.Entry()
			gateway := e.Gateway()
			if err != nil || !gateway.IsValid() || gateway.IsLinkLocalUnicast() {
				continue
			}
			var of []string
			reached := false
			for _, text := range h.Addresses {
				if a, err := netip.ParsePrefix(text); err == nil && a.Addr().Is4() == gateway.Is4() {
					of, reached = append(of, text), reached || a.Contains(gateway)
				}
			}
			for _, o := range h.Routes { // by which it is on the link
				to, err := netip.ParsePrefix(o.To)
				reached = reached || err == nil && o.Via == "" && to.Contains(gateway)
			}
			if len(of) > 0 && !reached {
				report(h.at("routes", n, "via"), "the gateway %s of %s is in the network of none of its addresses (%s)", gateway, h.called, strings.Join(of, ", "))
			}
		}
	})
}

// AddressFact is a netdev of the host that has an address.
type AddressFact struct {
	Netdev resource.ID
	Name   string
}

// netdevOf is the netdev of a holder on the host.
func (s *subject) netdevOf(h holder) resource.ID {
	switch {
	case h.link:
		return resource.OfLink(h.name)
	case h.name != "":
		return resource.OfBond(h.name)
	}
	return resource.OfNetdev(pci.PF(s.ports[h.ref].Address))
}

// checkAddressesElsewhere looks for what is said on other netdevs of the host; that of a port
// whose addresses move, moves.
func checkAddressesElsewhere(s *subject, report report) {
	moves := map[resource.ID]bool{}
	for _, b := range s.Bonds {
		for _, m := range b.Members {
			if ref, err := parsePortRef(m); err == nil && isTrue(b.TakeAddresses) {
				moves[resource.OfNetdev(pci.PF(s.ports[ref].Address))] = true
			}
		}
	}
	for _, b := range s.Bridges {
		for _, port := range b.Ports {
			ref, err := parsePortRef(port.Uplink)
			switch {
			case !isTrue(port.TakeAddresses):
			case port.Bond != "":
				moves[resource.OfBond(port.Bond)] = true
			case err == nil:
				moves[resource.OfNetdev(pci.PF(s.ports[ref].Address))] = true
			}
		}
	}
	s.eachHolder(func(h holder) {
		for n, text := range h.Addresses {
			a, err := netip.ParsePrefix(text)
			if err != nil {
				continue
			}
			for _, o := range s.facts.Addresses[a.Addr()] {
				if o.Netdev != s.netdevOf(h) && !moves[o.Netdev] {
					report(h.at("addresses", n), "%s of %s is an address of %s too", text, h.called, fmt.Sprintf("%s (%s)", o.Name, o.Netdev))
				}
			}
		}
	})
}
