// SPDX-License-Identifier: Apache-2.0

// Package site is where proofs run: VFs taken from the host for a while, each
// in a network namespace of its own with addresses of documentation networks,
// and put back as they were, also by the next run after a kill.
package site

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/netns"
	"github.com/nicwright/nicwright/internal/pci"
)

// nsPrefix marks the namespaces that are ours.
const nsPrefix = "nicwright-verify-"

// iffLowerUp is IFF_LOWER_UP of include/uapi/linux/if.h.
const iffLowerUp = 1 << 16

// Place is a VF in its namespace.
type Place struct {
	Function pci.Function
	Netdev   string // its name, in the namespace too
	Index    int    // ifindex in the namespace
	MAC      net.HardwareAddr
	NS       *netns.NS
	V4       netip.Prefix // 192.0.2.0/24 (RFC 5737), or as EnterAt said
	V6       netip.Prefix // 2001:db8::/64 (RFC 3849), or as EnterAt said; without duplicate address detection
}

// String names the VF and its netdev.
func (p *Place) String() string { return fmt.Sprintf("%s (%s)", p.Function, p.Netdev) }

// Site is some VFs, in the order in which they were asked for.
type Site struct {
	Places []*Place
	home   *netns.NS
}

// Enter moves VFs into namespaces, gives them addresses and sets them up. A VF
// that is in use (Free) is left alone, with an error, unless force is set. It
// holds for one run at a time: the caller has the lock.
func Enter(ctx context.Context, force bool, functions ...pci.Function) (*Site, error) {
	var places []*Place
	for i, f := range functions {
		host := byte(i + 1)
		places = append(places, &Place{
			Function: f,
			V4:       netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, host}), 24),
			V6:       netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: host}), 64),
		})
	}
	return enter(ctx, force, places)
}

// EnterAt is Enter for one VF that gets the address given, and no other: to talk
// to a host of a real network.
func EnterAt(ctx context.Context, force bool, f pci.Function, address netip.Prefix) (*Site, error) {
	p := &Place{Function: f}
	if address.Addr().Is4() {
		p.V4 = address
	} else {
		p.V6 = address
	}
	return enter(ctx, force, []*Place{p})
}

func enter(ctx context.Context, force bool, places []*Place) (_ *Site, err error) {
	s := &Site{}
	var records []record
	for _, p := range places {
		r, link, err := look(ctx, p.Function, force)
		if err != nil {
			return nil, err
		}
		for _, other := range s.Places {
			if p.Function == other.Function {
				return nil, fmt.Errorf("a proof needs different VFs, and %s is named twice", p.Function)
			}
		}
		p.Netdev, p.Index = link.Name, link.Index
		s.Places = append(s.Places, p)
		records = append(records, r)
	}
	if s.home, err = netns.Current(); err != nil {
		return nil, err
	}
	if err := write(records); err != nil {
		return nil, errors.Join(err, s.home.Close())
	}
	for i, p := range s.Places {
		if err := p.move(ctx, fmt.Sprintf("%s%d", nsPrefix, i)); err != nil {
			return nil, errors.Join(err, s.Leave(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

func (p *Place) move(ctx context.Context, name string) error {
	ns, err := netns.Create(name)
	if err != nil {
		return fmt.Errorf("making a namespace for %s: %w", p, err)
	}
	p.NS = ns
	l, err := netlink.LinkByIndex(p.Index)
	if err != nil {
		return fmt.Errorf("reading the netdev of %s: %w", p, err)
	}
	p.MAC = l.Attrs().HardwareAddr
	if err := netlink.LinkSetNsFd(l, ns.Fd()); err != nil {
		return fmt.Errorf("moving %s into the namespace %s: %w", p, name, err)
	}
	return ns.Do(func() error {
		ctx, stop := context.WithCancel(ctx)
		defer stop() // the subscription's
		events, err := await.Links(ctx)
		if err != nil {
			return err
		}
		l, err := netlink.LinkByName(p.Netdev)
		if err != nil {
			return fmt.Errorf("finding %s in the namespace %s: %w", p, name, err)
		}
		p.Index = l.Attrs().Index
		for _, a := range []netip.Prefix{p.V4, p.V6} {
			if !a.IsValid() {
				continue
			}
			addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}}
			if a.Addr().Is6() {
				addr.Flags = ifaFNodad
			}
			// Where IPv6 is switched off there is nothing to prove with it either.
			err := netlink.AddrAdd(l, addr)
			if a.Addr().Is6() && errors.Is(err, errNoIPv6) {
				continue
			}
			if err != nil {
				return fmt.Errorf("giving %s the address %s: %w", p, a, err)
			}
		}
		for _, n := range []string{p.Netdev, "lo"} {
			l, err := netlink.LinkByName(n)
			if err == nil {
				err = netlink.LinkSetUp(l)
			}
			if err != nil {
				return fmt.Errorf("setting %s up in the namespace of %s: %w", n, p, err)
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

// Leave puts the VFs back and removes the namespaces.
func (s *Site) Leave(ctx context.Context) error {
	var errs []error
	for _, p := range s.Places {
		if p.NS == nil {
			continue
		}
		errs = append(errs, p.NS.Do(func() error {
			l, err := netlink.LinkByName(p.Netdev)
			var none netlink.LinkNotFoundError
			if errors.As(err, &none) {
				return nil // it had not been moved
			}
			if err != nil {
				return fmt.Errorf("finding %s to put it back: %w", p, err)
			}
			if err := netlink.LinkSetDown(l); err != nil {
				return fmt.Errorf("setting %s down to put it back: %w", p, err)
			}
			if err := netlink.LinkSetNsFd(l, s.home.Fd()); err != nil {
				return fmt.Errorf("moving %s back: %w", p, err)
			}
			return nil
		}), p.NS.Close())
	}
	errs = append(errs, s.home.Close(), Clean(ctx))
	return errors.Join(errs...)
}

// Clean puts back what a run left: its namespaces are removed, on which the
// kernel moves their VFs to the first namespace, and the VFs are as they were.
// It does nothing when there is nothing.
func Clean(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	events, err := await.Links(ctx)
	if err != nil {
		return err
	}
	names, err := netns.List(nsPrefix)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := netns.Delete(n); err != nil {
			return err
		}
	}
	records, err := read()
	if err != nil || records == nil {
		return err
	}
	for _, r := range records {
		if err := r.restore(ctx, events); err != nil {
			return err
		}
	}
	return forget()
}

// Remember records how functions are, so that Clean, also of the next run after
// a kill, brings them back; for what a proof changes without moving anything.
func Remember(ctx context.Context, functions ...pci.Function) error {
	var records []record
	for _, f := range functions {
		r, _, err := look(ctx, f, true)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	return write(records)
}

// Free tells why a VF cannot be taken without force: it has no netdev here (no
// driver bound, vfio-pci, a namespace of somebody's), or it is in use.
func Free(ctx context.Context, f pci.Function) error {
	_, _, err := look(ctx, f, false)
	return err
}

// look reads what is needed to put a VF back.
func look(ctx context.Context, f pci.Function, force bool) (record, netdev.Link, error) {
	r := record{Function: f}
	link, err := netdev.OfFunction(ctx, f)
	if err != nil {
		return r, link, fmt.Errorf("%s cannot be used: %w; bind it to its driver", f, err)
	}
	l, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		return r, link, fmt.Errorf("reading the netdev of %s: %w", f, err)
	}
	a := l.Attrs()
	r.Up, r.MTU, r.Master = a.Flags&net.FlagUp != 0, a.MTU, a.MasterIndex
	addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return r, link, fmt.Errorf("reading the addresses of %s (%s): %w", f, link.Name, err)
	}
	for _, addr := range addrs {
		// The kernel itself gives every netdev that is up a link-local address.
		if !addr.IP.IsLinkLocalUnicast() {
			r.Addresses = append(r.Addresses, addr.IPNet.String())
		}
	}
	switch {
	case force:
	case r.Master != 0:
		return r, link, fmt.Errorf("%s (%s) is in use: it has a master", f, link.Name)
	case len(r.Addresses) > 0:
		return r, link, fmt.Errorf("%s (%s) is in use: it has the address %s", f, link.Name, r.Addresses[0])
	}
	return r, link, nil
}
