// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
)

// AddressSpec is what a profile says of the addresses and routes of a netdev. What it
// does not name is left alone, but for what an apply of the same profile put there.
type AddressSpec struct {
	// Addresses of the netdev with the lengths of their prefixes, as ip address add takes them: [192.0.2.10/24, 2001:db8::1/64]. What else it has stays.
	Addresses []string `json:"addresses,omitempty" jsonschema:"uniqueItems=true"`
	// Routes through the netdev, of protocol 110 (ip route show proto 110). What other routes there are stay.
	Routes []RouteSpec `json:"routes,omitempty"`
}

// RouteSpec is one route through a netdev.
type RouteSpec struct {
	// To is where it leads: a prefix as in 198.51.100.0/24, or default, which is everywhere in the family of via.
	To string `json:"to" jsonschema:"required,minLength=1"`
	// Via is the gateway, which an address of the netdev reaches; unset: to is on the link.
	Via string `json:"via,omitempty" jsonschema:"minLength=1"`
	// Metric says which of several routes to one place is taken, the lowest first; unset: 0 in IPv4, 1024 in IPv6.
	Metric *int `json:"metric,omitempty" jsonschema:"minimum=1,maximum=4294967295"`
	// Table is the number of the routing table; unset: 254, main.
	Table *int `json:"table,omitempty" jsonschema:"minimum=1,maximum=4294967295"`
	// MTU is the largest packet that is sent by it, in bytes; unset: the netdev's, and of a route that is there as it is.
	MTU *int `json:"mtu,omitempty" jsonschema:"minimum=68,maximum=65535"`
}

// IsZero tells that nothing is said.
func (s AddressSpec) IsZero() bool { return len(s.Addresses)+len(s.Routes) == 0 }

// Clone has lists of its own.
func (s AddressSpec) Clone() AddressSpec {
	return AddressSpec{slices.Clone(s.Addresses), slices.Clone(s.Routes)}
}

// Fault is what is wrong with an address or a route.
type Fault struct {
	Key   string // addresses or routes
	Index int    // in that list
	Err   error
}

// Faults are what the types and the schema cannot find.
func (s AddressSpec) Faults() []Fault {
	var all []Fault
	taken := map[netip.Addr]bool{}
	for n, text := range s.Addresses {
		p, err := parseAddress(text)
		if err == nil && taken[p.Addr()] {
			err = fmt.Errorf("address %s: it is there a second time", text)
		}
		taken[p.Addr()] = true
		if err != nil {
			all = append(all, Fault{"addresses", n, err})
		}
	}
	var routes []Item
	for n, r := range s.Routes {
		i, err := r.item(resource.ID{})
		rival := func(o Item) bool { return o.Rivals(i.Entry) }
		if at := slices.IndexFunc(routes, rival); err == nil && at >= 0 {
			err = fmt.Errorf("route %s: %s leads to the same place with the same metric, and the kernel would take one of them: give one another metric", i.Text, routes[at].Text)
		}
		if err != nil {
			all = append(all, Fault{"routes", n, err})
			continue
		}
		routes = append(routes, i)
	}
	return all
}

// parseAddress reads an address that a host can have by itself.
func parseAddress(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	switch a := p.Addr(); {
	case err != nil:
		return p, fmt.Errorf("address %s: it is no address with the length of its prefix: write it as in 192.0.2.10/24", text)
	case a.Is4In6(), a.IsUnspecified(), a.IsMulticast(), a.IsLoopback(), a.Is6() && a.IsLinkLocalUnicast():
		return p, fmt.Errorf("address %s: it is one that no host is reached by (of everybody, of a group, of loopback, or the link's own): name another", text)
	case p.Bits() == 0:
		return p, fmt.Errorf("address %s: a prefix of length 0 would have all hosts on the link: say the network's", text)
	case a.Is4() && p.Bits() < 31 && (a == p.Masked().Addr() || a == last(p)):
		return p, fmt.Errorf("address %s: it is the network's own, or its broadcast address: name a host's", text)
	}
	return p, nil
}

// last is the highest address of an IPv4 prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for n := p.Bits(); n < 32; n++ {
		b[n/8] |= 1 << (7 - n%8)
	}
	return netip.AddrFrom4(b)
}

// way is the route as the kernel is asked for it.
func (r RouteSpec) way() (w rtnet.Way, err error) {
	called := "route to " + r.To
	if r.Via != "" {
		w.Via, err = netip.ParseAddr(r.Via)
		if a := w.Via; err != nil || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4In6() || a.Zone() != "" {
			return w, fmt.Errorf("%s: via %s is the address of no gateway: write it as in 192.0.2.1", called, r.Via)
		}
	}
	switch {
	case r.To != "default":
		if w.To, err = netip.ParsePrefix(r.To); err != nil {
			return w, fmt.Errorf("%s: it is no prefix: write it as in 198.51.100.0/24, or default", called)
		}
	case r.Via == "":
		return w, fmt.Errorf("%s: without via it is not plain of which family it is: write 0.0.0.0/0 or ::/0", called)
	case w.Via.Is4():
		w.To = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	default:
		w.To = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	switch {
	case w.To != w.To.Masked():
		return w, fmt.Errorf("%s: it is a host in a network: write %s or %s/%d", called, w.To.Masked(), w.To.Addr(), w.To.Addr().BitLen())
	case w.To.Addr().Is4In6(), w.To.Addr().IsMulticast():
		return w, fmt.Errorf("%s: it leads to no hosts: write a prefix as in 198.51.100.0/24, or default", called)
	case w.Via.IsValid() && w.Via.Is4() != w.To.Addr().Is4():
		return w, fmt.Errorf("%s: via %s is of the other family: name a gateway of the same", called, r.Via)
	case r.Table != nil && *r.Table == unix.RT_TABLE_LOCAL:
		return w, fmt.Errorf("%s: table %d is the kernel's own: name another", called, *r.Table)
	case r.MTU != nil && *r.MTU < 1280 && w.To.Addr().Is6():
		return w, fmt.Errorf("%s: mtu is %d, and packets of IPv6 may have 1280 bytes everywhere (RFC 8200): raise it", called, *r.MTU)
	}
	for at, v := range map[*int]*int{&w.Metric: r.Metric, &w.Table: r.Table, &w.MTU: r.MTU} {
		if v != nil {
			*at = *v
		}
	}
	return w, nil
}

// anywhere is the ifindex in an entry that was never on a netdev; Devices says which it is of.
const anywhere = 1

// item is the route on a netdev.
func (r RouteSpec) item(on resource.ID) (Item, error) {
	w, err := r.way()
	if err != nil {
		return Item{}, err
	}
	return Item{Entry: rtnet.NewRoute(w, anywhere), Devices: map[int]resource.ID{anywhere: on}}, nil
}

// Entry is the route as the kernel would tell it.
func (r RouteSpec) Entry() (rtnet.Entry, error) {
	i, err := r.item(resource.ID{})
	return i.Entry, err
}

// items are all that is said, on a netdev.
func (s AddressSpec) items(on resource.ID) ([]Item, error) {
	var all []Item
	var errs []error
	for _, text := range s.Addresses {
		p, err := parseAddress(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", on, err))
			continue
		}
		all = append(all, Item{Entry: rtnet.NewAddress(p, anywhere), Devices: map[int]resource.ID{anywhere: on}})
	}
	for _, r := range s.Routes {
		i, err := r.item(on)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", on, err))
			continue
		}
		all = append(all, i)
	}
	return all, errors.Join(errs...)
}
