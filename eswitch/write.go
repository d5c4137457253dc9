// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
)

func (d *Doer) writeAutoprobe(_ context.Context, f pci.Function, to map[string]string) error {
	return d.sys.Write(f.PF, attrAutoprobe, map[string]string{"true": "1", "false": "0"}[to[attrAutoprobe]])
}

func (d *Doer) writeSteering(ctx context.Context, f pci.Function, to map[string]string) error {
	return withDevlink(func(c *devlink.Client) error {
		return c.SetParam(ctx, device(f.PF), SteeringParam, devlink.Runtime, to[attrSteering])
	})
}

func (d *Doer) writeInline(ctx context.Context, f pci.Function, to map[string]string) error {
	return withDevlink(func(c *devlink.Client) error { return c.SetInlineMode(ctx, device(f.PF), to[attrInline]) })
}

func (d *Doer) writeEncap(ctx context.Context, f pci.Function, to map[string]string) error {
	return withDevlink(func(c *devlink.Client) error { return c.SetEncapMode(ctx, device(f.PF), to[attrEncap]) })
}

// writeMTU is of the PF's netdev, or of a VF's representor.
func (d *Doer) writeMTU(ctx context.Context, f pci.Function, to map[string]string) error {
	name := AttrMTU
	if f.IsVF() {
		name = attrRepMTU
	}
	mtu, err := strconv.Atoi(to[name])
	if err != nil {
		return err
	}
	return d.link(ctx, f, func(l rtlink.Link) error { return rtlink.SetMTU(l, mtu) })
}

// writeUp is of the PF's netdev, or of a VF's representor.
func (d *Doer) writeUp(ctx context.Context, f pci.Function, to map[string]string) error {
	name := AttrUp
	if f.IsVF() {
		name = attrRepUp
	}
	return d.link(ctx, f, func(l rtlink.Link) error { return rtlink.SetUp(l, to[name] == "true") })
}

// link changes the PF's netdev or a VF's representor. After a mode change either
// may take a moment to appear.
func (d *Doer) link(ctx context.Context, f pci.Function, act func(rtlink.Link) error) error {
	change := func() error {
		return d.netdevs.With(ctx, f, f.IsVF(), func(l netdev.Link) error {
			return act(rtlink.Link{Name: l.Name, Index: l.Index})
		})
	}
	err := change()
	if !errors.Is(err, netdev.ErrNone) {
		return err
	}
	events, err := await.Links(ctx)
	if err != nil {
		return err
	}
	return await.Until(ctx, "there is "+netdevID(f).String(), events, func() (bool, error) {
		err := change()
		if errors.Is(err, netdev.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
}

// writeAdmin sets what the PF's driver keeps of a VF. VLAN, priority and protocol,
// and the two rates, are one to the kernel: what is not to be changed of them is
// what it was.
func (d *Doer) writeAdmin(ctx context.Context, f pci.Function, to map[string]string) error {
	return d.netdevs.With(ctx, pci.PF(f.PF), false, func(l netdev.Link) error {
		now, err := d.adminOf(ctx, f, l.Index)
		if err != nil {
			return err
		}
		change, next, err := adminChange(now, to)
		if err != nil {
			return err
		}
		if err := rtlink.SetVF(l.Index, f.VF, change); err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if all := d.admin[f.PF]; f.VF < len(all) {
			all[f.VF] = next
		}
		return nil
	})
}

// adminOf is what the PF's driver keeps of a VF: read for all VFs once.
func (d *Doer) adminOf(ctx context.Context, f pci.Function, index int) (rtlink.VF, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, ok := d.admin[f.PF]
	if !ok || f.VF >= len(all) {
		read, err := rtlink.VFs(ctx, index)
		if err != nil {
			return rtlink.VF{}, err
		}
		all = nil
		for _, vf := range read {
			for len(all) <= vf.Index {
				all = append(all, rtlink.VF{Index: -1})
			}
			all[vf.Index] = vf
		}
		if d.admin == nil {
			d.admin = map[pci.Address][]rtlink.VF{}
		}
		d.admin[f.PF] = all
	}
	if f.VF >= len(all) || all[f.VF].Index < 0 {
		return rtlink.VF{}, errors.New("the PF's driver has no such VF")
	}
	return all[f.VF], nil
}

// adminChange is what leads from now to what is wanted of a VF, and the VF then.
func adminChange(now rtlink.VF, to map[string]string) (rtlink.VFChange, rtlink.VF, error) {
	var c rtlink.VFChange
	var errs []error
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		errs = append(errs, err)
		return n
	}
	on := func(s string) *bool { b := s == "true"; return &b }
	for name, v := range to {
		switch name {
		case attrMAC:
			mac, err := net.ParseMAC(v)
			errs = append(errs, err)
			now.MAC, c.MAC = mac, mac
		case attrVLAN:
			now.VLAN = number(v)
		case attrQoS:
			now.QoS = number(v)
		case attrVLANProto:
			now.VLANProto = v
		case attrMinTxRate:
			now.MinTxRate = number(v)
		case attrMaxTxRate:
			now.MaxTxRate = number(v)
		case attrSpoofChk:
			now.SpoofChk, c.SpoofChk = on(v), on(v)
		case attrTrust:
			now.Trust, c.Trust = on(v), on(v)
		case attrLinkState:
			now.LinkState, c.LinkState = v, &v
		default:
			errs = append(errs, fmt.Errorf("%s is not one of them", name))
		}
		switch name {
		case attrVLAN, attrQoS, attrVLANProto:
			c.VLAN = &rtlink.VLAN{ID: now.VLAN, QoS: now.QoS, Proto: now.VLANProto}
		case attrMinTxRate, attrMaxTxRate:
			c.Rate = &rtlink.Rate{Min: now.MinTxRate, Max: now.MaxTxRate}
		}
	}
	return c, now, errors.Join(errs...)
}

// writeCap switches a port function attribute of a VF.
func (d *Doer) writeCap(ctx context.Context, f pci.Function, to map[string]string) error {
	return d.withPort(ctx, f, func(c *devlink.Client, p devlink.Port) error {
		for name, value := range to {
			on := value == "true"
			now, has := p.Caps[name]
			switch {
			case !has:
				return errNoAttribute
			case now == on:
				continue
			}
			if err := c.SetCap(ctx, p, name, on); err != nil {
				return err
			}
		}
		return nil
	})
}

var errNoAttribute = fmt.Errorf("%w: the driver or the card does not have it, or not on this kernel", errors.ErrUnsupported)

// writeMaxIOEQs says how many event queues a VF may have.
func (d *Doer) writeMaxIOEQs(ctx context.Context, f pci.Function, to map[string]string) error {
	n, err := strconv.ParseUint(to[attrMaxIOEQs], 10, 32)
	if err != nil {
		return err
	}
	return d.withPort(ctx, f, func(c *devlink.Client, p devlink.Port) error {
		switch {
		case p.MaxIOEQs == nil:
			return errNoAttribute
		case *p.MaxIOEQs == uint32(n):
			return nil
		}
		return c.SetMaxIOEQs(ctx, p, uint32(n))
	})
}

// withPort does something to the eswitch's port to a VF as it is now.
func (d *Doer) withPort(ctx context.Context, f pci.Function, act func(*devlink.Client, devlink.Port) error) error {
	return withDevlink(func(c *devlink.Client) error {
		known, err := d.portOf(ctx, c, f)
		if err != nil {
			return err
		}
		p, err := c.Port(ctx, known.Device, known.Index)
		if err != nil {
			return err
		}
		return act(c, p)
	})
}

// portOf is the eswitch's port to a VF: all are looked for at once.
func (d *Doer) portOf(ctx context.Context, c *devlink.Client, f pci.Function) (devlink.Port, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.ports[f]; ok {
		return p, nil
	}
	all, err := c.Ports(ctx)
	if err != nil {
		return devlink.Port{}, err
	}
	d.ports = map[pci.Function]devlink.Port{}
	for _, p := range all {
		if vf, ok := vfOf(p); ok {
			d.ports[vf] = p
		}
	}
	if p, ok := d.ports[f]; ok {
		return p, nil
	}
	return devlink.Port{}, errors.New("the VF has no devlink port: is the eswitch in switchdev mode?")
}

// count is the number of VFs that a step says.
func count(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}
