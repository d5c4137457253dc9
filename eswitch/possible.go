// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/internal/pci"
)

// possible says what the device cannot do of what is wanted, as far as can be
// known without trying.
func (d *differ) possible() error {
	p, w := d.port, d.want
	var errs []error
	refuse := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %w", pci.PF(p.Address), fmt.Errorf(format, args...)))
	}
	if p.Driver == "" && w != (PortSpec{}) && p.Address.Bus() == "pci" {
		refuse("no driver is bound to the PF, so nothing can be set: load its driver (modprobe mlx5_core)")
	}
	if w.VFs != nil && (*w.VFs < 0 || *w.VFs > p.TotalVFs) {
		refuse("vfs: %d wanted, but the device offers %d at most: lower vfs, or raise the firmware's number of VFs (NUM_OF_VFS and SRIOV_EN with mstconfig; needs a reset of the card)", *w.VFs, p.TotalVFs)
	}
	if w.Mode != nil && *w.Mode != p.Mode && p.Mode == "" && *w.Mode != legacy {
		refuse("eswitch-mode: %s wanted, but the driver (%s) has no devlink eswitch: leave eswitch-mode unset or legacy", *w.Mode, p.Driver)
	}
	for _, f := range []struct {
		name string
		want *string
		have string
	}{
		{attrInline, w.InlineMode, p.InlineMode},
		{attrEncap, w.EncapMode, p.EncapMode},
		{attrSteering, w.Steering, p.Steering},
	} {
		if f.want != nil && f.have == "" {
			refuse("%s: %s wanted, but the driver (%s) does not have it: leave it unset", f.name, *f.want, p.Driver)
		}
	}
	if (w.MTU != nil || w.Up != nil) && p.Netdev == "" && p.Driver != "" {
		refuse("mtu and up cannot be set: the PF has no netdev in this network namespace: move it back (ip link set ... netns 1), or leave them unset")
	}
	if w.Autoprobe != nil && p.Autoprobe == nil {
		refuse("sriov_drivers_autoprobe: the device does not have it: leave it unset")
	}
	mode := or(w.Mode, p.Mode)
	if mode != switchdev && (w.VF.RepresentorUp != nil || w.VF.RepresentorMTU != nil) {
		refuse("vf: representor-up and representor-mtu are wanted, but there are representors in switchdev mode only: set eswitch-mode to switchdev, or leave them unset")
	}
	for _, name := range functionCaps {
		if want := *w.VF.functionCap(name); want != nil && mode != switchdev {
			refuse("vf: %s is wanted, but VFs have port functions in switchdev mode only: set eswitch-mode to switchdev, or leave it unset", name)
		} else if _, has := firstCaps(p)[name]; want != nil && !has && p.Mode == switchdev && len(p.VFs) > 0 {
			refuse("vf: %s is wanted, but the driver or the card does not have it, or not on this kernel (Linux 6.6): leave it unset", name)
		}
	}
	if w.VF.Driver != nil && p.Address.Bus() != "pci" {
		refuse("vf: driver %s wanted, but the VFs of this device are no PCI functions and have no driver: leave it unset", *w.VF.Driver)
	}
	return errors.Join(errs...)
}

// firstCaps are the port function attributes of the first VF: all have the same.
func firstCaps(p Port) map[string]bool {
	if len(p.VFs) == 0 {
		return nil
	}
	return p.VFs[0].Caps
}
