// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/vishvananda/netlink"

	"nicwright/internal/await"
	"nicwright/internal/netdev"
	"nicwright/internal/netns"
	"nicwright/internal/pci"
)

// nsPrefix marks the namespaces that are ours.
const nsPrefix = "nicwright-verify-"

// recordPath holds, while a proof runs, what is needed to put its VFs back.
const recordPath = "/run/nicwright/verify.json"

// place is one VF's part of a proof.
type place struct {
	Function pci.Function `json:"function"`
	Up       bool         `json:"up"`  // before
	MTU      int          `json:"mtu"` // before
	ns       *netns.NS
	link     netdev.Link
	addr     net.IP
}

// site is where a proof runs: two VFs, each in a namespace of its own.
type site struct {
	home     *netns.NS
	from, to *place
}

// enter moves the VFs into namespaces and gives them addresses. A VF that is in
// use is left alone, with an error.
func enter(ctx context.Context, from, to pci.Function) (_ *site, err error) {
	if from == to {
		return nil, fmt.Errorf("a proof needs two VFs, and %s is named for both ends", from)
	}
	s := &site{from: &place{Function: from, addr: net.IPv4(192, 0, 2, 1)}, to: &place{Function: to, addr: net.IPv4(192, 0, 2, 2)}}
	for _, p := range []*place{s.from, s.to} {
		if p.link, err = netdev.OfFunction(ctx, p.Function); err != nil {
			return nil, fmt.Errorf("%s cannot be used: %w; bind it to its driver", p.Function, err)
		}
		if err := p.free(); err != nil {
			return nil, err
		}
	}
	if s.home, err = netns.Current(); err != nil {
		return nil, err
	}
	if err := s.record(); err != nil {
		return nil, errors.Join(err, s.home.Close())
	}
	events, err := await.Links(ctx)
	if err == nil {
		err = s.move(ctx, s.from, "from", events)
	}
	if err == nil {
		err = s.move(ctx, s.to, "to", events)
	}
	if err != nil {
		return nil, errors.Join(err, s.leave(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// free says why a VF cannot be taken: somebody uses it.
func (p *place) free() error {
	l, err := netlink.LinkByIndex(p.link.Index)
	if err != nil {
		return fmt.Errorf("reading the netdev of %s: %w", p.Function, err)
	}
	a := l.Attrs()
	p.Up, p.MTU = a.Flags&net.FlagUp != 0, a.MTU
	if a.MasterIndex != 0 {
		return fmt.Errorf("%s (%s) is in use: it has a master; name other VFs in verify.ktls.from and to", p.Function, p.link.Name)
	}
	addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("reading the addresses of %s (%s): %w", p.Function, p.link.Name, err)
	}
	for _, addr := range addrs {
		// The kernel itself gives every netdev that is up a link-local address.
		if !addr.IP.IsLinkLocalUnicast() {
			return fmt.Errorf("%s (%s) is in use: it has the address %s; name other VFs in verify.ktls.from and to", p.Function, p.link.Name, addr.IPNet)
		}
	}
	return nil
}

func (s *site) record() error {
	b, err := json.Marshal([]*place{s.from, s.to})
	if err != nil {
		return fmt.Errorf("encoding what is needed to put the VFs back: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(recordPath), 0o700); err != nil {
		return fmt.Errorf("recording how to put the VFs back: %w", err)
	}
	if err := renameio.WriteFile(recordPath, b, 0o600); err != nil {
		return fmt.Errorf("recording how to put the VFs back: %w", err)
	}
	return nil
}

func (s *site) move(ctx context.Context, p *place, end string, _ <-chan struct{}) error {
	ns, err := netns.Create(nsPrefix + end)
	if err != nil {
		return fmt.Errorf("making a namespace for %s: %w", p.Function, err)
	}
	p.ns = ns
	l, err := netlink.LinkByIndex(p.link.Index)
	if err != nil {
		return fmt.Errorf("reading the netdev of %s: %w", p.Function, err)
	}
	if err := netlink.LinkSetNsFd(l, ns.Fd()); err != nil {
		return fmt.Errorf("moving %s (%s) into the namespace %s: %w", p.Function, p.link.Name, ns.Name(), err)
	}
	return ns.Do(func() error {
		events, err := await.Links(ctx)
		if err != nil {
			return err
		}
		l, err := netlink.LinkByName(p.link.Name)
		if err != nil {
			return fmt.Errorf("finding %s in the namespace %s: %w", p.link.Name, ns.Name(), err)
		}
		p.link.Index = l.Attrs().Index
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.addr, Mask: net.CIDRMask(24, 32)}}
		if err := netlink.AddrAdd(l, addr); err != nil {
			return fmt.Errorf("giving %s the address %s: %w", p.link.Name, addr.IPNet, err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("setting %s up: %w", p.link.Name, err)
		}
		return await.Until(ctx, p.link.Name+" has a carrier", events, func() (bool, error) {
			l, err := netlink.LinkByIndex(p.link.Index)
			if err != nil {
				return false, err
			}
			return l.Attrs().RawFlags&0x10000 != 0, nil // IFF_LOWER_UP
		})
	})
}

// leave puts the VFs back and removes the namespaces.
func (s *site) leave(ctx context.Context) error {
	var errs []error
	for _, p := range []*place{s.from, s.to} {
		if p.ns == nil {
			continue
		}
		errs = append(errs, p.ns.Do(func() error {
			l, err := netlink.LinkByName(p.link.Name)
			var none netlink.LinkNotFoundError
			if errors.As(err, &none) {
				return nil // it had not been moved
			}
			if err != nil {
				return fmt.Errorf("finding %s to put it back: %w", p.link.Name, err)
			}
			if err := netlink.LinkSetDown(l); err != nil {
				return fmt.Errorf("setting %s down to put it back: %w", p.link.Name, err)
			}
			if err := netlink.LinkSetNsFd(l, s.home.Fd()); err != nil {
				return fmt.Errorf("moving %s back: %w", p.link.Name, err)
			}
			return nil
		}), p.ns.Close())
	}
	errs = append(errs, s.home.Close(), CleanProofs(ctx))
	return errors.Join(errs...)
}

// CleanProofs puts back what a proof left: its namespaces are removed, on which
// the kernel moves their VFs to the first namespace, and the VFs are as they
// were. It does nothing when there is nothing.
func CleanProofs(ctx context.Context) error {
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
	b, err := os.ReadFile(recordPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading how to put VFs back: %w", err)
	}
	places, err := parseRecord(b)
	if err != nil {
		return fmt.Errorf("reading how to put VFs back, %s: %w; remove it when the VFs are as they should be", recordPath, err)
	}
	for _, p := range places {
		if err := p.restore(ctx, events); err != nil {
			return err
		}
	}
	if err := os.Remove(recordPath); err != nil {
		return fmt.Errorf("removing %s: %w", recordPath, err)
	}
	return nil
}

func parseRecord(b []byte) ([]place, error) {
	var places []place
	if err := json.Unmarshal(b, &places); err != nil {
		return nil, err
	}
	return places, nil
}

// restore waits until the VF's netdev is back and gives it its state.
func (p *place) restore(ctx context.Context, events <-chan struct{}) error {
	var link netdev.Link
	err := await.Until(ctx, fmt.Sprintf("the netdev of %s is back from its namespace", p.Function), events, func() (bool, error) {
		var err error
		link, err = netdev.OfFunction(ctx, p.Function)
		if errors.Is(err, netdev.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	l, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		return fmt.Errorf("reading the netdev of %s: %w", p.Function, err)
	}
	if l.Attrs().MTU != p.MTU && p.MTU > 0 {
		if err := netlink.LinkSetMTU(l, p.MTU); err != nil {
			return fmt.Errorf("setting the MTU of %s back to %d: %w", link.Name, p.MTU, err)
		}
	}
	if p.Up {
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("setting %s up again: %w", link.Name, err)
		}
	}
	return nil
}
