// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/Mellanox/sriovnet"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// bindLanes is how many VFs of a port are bound at a time: most of it is waiting
// for the firmware.
const bindLanes = 2

// bindAll binds the VFs of one port to their drivers, or unbinds them, several at a time. It begins
// no more after an error, and ends when what was begun has ended.
func (d *Doer) bindAll(ctx context.Context, steps []step.Step) error {
	next := make(chan step.Step)
	failed := make(chan struct{})
	var once sync.Once
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for range bindLanes {
		wg.Go(func() {
			for s := range next {
				if err := d.one(ctx, s.Resource.Function, []step.Step{s}); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					once.Do(func() { close(failed) })
				}
			}
		})
	}
	for _, s := range steps {
		select {
		case next <- s:
			continue
		case <-failed:
		case <-ctx.Done():
			mu.Lock()
			errs = append(errs, context.Cause(ctx))
			mu.Unlock()
		}
		break
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

// byOverride follows the name of a driver that has a VF, which has its driver_override still.
const byOverride = ", by driver_override"

// noNetdev follows the name of a driver that is bound to a VF and could not make its netdev.
const noNetdev = ", which could not make its netdev"

// writeDriver binds a VF to a driver, or to none, and waits until it is bound; to
// the PF's own driver, until it has its netdev.
func (d *Doer) writeDriver(ctx context.Context, f pci.Function, to map[string]string) error {
	driver := to[attrDriver]
	events, err := subscribe(ctx, await.Uevents)
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
	if now == mlx5 && !d.sys.HasNet(vf) && d.sys.WithoutNet(vf) {
		now += noNetdev
	}
	held := func() string { return d.holders(f.PF, vf) }
	if now != want && now != "" {
		if err := blocking(ctx, held, func() error { return d.sys.Unbind(vf) }); err != nil {
			return err
		}
	}
	if now != want && want != "" {
		if err := blocking(ctx, held, func() error { return d.bind(f.PF, vf, want, want == own) }); err != nil {
			return err
		}
	}
	if now == want && want == own { // its override is of an apply that was interrupted before it took it away
		override, err := d.sys.Override(vf)
		if err != nil {
			return err
		}
		if override == own {
			return d.sys.SetOverride(vf, "")
		}
	}
	return await.Until(ctx, "the VF's driver is "+driver, events, func() (bool, error) {
		now, err := d.sys.Driver(vf)
		if err != nil || now != want || want == "" || want != own {
			return err == nil && now == want, err
		}
		// Any netdev will do, in whatever namespace: it shows that the driver has made it.
		names, err := sriovnet.GetNetDevicesFromPci(string(vf))
		return err == nil && len(names) > 0 || d.sys.HasNet(vf), nil //nolint:nilerr // no net directory yet
	})
}

// vfAddress is the PCI address of a VF, which the VF has to agree on.
func (d *Doer) vfAddress(f pci.Function) (pci.Address, error) {
	if !f.IsVF() {
		return "", errors.New("only the driver of a VF can be set")
	}
	vf, err := d.sys.VF(f.PF, f.VF)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the PF has no such VF: %w", fs.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	if pf, err := d.sys.PhysFn(vf); err != nil || pf != f.PF {
		return "", fmt.Errorf("its PCI address %s belongs to %q now: the VFs changed meanwhile, apply again", vf, pf)
	}
	return vf, nil
}

// bind binds the VF to a driver. One that is not made for the device
// (vfio-pci) takes it by driver_override, which stays until the VF gets
// another driver. The PF's own driver needs it as well while
// sriov_drivers_autoprobe is off, which also forbids binding by hand
// (drivers/pci/pci-driver.c pci_device_can_probe); there it does not stay.
func (d *Doer) bind(pf, vf pci.Address, driver string, sameDriver bool) error {
	autoprobe, err := d.sys.Int(pf, attrAutoprobe)
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
	err = d.sys.Bind(vf, driver)
	if sameDriver && override != "" {
		err = errors.Join(err, d.sys.SetOverride(vf, ""))
	}
	return err
}

// holders says who holds VFs of a PF over vfio, "" if nobody is seen to; without
// VFs all are meant.
func (d *Doer) holders(pf pci.Address, vfs ...pci.Address) string {
	if len(vfs) == 0 {
		var err error
		if vfs, err = d.sys.VFs(pf); err != nil {
			return ""
		}
	}
	var all []string
	for _, vf := range vfs {
		if vf == "" {
			continue
		}
		holders, err := snapshot.Holders(d.sys, vf)
		if err != nil {
			continue // it says what can be seen, beside an error
		}
		for _, h := range holders {
			all = append(all, fmt.Sprintf("%s holds %s", h, vf))
		}
	}
	return strings.Join(all, ", ")
}
