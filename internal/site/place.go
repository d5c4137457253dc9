// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/netns"
	"github.com/nicwright/nicwright/internal/pci"
)

// iffLowerUp is IFF_LOWER_UP of include/uapi/linux/if.h.
const iffLowerUp = 1 << 16

// errNoIPv6 is what the kernel answers to an IPv6 address where net.ipv6.conf.*.disable_ipv6 is set.
var errNoIPv6 error = unix.EACCES

// Place is a VF in its namespace.
type Place struct {
	Function pci.Function
	Netdev   string // its name, in the namespace too
	Index    int    // ifindex in the namespace
	MAC      net.HardwareAddr
	NS       *netns.NS
	V4       netip.Prefix // a /32 of 198.18.0.0/15 (RFC 2544), or as EnterAt said
	V6       netip.Prefix // a /128 of fd00::/8 (RFC 4193), or as EnterAt said; without duplicate address detection
	noIPv6   bool         // it is switched off in the kernel
}

// String names the VF and its netdev.
func (p *Place) String() string { return fmt.Sprintf("%s (%s)", p.Function, p.Netdev) }

// Address is that of IPv4, or of IPv6 where it has no other.
func (p *Place) Address() netip.Addr {
	if p.V4.IsValid() {
		return p.V4.Addr()
	}
	return p.V6.Addr()
}

// move makes a namespace, moves the VF into it, gives it its addresses and sets it
// up; it returns when the VF has a carrier.
func (p *Place) move(ctx context.Context, name string) error {
	ns, err := netns.Create(name)
	if err != nil {
		return fmt.Errorf("making a namespace for %s: %w", p, err)
	}
	p.NS = ns
	l, err := netlink.LinkByIndex(p.Index)
	if err != nil {
		return kernel.Wrap("reading the netdev", p.String(), err)
	}
	p.MAC = l.Attrs().HardwareAddr
	if err := netlink.LinkSetNsFd(l, ns.Fd()); err != nil {
		return kernel.Wrap("moving it into the namespace "+name, p.String(), err)
	}
	return ns.Do(func() error {
		ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v are over", patience))
		defer stop() // the subscription's, too
		events, err := await.Links(ctx)
		if err != nil {
			return err
		}
		l, err := netlink.LinkByName(p.Netdev)
		if err != nil {
			return kernel.Wrap("finding it in the namespace "+name, p.String(), err)
		}
		p.Index = l.Attrs().Index
		if err := p.address(l); err != nil {
			return err
		}
		for _, n := range []string{p.Netdev, "lo"} {
			l, err := netlink.LinkByName(n)
			if err == nil {
				err = netlink.LinkSetUp(l)
			}
			if err != nil {
				return kernel.Wrapf(p.String(), err, "setting %s up in its namespace", n)
			}
		}
		return await.Until(ctx, p.String()+" has a carrier", events, func() (bool, error) {
			l, err := netlink.LinkByIndex(p.Index)
			if err != nil {
				return false, err
			}
			return l.Attrs().RawFlags&iffLowerUp != 0, nil
		})
	})
}

func (p *Place) address(l netlink.Link) error {
	for _, a := range []netip.Prefix{p.V4, p.V6} {
		if !a.IsValid() {
			continue
		}
		addr := &netlink.Addr{IPNet: ipNet(a)}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		err := netlink.AddrAdd(l, addr)
		if a.Addr().Is6() && errors.Is(err, errNoIPv6) {
			p.noIPv6 = true // there is nothing to prove with it either
			continue
		}
		if err != nil {
			return kernel.Wrapf(p.String(), err, "giving it the address %s", a)
		}
	}
	return nil
}

// meet tells a place, for good, where the others are: a route to each and its MAC
// address, so that neither asks for the other on the wire.
func (p *Place) meet(all []*Place) error {
	for _, o := range all {
		if o == p {
			continue
		}
		for _, a := range []netip.Prefix{o.V4, o.V6} {
			if a.Addr().Is6() && (p.noIPv6 || o.noIPv6) {
				continue
			}
			if err := p.know(a, o.MAC); err != nil {
				return err
			}
		}
	}
	return nil
}

// goHome moves the VF to the namespace it came from; one that had not been moved
// is no error.
func (p *Place) goHome(home *netns.NS) error {
	return p.NS.Do(func() error {
		l, err := netlink.LinkByName(p.Netdev)
		var none netlink.LinkNotFoundError
		if errors.As(err, &none) {
			return nil
		}
		if err != nil {
			return kernel.Wrap("finding it to put it back", p.String(), err)
		}
		if err := netlink.LinkSetDown(l); err != nil {
			return kernel.Wrap("setting it down to put it back", p.String(), err)
		}
		if err := netlink.LinkSetNsFd(l, home.Fd()); err != nil {
			return kernel.Wrap("moving it back", p.String(), err)
		}
		return nil
	})
}

func ipNet(a netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}
}

// Representors are those of places, in their order. errors.Is(err, netdev.ErrNone) where
// one has none: they are there in switchdev mode only.
func Representors(ctx context.Context, places ...*Place) ([]netdev.Link, error) {
	var all []netdev.Link
	for _, p := range places {
		r, err := netdev.Representor(ctx, p.Function)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
