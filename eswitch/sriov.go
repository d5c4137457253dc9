// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/Mellanox/sriovnet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
)

// setVFs makes the PF have n VFs and waits until they are there, in switchdev
// with their representors.
func (d Doer) setVFs(ctx context.Context, pf pci.Address, n int) error {
	events, err := subscribe(ctx, await.Uevents, await.Devlink, await.Links)
	if err != nil {
		return err
	}
	now, err := d.sys.Int(pf, "sriov_numvfs")
	if err != nil {
		return err
	}
	if now != 0 && n != 0 && now != n { // a plan has a step for this; the host may have changed since
		if err := d.sys.Write(pf, "sriov_numvfs", "0"); err != nil {
			return err
		}
	}
	if now != n {
		// The kernel has made the VFs, and probed them if autoprobe is on, when the write returns.
		if err := d.sys.Write(pf, "sriov_numvfs", strconv.Itoa(n)); err != nil {
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

func (d Doer) haveVFs(pf pci.Address, n int) (bool, error) {
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

// setMode changes the eswitch mode and waits until every VF has its
// representor (switchdev) or none has (legacy).
func (d Doer) setMode(ctx context.Context, pf pci.Address, mode string) error {
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
			// The answer comes when the driver has changed the mode; extended acks are on (internal/rtlink).
			dev := &netlink.DevlinkDevice{BusName: pf.Bus(), DeviceName: pf.Device()}
			if err := netlink.DevLinkSetEswitchMode(dev, mode); err != nil {
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

// setDriver binds a VF to a driver, or to none, and waits until it is bound; to
// the PF's own driver, until it has its netdev.
func (d Doer) setDriver(ctx context.Context, f pci.Function, driver string) error {
	if !f.IsVF() {
		return errors.New("only the driver of a VF can be set")
	}
	events, err := subscribe(ctx, await.Uevents, await.Links)
	if err != nil {
		return err
	}
	vf, err := d.vfAddress(f)
	if err != nil {
		return err
	}
	now, err := d.sys.Driver(vf)
	if err != nil {
		return err
	}
	own, err := d.sys.Driver(f.PF)
	if err != nil {
		return err
	}
	want := driver
	if want == noDriver {
		want = ""
	}
	if now != want && now != "" {
		if err := d.unbind(f.PF, vf, now == own); err != nil {
			return err
		}
	}
	if now != want && want != "" {
		if err := d.bind(f.PF, vf, want, want == own); err != nil {
			return err
		}
	}
	return await.Until(ctx, "the VF's driver is "+driver, events, func() (bool, error) {
		now, err := d.sys.Driver(vf)
		if err != nil || now != want || want == "" || want != own {
			return err == nil && now == want, err
		}
		// Any name will do: it shows that the driver has made the netdev.
		names, err := sriovnet.GetNetDevicesFromPci(string(vf))
		return err == nil && len(names) > 0, nil //nolint:nilerr // no net directory yet
	})
}

// vfAddress is the PCI address of a VF, which two ways of looking have to agree on.
func (d Doer) vfAddress(f pci.Function) (pci.Address, error) {
	vfs, err := d.sys.VFs(f.PF)
	if err != nil {
		return "", err
	}
	if f.VF >= len(vfs) || vfs[f.VF] == "" {
		return "", fmt.Errorf("the PF has %d VFs, this is not among them: %w", len(vfs), fs.ErrNotExist)
	}
	vf := vfs[f.VF]
	if n, err := sriovnet.GetVfIndexByPciAddress(string(vf)); err != nil || n != f.VF {
		return "", fmt.Errorf("its PCI address %s belongs to VF %d now: the VFs changed meanwhile, apply again", vf, n)
	}
	return vf, nil
}

// unbind takes the VF from its driver; sameDriver: the PF has the same one.
func (d Doer) unbind(pf, vf pci.Address, sameDriver bool) error {
	if h := pfHandle(pf); sameDriver && h != nil {
		// It goes by a netdev's name, which may change under it: then by the address.
		err := sriovnet.UnbindVf(h, &sriovnet.VfObj{PciAddress: string(vf)})
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.sys.Unbind(vf)
}

// bind binds the VF to a driver. One that is not made for the device
// (vfio-pci) takes it by driver_override, which stays until the VF gets
// another driver. The PF's own driver needs it as well while
// sriov_drivers_autoprobe is off, which also forbids binding by hand
// (drivers/pci/pci-driver.c pci_device_can_probe); there it does not stay.
func (d Doer) bind(pf, vf pci.Address, driver string, sameDriver bool) error {
	autoprobe, err := d.sys.Int(pf, "sriov_drivers_autoprobe")
	if err != nil {
		return err
	}
	override := driver
	if sameDriver && autoprobe != 0 {
		override = ""
	}
	now, err := d.sys.Override(vf)
	if err != nil {
		return err
	}
	if now != override {
		if err := d.sys.SetOverride(vf, override); err != nil {
			return err
		}
	}
	err = d.bindNow(pf, vf, driver, sameDriver)
	if sameDriver && override != "" {
		err = errors.Join(err, d.sys.SetOverride(vf, ""))
	}
	return err
}

func (d Doer) bindNow(pf, vf pci.Address, driver string, sameDriver bool) error {
	if h := pfHandle(pf); sameDriver && h != nil {
		err := sriovnet.BindVf(h, &sriovnet.VfObj{PciAddress: string(vf)})
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.sys.Bind(vf, driver)
}

// pfHandle is what sriovnet binds and unbinds by: any netdev of the PF, as only
// its device's driver is looked up through it; nil when there is none here.
func pfHandle(pf pci.Address) *sriovnet.PfNetdevHandle {
	names, err := sriovnet.GetNetDevicesFromPci(string(pf))
	if err != nil || len(names) == 0 {
		return nil
	}
	return &sriovnet.PfNetdevHandle{PfNetdevName: names[0]}
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
