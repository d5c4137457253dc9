// SPDX-License-Identifier: Apache-2.0

// Package snapshot is one consistent look at a host: its netdevs, what hangs on
// them, devlink, PCI functions and Open vSwitch's database, each read once.
// Domains make their states of it and read nothing by themselves. What cannot be
// read is that resource's error, not the end of the look.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/sysctl"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// Snapshot is the host as it was seen, in the network namespace of the thread
// that called Read.
type Snapshot struct {
	// Links are all netdevs, by ifindex.
	Links []rtlink.Link
	// Netdevs say which of them belong to functions, and how.
	Netdevs []netdev.Link
	// Ports are those of devlink, of all devices.
	Ports []devlink.Port
	// Rates are those of devlink, of all devices.
	Rates []devlink.Rate
	// PFs are the ports of network cards, with their VFs; by address.
	PFs []PF
	// Features are the ethtool features, by ifindex.
	Features map[int]ethtool.Features
	// Entries are what hangs on the netdevs: addresses, routes, ... in the order in which they can be put back.
	Entries []rtnet.Entry
	// Numbers are rings, channels and coalescing of the uplinks, by ifindex.
	Numbers map[int]map[ethtool.Setting]ethtool.Numbers
	// Driver is what the drivers of the own netdevs of PFs and VFs were told by ethtool, by ifindex: of
	// VFs all but pause and FEC.
	Driver map[int]map[ethtool.Setting]ethtool.Reading
	// unread is why the settings of an uplink could not be read.
	unread map[pci.Address]error
	// Sysctls are those that new netdevs get.
	Sysctls sysctl.Conf
	// OVS is Open vSwitch.
	OVS OVS
	// LAG is what the ports say of the LAG that their card makes of a bond; of mlx5's alone.
	LAG map[pci.Address]LAG

	// The params of all devices, where the kernel knows no dump of one (before Linux 6.5).
	params map[devlink.Device][]devlink.Param
}

// Read looks at the host. It writes nothing. A dump that was interrupted by a
// change is read again; what vanishes meanwhile is not there.
func Read(ctx context.Context) (*Snapshot, error) { return read(ctx, nil) }

// Again looks at the host a second time, after steps that changed VFs, representors and
// ports of switches alone. What is not theirs is taken from the first look: VPD and
// devlink's info and parameters of cards whose driver is the same, pause and FEC of uplinks, the
// sysctls of new netdevs, and the LAG.
func Again(ctx context.Context, first *Snapshot) (*Snapshot, error) { return read(ctx, first) }

func read(ctx context.Context, first *Snapshot) (*Snapshot, error) {
	s := &Snapshot{Features: map[int]ethtool.Features{}}
	if err := s.read(ctx, first); err != nil {
		if kernel.Errno(err) != 0 {
			return nil, fmt.Errorf("looking at the host: %w (try again; the kernel's log, dmesg, may say more)", err)
		}
		return nil, fmt.Errorf("looking at the host: %w", err)
	}
	return s, nil
}

func (s *Snapshot) read(ctx context.Context, first *Snapshot) (err error) {
	sys := sysfs.FS{}
	c, err := devlink.Dial()
	switch {
	case errors.Is(err, fs.ErrNotExist): // a kernel without devlink
		c = nil
	case err != nil:
		return err
	default:
		defer func() { err = errors.Join(err, c.Close()) }()
		if s.Ports, err = whole(ctx, c.Ports); err != nil {
			return err
		}
		if s.Rates, err = whole(ctx, c.Rates); err != nil {
			return err
		}
	}
	if s.Links, err = rtlink.Dump(ctx); err != nil {
		return err
	}
	if s.Netdevs, err = netdev.From(s.Ports, s.Links, sys); err != nil {
		return err
	}
	if err := s.readEntries(ctx); err != nil {
		return err
	}
	s.OVS = readOVS(ctx, ovsdb.Sockets())
	if err := s.readFeatures(ctx); err != nil {
		return err
	}
	if err := s.readSettings(ctx, first); err != nil {
		return err
	}
	if first != nil {
		s.LAG = first.LAG
		return s.readPFs(ctx, sys, c, first.PFs)
	}
	if err := s.readPFs(ctx, sys, c, nil); err != nil {
		return err
	}
	s.readLAGs(Debugfs)
	return nil
}

// whole is a dump of devlink, once more if something changed meanwhile.
func whole[T any](ctx context.Context, dump func(context.Context) (T, error)) (T, error) {
	for n := 1; ; n++ {
		all, err := dump(ctx)
		if !errors.Is(err, unix.EINTR) || ctx.Err() != nil || n == 100 {
			return all, err
		}
	}
}

func (s *Snapshot) readFeatures(ctx context.Context) error {
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := c.All()
	if err != nil {
		return err
	}
	for _, f := range all {
		s.Features[f.Index] = f
	}
	return nil
}

// IDs says which netdev is which, by ifindex.
func (s *Snapshot) IDs() map[int]resource.ID {
	ids := map[int]resource.ID{}
	for _, l := range s.Links {
		ids[l.Index] = resource.OfLink(l.Name)
		if l.Bond != nil {
			ids[l.Index] = resource.OfBond(l.Name)
		}
	}
	for _, n := range s.Netdevs {
		if _, there := ids[n.Index]; there { // else it came between the two dumps
			ids[n.Index] = n.ID()
		}
	}
	return ids
}

// Present is which netdev is which now, by what they are: two dumps, of links and of devlink's ports.
func Present(ctx context.Context) (map[resource.ID]rtlink.Link, error) {
	var s Snapshot
	var err error
	if s.Links, err = rtlink.Dump(ctx); err != nil {
		return nil, err
	}
	if s.Netdevs, err = netdev.All(ctx); err != nil {
		return nil, err
	}
	ids, now := s.IDs(), map[resource.ID]rtlink.Link{}
	for _, l := range s.Links {
		now[ids[l.Index]] = l
	}
	return now, nil
}

// Link is the netdev with an ifindex.
func (s *Snapshot) Link(index int) (rtlink.Link, bool) {
	for _, l := range s.Links {
		if l.Index == index {
			return l, true
		}
	}
	return rtlink.Link{}, false
}
