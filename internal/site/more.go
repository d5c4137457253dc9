// SPDX-License-Identifier: Apache-2.0

package site

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/nicwright/nicwright/internal/kernel"
)

// More gives every place n IPv4 addresses in all, its own first, and tells all others
// where they are: many connections between two VFs that differ in their addresses. They
// go when the VF does.
func (s *Site) More(n int) ([][]netip.Addr, error) {
	all := make([][]netip.Addr, len(s.Places))
	var own []netip.Addr
	for i, p := range s.Places {
		all[i] = []netip.Addr{p.V4.Addr()}
		own = append(own, p.V4.Addr())
	}
	if n <= 1 {
		return all, nil
	}
	more := (n - 1) * len(s.Places)
	var v4 []netip.Prefix
	for v4 == nil || slices.ContainsFunc(v4, func(a netip.Prefix) bool { return slices.Contains(own, a.Addr()) }) {
		var err error
		if v4, _, err = addresses(more); err != nil {
			return nil, err
		}
	}
	for i, p := range s.Places {
		mine := v4[i*(n-1) : (i+1)*(n-1)]
		for _, a := range mine {
			all[i] = append(all[i], a.Addr())
			for _, o := range s.Places {
				var err error
				if o == p {
					err = p.own(a)
				} else {
					err = o.know(a, p.MAC)
				}
				if err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}

func (p *Place) own(a netip.Prefix) error {
	return p.NS.Do(func() error {
		l, err := netlink.LinkByIndex(p.Index)
		if err == nil {
			err = netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(a)})
		}
		if err != nil {
			return kernel.Wrapf(p.String(), err, "giving it the address %s", a)
		}
		return nil
	})
}

// know tells a place, for good, which MAC address an address is at, and the way there.
func (p *Place) know(a netip.Prefix, mac net.HardwareAddr) error {
	family := netlink.FAMILY_V4
	if a.Addr().Is6() {
		family = netlink.FAMILY_V6
	}
	return p.NS.Do(func() error {
		err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: p.Index, Family: family, State: netlink.NUD_PERMANENT, IP: a.Addr().AsSlice(), HardwareAddr: mac,
		})
		if err == nil {
			err = netlink.RouteReplace(&netlink.Route{LinkIndex: p.Index, Scope: netlink.SCOPE_LINK, Dst: ipNet(a)})
		}
		if err != nil {
			return kernel.Wrapf(p.String(), err, "telling it where %s is", a.Addr())
		}
		return nil
	})
}
