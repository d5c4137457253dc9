// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// PF is a port of a network card as sysfs and devlink show it.
type PF struct {
	Address  pci.Address
	Vendor   string // four hexadecimal digits; "" on netdevsim
	Device   string
	VPD      sysfs.VPD // zero where the card has none
	Driver   string    // "" if none is bound
	TotalVFs int
	NumVFs   int
	// Autoprobe is sriov_drivers_autoprobe; nil where the device has none.
	Autoprobe *bool
	VFs       []VF // by index
	Speed     int  // of its netdev in Mbit/s, 0 where it is not known

	// HasNet: the driver has made a netdev, in this network namespace or another.
	HasNet bool
	// Namespace is where its netdev is, where that is another one, as in "the network namespace pod1".
	Namespace string
	// Filters are the TC rules in hardware on its netdev and on representors of its VFs, but for those of
	// Open vSwitch.
	Filters []Filter
	// Transforms are the IPsec states and policies in hardware, of its netdev or of the bond that it is in.
	Transforms []Transform

	// What devlink says: nothing of a device without an instance in this network namespace.
	HasDevlink bool
	Eswitch    devlink.Eswitch
	Params     map[string]devlink.Param
	ParamsErr  error // why not all of them are in Params
	Info       devlink.Info

	// Err is what could not be read of it; the rest is what could.
	Err error
}

// VF is a virtual function as sysfs shows it.
type VF struct {
	Address pci.Address // "" on netdevsim
	Driver  string      // "" if none is bound

	Admin     *rtlink.VF // as its PF's driver keeps it; nil where that says nothing
	HasNet    bool       // as of the PF
	NoNet     bool       // its driver could not make its netdev
	Override  string     // driver_override, "" for none; read where sriov_drivers_autoprobe is off, when nicwright needs one
	Namespace string     // as of the PF
	Holders   []Holder   // processes that hold it over vfio
	Uppers    []string   // netdevs on top of its own; its master among them
	Addresses []string   // of its netdev, but for those of the link's own scope
}

// mlx5 is the driver whose devices are ports of a card also without SR-IOV.
const mlx5 = "mlx5_core"

// steering is the one param that is read also where the others cannot be.
const steering = "flow_steering_mode"

// readPFs looks at the ports of network cards, their VFs, and by whom those are used.
func (s *Snapshot) readPFs(ctx context.Context, sys sysfs.FS, c *devlink.Client, known []PF) error {
	if known != nil { // which of all devices are PFs is known
		for _, was := range known {
			if sys.Exists(was.Address) {
				s.readPF(ctx, sys, c, was.Address, &was)
			}
		}
	} else if err := s.findPFs(ctx, sys, c); err != nil {
		return err
	}
	own := s.ownNetdevs()
	for i := range s.PFs {
		p := &s.PFs[i]
		p.Err = errors.Join(p.Err, p.readNetdevs(ctx, sys, own), s.unread[p.Address])
	}
	if err := s.readUses(ctx, sys, own); err != nil {
		for i := range s.PFs {
			if len(s.PFs[i].VFs) > 0 {
				s.PFs[i].Err = errors.Join(s.PFs[i].Err, fmt.Errorf("by whom its VFs are used: %w", err))
			}
		}
	}
	return nil
}

// findPFs looks for PFs among all devices, and reads what is the device's own.
func (s *Snapshot) findPFs(ctx context.Context, sys sysfs.FS, c *devlink.Client) error {
	for _, bus := range []string{"pci", "netdevsim"} {
		devices, err := sys.Devices(bus)
		if err != nil {
			return err
		}
		for _, a := range devices {
			if isPF(sys, a) {
				s.readPF(ctx, sys, c, a, nil)
			}
		}
	}
	return nil
}

// readPF reads what is a PF's own; was is what an earlier look saw of it, nil for none.
func (s *Snapshot) readPF(ctx context.Context, sys sysfs.FS, c *devlink.Client, a pci.Address, was *PF) {
	p := PF{Address: a}
	p.Err = errors.Join(p.readSysfs(sys, was), p.readDevlink(ctx, c, was, s))
	if p.Err != nil && !sys.Exists(a) {
		return // it went away while it was looked at
	}
	s.PFs = append(s.PFs, p)
}

// ownNetdevs are the netdevs of PFs and VFs.
func (s *Snapshot) ownNetdevs() map[pci.Function]netdev.Link {
	own := map[pci.Function]netdev.Link{}
	for _, l := range s.Netdevs {
		if l.SF == nil && !l.Representor {
			own[l.Function] = l
		}
	}
	return own
}

// readNetdevs reads what the PF's netdev tells of it and its VFs.
func (p *PF) readNetdevs(ctx context.Context, sys sysfs.FS, own map[pci.Function]netdev.Link) error {
	p.HasNet = sys.HasNet(p.Address)
	l, ok := own[pci.PF(p.Address)]
	if !ok {
		return nil
	}
	p.Speed = sys.Speed(p.Address, l.Name)
	if len(p.VFs) == 0 {
		return nil
	}
	admin, err := rtlink.VFs(ctx, l.Index)
	if errors.Is(err, unix.ENODEV) {
		return nil // it went away meanwhile
	}
	for _, vf := range admin {
		if vf.Index < len(p.VFs) {
			p.VFs[vf.Index].Admin = &vf
		}
	}
	return err
}

// isPF tells a network card's PF: an Ethernet controller with SR-IOV, or one
// that mlx5_core drives without it. VFs of this host are none.
func isPF(sys sysfs.FS, a pci.Address) bool {
	if a.Bus() == "netdevsim" {
		return true
	}
	class, err := sys.String(a, "class")
	if err != nil || !strings.HasPrefix(class, "0x0200") {
		return false
	}
	if pf, err := sys.PhysFn(a); err != nil || pf != "" {
		return false
	}
	if _, err := sys.Int(a, "sriov_totalvfs"); err == nil {
		return true
	}
	driver, err := sys.Driver(a)
	return err == nil && driver == mlx5
}

func (p *PF) readSysfs(sys sysfs.FS, was *PF) error {
	var errs []error
	var err error
	if p.Driver, err = sys.Driver(p.Address); err != nil {
		errs = append(errs, err)
	}
	if p.Address.Bus() == "pci" {
		for attr, to := range map[string]*string{"vendor": &p.Vendor, "device": &p.Device} {
			v, err := sys.String(p.Address, attr)
			errs = append(errs, err)
			*to = strings.TrimPrefix(v, "0x")
		}
		if was != nil {
			p.VPD = was.VPD
		} else if v, err := sys.VPD(p.Address); err == nil { // not every card has VPD, and a broken one is no reason to lose the card
			p.VPD = v
		}
	}
	for attr, to := range map[string]*int{"sriov_totalvfs": &p.TotalVFs, "sriov_numvfs": &p.NumVFs} {
		n, err := sys.Int(p.Address, attr)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		*to = n
	}
	n, err := sys.Int(p.Address, "sriov_drivers_autoprobe")
	switch {
	case err == nil:
		on := n != 0
		p.Autoprobe = &on
	case !errors.Is(err, fs.ErrNotExist):
		errs = append(errs, err)
	}
	return errors.Join(append(errs, p.readVFs(sys))...)
}

func (p *PF) readVFs(sys sysfs.FS) error {
	if p.Address.Bus() != "pci" {
		p.VFs = make([]VF, p.NumVFs)
		p.TotalVFs = sys.SimulatedVFs(p.Address)
		return nil
	}
	addresses, err := sys.VFs(p.Address)
	if err != nil {
		return err
	}
	p.VFs = make([]VF, len(addresses))
	var errs []error
	for n, a := range addresses {
		p.VFs[n].Address = a
		if a == "" {
			continue
		}
		p.VFs[n].Driver, err = sys.Driver(a)
		p.VFs[n].HasNet = sys.HasNet(a)
		if err == nil && p.Autoprobe != nil && !*p.Autoprobe {
			p.VFs[n].Override, err = sys.Override(a)
		}
		p.VFs[n].NoNet = !p.VFs[n].HasNet && p.VFs[n].Driver == mlx5 && sys.WithoutNet(a)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// readDevlink asks for the eswitch, the params and the versions. A device that
// has none of them, or no devlink at all, is left without.
func (p *PF) readDevlink(ctx context.Context, c *devlink.Client, was *PF, s *Snapshot) error {
	if c == nil || p.Driver == "" {
		return nil
	}
	dev := devlink.DeviceOf(p.Address)
	var err error
	if was != nil && was.HasDevlink && was.Driver == p.Driver && was.Err == nil {
		p.Info = was.Info
		if p.Eswitch, err = c.Eswitch(ctx, dev); errors.Is(err, unix.ENODEV) {
			p.Info = devlink.Info{}
			return nil
		}
		p.HasDevlink, p.Params, p.ParamsErr = true, was.Params, was.ParamsErr
		if unsupported(err) {
			return nil
		}
		return err
	}
	if p.Info, err = c.Info(ctx, dev); errors.Is(err, unix.ENODEV) {
		return nil
	}
	p.HasDevlink = true
	// The three do not hang on each other: what one of them cannot say, the others may.
	var errs []error
	if !unsupported(err) {
		errs = append(errs, err)
	}
	if p.Eswitch, err = c.Eswitch(ctx, dev); !unsupported(err) {
		errs = append(errs, err)
	}
	all, err := s.paramsOf(ctx, c, dev)
	p.Params = map[string]devlink.Param{}
	for _, param := range all {
		p.Params[param.Name] = param
	}
	if err == nil || unsupported(err) {
		return errors.Join(errs...)
	}
	// One that cannot be read ends the dump: the one that plans go by may be there all the same.
	p.ParamsErr = err
	param, err := c.Param(ctx, dev, steering)
	if !unsupported(err) {
		errs = append(errs, err)
	}
	p.Params[steering] = param
	return errors.Join(errs...)
}

// paramsOf are the params of a device, in a dump of its own, or where the kernel answers with
// those of all devices in one of all.
func (s *Snapshot) paramsOf(ctx context.Context, c *devlink.Client, dev devlink.Device) ([]devlink.Param, error) {
	if s.params != nil {
		return s.params[dev], nil
	}
	all, err := whole(ctx, func(ctx context.Context) (map[devlink.Device][]devlink.Param, error) { return c.ParamsOf(ctx, dev) })
	for d := range all {
		if d != dev && err == nil {
			s.params = all
		}
	}
	return all[dev], err
}

// unsupported tells the answers of a device that has no such thing: no devlink
// instance in this network namespace, no eswitch, no such param.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL)
}
