// SPDX-License-Identifier: Apache-2.0

// Package netdev finds the network interfaces of PCI functions: the own netdev
// of a PF or VF, and the representor of a VF. It goes by devlink ports (and,
// for drivers that have none, by the parent device that rtnetlink reports),
// never by names, and sees the network namespace of the calling thread.
package netdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sort"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// ErrNone is what errors.Is finds when a function has no such netdev in this
// network namespace.
var ErrNone = errors.New("it has no netdev in this network namespace")

// Link is a network interface and the function it belongs to.
type Link struct {
	Name        string       // present name; it may change
	Index       int          // ifindex
	Function    pci.Function // of a scalable function, its PF
	SF          *uint32      // the number of the scalable function whose netdev or representor it is; nil: it is no SF's
	Representor bool         // the VF's or SF's representor; else the function's own netdev
}

// ID is the netdev's identity.
func (l Link) ID() resource.ID {
	id := resource.OfNetdev(l.Function)
	if l.Representor {
		id = resource.OfRepresentor(l.Function)
	}
	if l.SF != nil {
		id.SF, id.IsSF = *l.SF, true
	}
	return id
}

// is tells whether it is the own netdev, or the representor, of a PF or VF.
func (l Link) is(f pci.Function, representor bool) bool {
	return l.SF == nil && l.Function == f && l.Representor == representor
}

// All lists the netdevs of all PFs, VFs and SFs in the calling thread's network
// namespace, by function (SFs after the VFs of their PF), own netdevs before
// representors. It costs one devlink and one link dump.
func All(ctx context.Context) ([]Link, error) {
	ports, err := devlinkPorts(ctx)
	if err != nil {
		return nil, err
	}
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return nil, err
	}
	return From(ports, links, sysfs.FS{})
}

// From is All over what was read before: it makes the links from devlink ports,
// a link dump and sysfs.
func From(ports []devlink.Port, links []rtlink.Link, sys sysfs.FS) ([]Link, error) {
	r := resolver{sys: sys, vfs: map[pci.Address][]pci.Address{}}
	var out []Link
	taken := map[pci.Function]bool{} // PFs and VFs whose own netdev is found
	spoken := map[pci.Address]bool{} // devices whose driver makes devlink ports
	for _, p := range ports {
		dev, sf, err := part(p.Device, sys)
		if err != nil {
			return nil, err
		}
		if dev == "" {
			continue
		}
		if sf != nil { // before Linux 6.5 its instance hung directly below the PF: it is not the PF's
			if p.Ifindex != 0 && p.Netdev != "" {
				out = append(out, Link{Name: p.Netdev, Index: p.Ifindex, Function: pci.PF(dev), SF: sf})
			}
			continue
		}
		spoken[dev] = true
		l, ok, err := r.ofPort(dev, p)
		if err != nil {
			return nil, err
		}
		if !ok || (!l.Representor && taken[l.Function]) {
			continue // of several uplinks of one device (netdevsim) the first stands for it
		}
		if !l.Representor {
			taken[l.Function] = true
		}
		out = append(out, l)
	}
	// Drivers without devlink ports: the netdev's parent device tells.
	for _, l := range links {
		a, err := pci.ParseAddress(l.Parent)
		if err != nil || l.ParentBus != "pci" || spoken[a] {
			continue
		}
		f, ok, err := r.function(a)
		if err != nil {
			return nil, err
		}
		if !ok || taken[f] {
			continue
		}
		taken[f] = true
		out = append(out, Link{Name: l.Name, Index: l.Index, Function: f})
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case a.Function.PF != b.Function.PF:
			return a.Function.PF < b.Function.PF
		case (a.SF != nil) != (b.SF != nil):
			return b.SF != nil
		case a.SF != nil && *a.SF != *b.SF:
			return *a.SF < *b.SF
		case a.Function.VF != b.Function.VF:
			return a.Function.VF < b.Function.VF
		}
		return !a.Representor && b.Representor
	})
	return out, nil
}

// OfFunction finds the own netdev of a PF or VF. errors.Is(err, ErrNone) when
// it has none in this network namespace: no driver bound, or moved elsewhere.
func OfFunction(ctx context.Context, f pci.Function) (Link, error) {
	return find(ctx, "the netdev", f, false)
}

// Representor finds the representor of a VF. errors.Is(err, ErrNone) when there
// is none: the eswitch is in legacy mode, or the VF does not exist.
func Representor(ctx context.Context, vf pci.Function) (Link, error) {
	return find(ctx, "the representor", vf, true)
}

func find(ctx context.Context, what string, f pci.Function, representor bool) (Link, error) {
	l, err := findIn(ctx, f, representor)
	if err != nil {
		return Link{}, fmt.Errorf("looking for %s of %s: %w", what, f, err)
	}
	return l, nil
}

func findIn(ctx context.Context, f pci.Function, representor bool) (Link, error) {
	ports, err := devlinkPorts(ctx)
	if err != nil {
		return Link{}, err
	}
	// Mostly the ports tell, and the link dump, dear with many VFs, is not needed.
	l, err := pick(ports, nil, f, representor)
	if representor || !errors.Is(err, ErrNone) {
		return l, err
	}
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return Link{}, err
	}
	return pick(ports, links, f, representor)
}

func pick(ports []devlink.Port, links []rtlink.Link, f pci.Function, representor bool) (Link, error) {
	all, err := From(ports, links, sysfs.FS{})
	if err != nil {
		return Link{}, err
	}
	for _, l := range all {
		if l.is(f, representor) {
			return l, nil
		}
	}
	return Link{}, ErrNone
}

func devlinkPorts(ctx context.Context) (_ []devlink.Port, err error) {
	c, err := devlink.Dial()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without devlink: the parent devices have to do
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.Ports(ctx)
}

// resolver reads each PF's list of VFs once.
type resolver struct {
	sys sysfs.FS
	vfs map[pci.Address][]pci.Address
}

// function says which PF or VF a device is; false for one that has gone
// meanwhile.
func (r resolver) function(a pci.Address) (pci.Function, bool, error) {
	pf, err := r.sys.PhysFn(a)
	if err != nil {
		return pci.Function{}, false, err
	}
	if pf == "" {
		return pci.PF(a), true, nil
	}
	if _, ok := r.vfs[pf]; !ok {
		vfs, err := r.sys.VFs(pf)
		if err != nil {
			return pci.Function{}, false, err
		}
		r.vfs[pf] = vfs
	}
	for n, vf := range r.vfs[pf] {
		if vf == a {
			return pci.VF(pf, n), true, nil
		}
	}
	return pci.Function{}, false, nil
}

func (r resolver) ofPort(dev pci.Address, p devlink.Port) (Link, bool, error) {
	if p.Ifindex == 0 || p.Netdev == "" {
		return Link{}, false, nil
	}
	l := Link{Name: p.Netdev, Index: p.Ifindex}
	switch p.Flavour {
	case devlink.FlavourPhysical, devlink.FlavourVirtual:
		f, ok, err := r.function(dev)
		l.Function = f
		return l, ok, err
	case devlink.FlavourPCIVF:
		// A port of another controller stands for a VF of another host (DPU).
		if p.External || p.Controller != 0 {
			return Link{}, false, nil
		}
		l.Function, l.Representor = pci.VF(dev, int(p.VF)), true
		return l, true, nil
	case devlink.FlavourPCISF:
		if p.External || p.Controller != 0 {
			return Link{}, false, nil
		}
		l.Function, l.SF, l.Representor = pci.PF(dev), &p.SF, true
		return l, true, nil
	}
	return Link{}, false, nil
}

// Owner is the PF or VF that a devlink instance belongs to: of a PCI or
// netdevsim device that device, of a part of it on the auxiliary bus the PCI
// function; "" for a scalable function's, and for others.
func Owner(d devlink.Device, sys sysfs.FS) (pci.Address, error) {
	dev, sf, err := part(d, sys)
	if err != nil || sf != nil {
		return "", err
	}
	return dev, nil
}

// part is Owner, also of scalable functions, whose PF and number it gives.
func part(d devlink.Device, sys sysfs.FS) (pci.Address, *uint32, error) {
	if d.Bus == "auxiliary" {
		p, err := sys.Part(d.Name)
		return p.Owner, p.SF, err
	}
	name := d.Name
	if d.Bus != "pci" {
		name = d.String()
	}
	a, err := pci.ParseAddress(name)
	if err != nil {
		return "", nil, nil //nolint:nilerr // on a bus that has no PFs
	}
	return a, nil, nil
}
