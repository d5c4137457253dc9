// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/apart"
	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
)

// writeVFs makes the PF have so many VFs and waits until they are there, in
// switchdev with their representors.
func (d *Doer) writeVFs(ctx context.Context, f pci.Function, to map[string]string) error {
	n, ok := count(to[attrVFs])
	if !ok {
		return fmt.Errorf("%q is no number of VFs", to[attrVFs])
	}
	pf := f.PF
	defer d.made(pf)
	events, err := subscribe(ctx, await.Uevents, await.Devlink, await.Links)
	if err != nil {
		return err
	}
	now, err := d.sys.Int(pf, "sriov_numvfs")
	if err != nil {
		return err
	}
	held := func() string { return d.holders(pf) }
	if now != 0 && n != 0 && now != n { // a plan has a step for this; the host may have changed since
		if err := blocking(ctx, held, func() error { return d.sys.Write(pf, "sriov_numvfs", "0") }); err != nil {
			return err
		}
	}
	if now != n {
		// The kernel has made the VFs, and probed them if autoprobe is on, when the write returns.
		if err := blocking(ctx, held, func() error { return d.sys.Write(pf, "sriov_numvfs", strconv.Itoa(n)) }); err != nil {
			return err
		}
	}
	return withDevlink(func(c *devlink.Client) error {
		return await.Until(ctx, fmt.Sprintf("the PF has %d VFs", n), events, func() (bool, error) {
			if ok, err := d.haveVFs(pf, n); err != nil || !ok {
				return false, err
			}
			return representorsComplete(ctx, c, pf, n)
		})
	})
}

func (d *Doer) haveVFs(pf pci.Address, n int) (bool, error) {
	now, err := d.sys.Int(pf, "sriov_numvfs")
	if err != nil || now != n {
		return false, err
	}
	if pf.Bus() != "pci" {
		return true, nil
	}
	vfs, err := d.sys.VFs(pf)
	if err != nil || len(vfs) != n {
		return false, err
	}
	for _, a := range vfs {
		if a == "" {
			return false, nil
		}
	}
	return true, nil
}

// writeMode changes the eswitch mode and waits until every VF has its
// representor (switchdev) or none has (legacy).
func (d *Doer) writeMode(ctx context.Context, f pci.Function, to map[string]string) error {
	pf, mode := f.PF, to[attrMode]
	defer d.made(pf)
	events, err := subscribe(ctx, await.Devlink, await.Links)
	if err != nil {
		return err
	}
	return withDevlink(func(c *devlink.Client) error {
		now, err := c.Eswitch(ctx, device(pf))
		if err != nil {
			return err
		}
		if now.Mode != mode {
			// The answer comes when the driver has changed the mode.
			if err := blocking(ctx, func() string { return "" }, func() error { return changeMode(ctx, pf, mode) }); err != nil {
				return err
			}
		}
		return await.Until(ctx, "the representors fit the mode "+mode, events, func() (bool, error) {
			now, err := c.Eswitch(ctx, device(pf))
			if err != nil || now.Mode != mode {
				return false, err
			}
			vfs, err := d.sys.Int(pf, "sriov_numvfs")
			if errors.Is(err, fs.ErrNotExist) {
				vfs, err = 0, nil
			}
			if err != nil {
				return false, err
			}
			return representorsComplete(ctx, c, pf, vfs)
		})
	})
}

// ActMode is the act (internal/apart) that SetMode does.
const ActMode = "eswitch-mode"

// changeMode does not die with this process: a driver that is killed in it may not survive.
func changeMode(ctx context.Context, pf pci.Address, mode string) error {
	return apart.Do(ctx, []string{ActMode, string(pf), mode}, func() error { return SetMode(pf, mode) })
}

// SetMode sets the mode of a PF's eswitch, and returns when the driver has changed it.
// It has a connection of its own, which an answer that comes too late does no
// harm to; extended acks are on (internal/rtlink).
func SetMode(pf pci.Address, mode string) error {
	return netlink.DevLinkSetEswitchMode(&netlink.DevlinkDevice{BusName: pf.Bus(), DeviceName: pf.Device()}, mode)
}

// representorsComplete tells whether the VFs 0..n-1 of the PF have a
// representor with a netdev each, and no other VF has one; in legacy mode,
// whether none has.
func representorsComplete(ctx context.Context, c *devlink.Client, pf pci.Address, n int) (bool, error) {
	e, err := c.Eswitch(ctx, device(pf))
	if err != nil && !unsupported(err) {
		return false, err
	}
	if e.Mode != switchdev {
		n = 0
	}
	ports, err := c.Ports(ctx)
	if errors.Is(err, unix.EINTR) {
		return false, nil // the list changed while it was read: an event follows
	}
	if err != nil {
		return false, err
	}
	found := 0
	for _, p := range ports {
		if p.Device != device(pf) || p.Flavour != devlink.FlavourPCIVF || p.External {
			continue
		}
		if int(p.VF) >= n || p.Ifindex == 0 {
			return false, nil
		}
		found++
	}
	return found == n, nil
}

func subscribe(ctx context.Context, sources ...func(context.Context) (<-chan struct{}, error)) (<-chan struct{}, error) {
	all := make([]<-chan struct{}, 0, len(sources))
	for _, source := range sources {
		ch, err := source(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, ch)
	}
	return await.Any(ctx, all...), nil
}
