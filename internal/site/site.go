// SPDX-License-Identifier: Apache-2.0

// Package site is where proofs run: VFs taken from the host for a while, each
// in a network namespace of its own with random addresses that no other host has,
// and put back as they were, also by the next run after a kill.
package site

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/knfsd"
	"github.com/nicwright/nicwright/internal/netns"
	"github.com/nicwright/nicwright/internal/pci"
)

// nsPrefix marks the namespaces that are ours.
const nsPrefix = "nicwright-verify-"

// patience is how long the kernel may take to move a netdev between namespaces,
// and a VF to have its carrier.
const patience = 30 * time.Second

// Site is some VFs, in the order in which they were asked for.
type Site struct {
	Places  []*Place
	home    *netns.NS
	records []record
}

// Enter moves VFs into namespaces, gives them addresses and one another's as
// permanent neighbours, and sets them up. A VF that is in use (Free) is left alone,
// with an error, unless force is set. It holds for one run at a time: the caller has
// the lock.
//
// The addresses are random and known to these VFs alone, and nobody is asked for
// them on the wire: several hosts can do so at a time in one VLAN.
func Enter(ctx context.Context, force bool, functions ...pci.Function) (*Site, error) {
	places := make([]*Place, len(functions))
	v4, v6, err := addresses(len(functions))
	if err != nil {
		return nil, err
	}
	for i, f := range functions {
		places[i] = &Place{Function: f, V4: v4[i], V6: v6[i]}
	}
	s, err := enter(ctx, force, places)
	if err != nil {
		return nil, err
	}
	for _, p := range s.Places {
		if err := p.meet(s.Places); err != nil {
			return nil, errors.Join(err, s.Leave(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
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
	for _, p := range places {
		r, link, err := take(ctx, p.Function, force)
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
		s.records = append(s.records, r)
	}
	if s.home, err = netns.Current(); err != nil {
		return nil, err
	}
	if err := write(s.records); err != nil {
		return nil, errors.Join(err, s.home.Close())
	}
	for i, p := range s.Places {
		if err := p.move(ctx, fmt.Sprintf("%s%d", nsPrefix, i)); err != nil {
			return nil, errors.Join(err, s.Leave(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

// Leave puts the VFs back and removes the namespaces.
func (s *Site) Leave(ctx context.Context) error {
	var errs []error
	for _, p := range s.Places {
		if p.NS != nil {
			errs = append(errs, p.goHome(s.home), p.NS.Close())
		}
	}
	errs = append(errs, s.home.Close(), Clean(ctx))
	return errors.Join(errs...)
}

// Clean puts back what a run left, as one that was killed does: programs that it
// started are killed, its files go, its namespaces are removed, on which the kernel moves their VFs to the first namespace, and the
// VFs are as they were. It does nothing when there is nothing. Whoever observes the
// host to change it calls it first: a VF in there looks as if somebody had it.
//
// A VF that cannot be put back is told in the error, and left as it is: the next
// Clean tries it no more.
func Clean(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	events, err := await.Links(ctx)
	if err != nil {
		return err
	}
	// First: what runs in a namespace keeps it, and the VF in it.
	if err := cgroup.Named(cage).Remove(ctx); err != nil {
		return err
	}
	if err := unmountYard(); err != nil {
		return err
	}
	names, err := netns.List(nsPrefix)
	if err != nil {
		return err
	}
	records, readErr := read()
	serves := slices.ContainsFunc(records, func(r record) bool { return r.NFS })
	var errs []error
	for _, n := range names {
		if serves {
			errs = append(errs, silence(n)) // where it fails the VF may come back all the same
		}
		if err := netns.Delete(n); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	if readErr != nil || records == nil {
		return errors.Join(append(errs, readErr)...)
	}
	for _, r := range records {
		errs = append(errs, r.restore(ctx, events))
		if ctx.Err() != nil {
			return errors.Join(errs...) // it was stopped: the record is for the next
		}
	}
	return errors.Join(append(errs, forget())...)
}

// silence ends what of the kernel's own keeps a namespace: an NFS server.
func silence(name string) error {
	ns, err := netns.Open(name)
	if err != nil {
		return err
	}
	// A name that is left without its namespace is not one that can be entered.
	err = knfsd.Stop(ns)
	if errors.Is(err, unix.EINVAL) {
		err = nil
	}
	return errors.Join(err, ns.Close())
}

// Remember records how functions are, so that Clean, also of the next run after
// a kill, brings them back; for what a proof changes without moving anything.
func Remember(ctx context.Context, functions ...pci.Function) error {
	var records []record
	for _, f := range functions {
		r, _, err := look(ctx, f)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	return write(records)
}
