// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// possible says what the device cannot do of what is wanted, as far as can be
// known without trying.
func (d *differ) possible() error {
	p := d.port
	if p.Driver == "" && p.Address.Bus() == "pci" {
		if d.isAsWanted() {
			return nil
		}
		return fmt.Errorf("%s: no driver is bound to the PF, so nothing can be set: load its driver (modprobe mlx5_core)", pci.PF(p.Address))
	}
	var errs []error
	refuse := func(err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", pci.PF(p.Address), err))
		}
	}
	for _, err := range d.paramsPossible() {
		refuse(err)
	}
	said := map[string]bool{}
	for _, a := range withParams(&d.want) {
		to, is := a.field(&d.want).get().Get()
		if !is || a.probe == nil || step.Text(to) == a.read(p) {
			continue
		}
		if err := a.probe(p, to, d.mode); err != nil && !said[err.Error()] {
			said[err.Error()] = true
			refuse(err)
		}
	}
	// What is wanted of all VFs is refused once.
	for _, n := range slices.Sorted(maps.Keys(d.want.Functions)) {
		if n >= d.vfs {
			continue
		}
		want := d.want.Functions[n]
		vf, existed := d.vf(n)
		for _, a := range functionAttributes() {
			to, is := a.field(&want).get().Get()
			if !is || a.probe == nil || existed && step.Text(to) == a.read(vf) && a.fits(d.mode) {
				continue
			}
			if err := a.probe(p, to, d.mode); err != nil && !said[err.Error()] {
				said[err.Error()] = true
				refuse(fmt.Errorf("vf %d: %w", n, err))
			}
		}
	}
	if d.modeMoves && len(p.Busy) > 0 {
		refuse(d.busy())
	}
	if d.modeMoves && p.IPsec != "" {
		refuse(fmt.Errorf("%s: %s, and with any there the driver answers EOPNOTSUPP: stop the IKE daemon, or delete them (ip xfrm state; ip xfrm policy), and apply again", d.change(), p.IPsec))
	}
	if d.modeMoves && p.Mode == switchdev {
		for _, n := range p.SFs {
			if id := resource.OfSF(p.Address, n); !d.opt.Takes(id) {
				refuse(fmt.Errorf("%s goes with switchdev mode and is not made again: leave eswitch-mode, flow_steering_mode and params as they are, or say --take %s", id, id))
			}
		}
	}
	return errors.Join(errs...)
}

// isAsWanted tells a port of which nothing is to be changed.
func (d *differ) isAsWanted() bool {
	if len(d.paramErrs) > 0 {
		return false
	}
	for _, a := range withParams(&d.want) {
		if to := a.field(&d.want).get(); !to.IsAbsent() && to != a.read(d.port) {
			return false
		}
	}
	for n, want := range d.want.Functions {
		vf, existed := d.vf(n)
		for _, a := range functionAttributes() {
			if to := a.field(&want).get(); n < d.vfs && !to.IsAbsent() && (!existed || to != a.read(vf)) {
				return false
			}
		}
	}
	return true
}

// busy is why the eswitch cannot change its mode (m5/eswitch.c, mlx5_esw_try_lock).
func (d *differ) busy() error {
	ids := slices.SortedFunc(maps.Keys(d.port.Busy), resource.Compare)
	return fmt.Errorf("%s: %s, which the card carries out, and with any such rule the driver answers EBUSY: remove it (tc filter show dev NETDEV ingress; tc filter del ...) and apply again",
		d.change(), d.port.Busy[ids[0]])
}

// change is what moves the mode, or reloads the driver, as the head of a refusal.
func (d *differ) change() string {
	switch {
	case !d.steering.IsAbsent():
		return fmt.Sprintf("%s to %s", attrSteering, d.steering)
	case d.mode == d.port.Mode:
		return strings.TrimSuffix(d.moving(), ",")
	}
	return fmt.Sprintf("%s from %s to %s", attrMode, d.port.Mode, d.mode)
}

func probeVFs(p Port, to, _ string) error {
	switch n, ok := count(to); {
	case ok && n <= p.TotalVFs:
		return nil
	case p.TotalVFs == 0:
		return fmt.Errorf("vfs: %s wanted, but the device has no SR-IOV, or it is off (sriov_totalvfs is 0): turn it on in the firmware (SRIOV_EN and NUM_OF_VFS with mstconfig; needs a reset of the card) and in the machine's setup, or leave vfs unset", to)
	}
	return fmt.Errorf("vfs: %s wanted, but the device offers %d at most: lower vfs, or raise the firmware's number of VFs (NUM_OF_VFS and SRIOV_EN with mstconfig; needs a reset of the card)", to, p.TotalVFs)
}

func probeMode(p Port, to, _ string) error {
	switch {
	case p.DevlinkIn != "":
		return elsewhere(attrMode, to, "devlink instance", p.DevlinkIn)
	case p.NetdevIn != "" && p.Mode != "":
		// m5/eswitch_offloads.c: "Changing mode is not allowed while uplink and devlink are in different namespaces".
		return elsewhere(attrMode, to, "netdev", p.NetdevIn)
	case p.Mode == "" && to != legacy:
		return fmt.Errorf("eswitch-mode: %s wanted, but the driver (%s) has no devlink eswitch: leave eswitch-mode unset or legacy", to, p.Driver)
	}
	return nil
}

// probeHas is of an attribute of devlink that not all drivers have.
func probeHas(name string, have func(Port) string) func(p Port, to, mode string) error {
	return func(p Port, to, _ string) error {
		switch {
		case p.DevlinkIn != "":
			return elsewhere(name, to, "devlink instance", p.DevlinkIn)
		case have(p) == "":
			return fmt.Errorf("%s: %s wanted, but the driver (%s) does not have it: leave it unset", name, to, p.Driver)
		}
		return nil
	}
}

func elsewhere(name, to, what, where string) error {
	back := "ip link set NETDEV netns 1, said there"
	if what != "netdev" {
		back = "devlink dev reload DEVICE netns 1, said there"
	}
	return fmt.Errorf("%s: %s wanted, but the port's %s is in %s: move it back (%s), or leave %s unset", name, to, what, where, back, name)
}

func probeNetdev(p Port, _, _ string) error {
	switch {
	case p.Netdev != "":
		return nil
	case p.NetdevIn != "":
		return fmt.Errorf("mtu and up cannot be set: the PF's netdev is in %s: move it back (ip link set NETDEV netns 1, said there), or leave them unset", p.NetdevIn)
	}
	return fmt.Errorf("mtu and up cannot be set: the PF has no netdev with the driver %s: leave them unset", p.Driver)
}

func probeAutoprobe(p Port, _, _ string) error {
	if p.Autoprobe == nil {
		return errors.New("sriov_drivers_autoprobe: the device does not have it: leave it unset")
	}
	return nil
}

func probeDriver(p Port, to, _ string) error {
	if p.Address.Bus() != "pci" {
		return fmt.Errorf("driver %s wanted, but the VFs of this device are no PCI functions and have no driver: leave it unset", to)
	}
	return nil
}

func probeRepresentor(name string) func(Port, string, string) error {
	return func(_ Port, _, mode string) error {
		if mode != switchdev {
			return fmt.Errorf("%s is wanted, but there are representors in switchdev mode only: set eswitch-mode to switchdev, or leave it unset", name)
		}
		return nil
	}
}

// probePortFunction is of a port function attribute that came with the Linux of since: all VFs of a port have the same.
func probePortFunction(name, since string, has func(VF) bool) func(Port, string, string) error {
	return func(p Port, _, mode string) error {
		if mode != switchdev {
			return fmt.Errorf("%s is wanted, but VFs have port functions in switchdev mode only: set eswitch-mode to switchdev, or leave it unset", name)
		}
		if p.Mode != switchdev || len(p.VFs) == 0 {
			return nil // nobody knows before there are ports
		}
		if !has(p.VFs[0]) {
			return fmt.Errorf("%s is wanted, but the driver or the card does not have it, or not on this kernel (Linux %s): leave it unset", name, since)
		}
		return nil
	}
}

// probeAdmin is of what the PF's driver keeps of a VF. In switchdev mlx5 takes a MAC
// address and rates, a VLAN of 0, and nothing else (m5/esw/legacy.c; tried on 6.12).
func probeAdmin(name string) func(Port, string, string) error {
	return func(p Port, to, mode string) error {
		in := ""
		for _, a := range functionAttributes() {
			if a.name == name {
				in = a.in
			}
		}
		switch {
		case p.Netdev == "" && p.NetdevIn != "":
			return fmt.Errorf("%s is wanted, and it is set over the PF's netdev, which is in %s: move it back, or leave it unset", name, p.NetdevIn)
		case p.Netdev == "":
			return fmt.Errorf("%s is wanted, and it is set over the PF's netdev, which it has not with the driver %s: leave it unset", name, p.Driver)
		case in == legacy && mode == switchdev && name == attrVLAN && to != "0":
			return fmt.Errorf("vlan %s is wanted, but in switchdev mode the driver takes a VLAN of 0 only: tag at the switch (the OVS port's tag) and leave it unset, or set eswitch-mode to legacy", to)
		case in == legacy && mode == switchdev && name != attrVLAN:
			return fmt.Errorf("%s is wanted, but it can be set in legacy mode only: set eswitch-mode to legacy, or leave it unset", name)
		}
		return nil
	}
}
