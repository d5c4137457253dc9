// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// Doer does the steps of ports and their VFs, each step until its effect is
// seen. Its zero value works. Steps of different ports may run concurrently.
type Doer struct {
	// Timeout is how long the effect of a step may take, beside TimeoutPerVF for each VF it concerns; 0: 30 s.
	Timeout time.Duration
	// TimeoutPerVF; 0: 10 s, which is ample on hardware and enough under emulation.
	TimeoutPerVF time.Duration

	sys sysfs.FS
}

var _ step.Doer = Doer{}

// Do does the steps one after the other.
func (d Doer) Do(ctx context.Context, steps []step.Step) error {
	for _, s := range steps {
		f, err := pci.ParseFunction(s.Resource)
		if err != nil {
			return fmt.Errorf("%s %s: %w", s.Resource, s.Attribute, err)
		}
		if err := d.do(ctx, f, s); err != nil {
			return newError(fmt.Sprintf("setting %s to %s", s.Attribute, s.To), s.Resource, s.Attribute, err)
		}
	}
	return nil
}

func (d Doer) do(ctx context.Context, f pci.Function, s step.Step) error {
	vfs, err := d.sys.Int(f.PF, "sriov_numvfs")
	if err != nil {
		vfs = 0 // no SR-IOV
	}
	switch s.Attribute {
	case attrVFs:
		n, err := strconv.Atoi(s.To)
		if err != nil {
			return err
		}
		ctx, stop := d.deadline(ctx, max(n, vfs))
		defer stop()
		return d.setVFs(ctx, f.PF, n)
	case attrMode:
		ctx, stop := d.deadline(ctx, vfs)
		defer stop()
		return d.setMode(ctx, f.PF, s.To)
	case attrDriver:
		ctx, stop := d.deadline(ctx, 1)
		defer stop()
		return d.setDriver(ctx, f, s.To)
	}
	ctx, stop := d.deadline(ctx, 0)
	defer stop()
	switch s.Attribute {
	case attrAutoprobe:
		value := map[string]string{"true": "1", "false": "0"}[s.To]
		return d.sys.Write(f.PF, attrAutoprobe, value)
	case attrSteering:
		return withDevlink(func(c *devlink.Client) error {
			return c.SetParam(ctx, device(f.PF), steeringParam, devlink.Runtime, s.To)
		})
	case attrInline:
		return withDevlink(func(c *devlink.Client) error { return c.SetInlineMode(ctx, device(f.PF), s.To) })
	case attrEncap:
		return withDevlink(func(c *devlink.Client) error { return c.SetEncapMode(ctx, device(f.PF), s.To) })
	case attrIPsecCrypto, attrIPsecPacket:
		return setCap(ctx, f, s.Attribute, s.To == "true", d.sys)
	case attrMTU, attrUp, attrRepMTU, attrRepUp:
		return d.setLink(ctx, f, s)
	}
	return errors.New("the eswitch domain has no such attribute: is the plan from another version of nicwright?")
}

// deadline grows with the number of VFs: making one takes the driver and the
// firmware a while.
func (d Doer) deadline(ctx context.Context, vfs int) (context.Context, context.CancelFunc) {
	base, each := d.Timeout, d.TimeoutPerVF
	if base == 0 {
		base = 30 * time.Second
	}
	if each == 0 {
		each = 10 * time.Second
	}
	limit := base + time.Duration(vfs)*each
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not happened within %s", limit))
}

// setLink changes the PF's netdev or a VF's representor. After a mode change
// either may take a moment to appear.
func (d Doer) setLink(ctx context.Context, f pci.Function, s step.Step) error {
	events, err := await.Links(ctx)
	if err != nil {
		return err
	}
	what, find := "the PF has its netdev", netdev.OfFunction
	if f.IsVF() {
		what, find = "the VF has its representor", netdev.Representor
	}
	var l netdev.Link
	err = await.Until(ctx, what, events, func() (bool, error) {
		var err error
		l, err = find(ctx, f)
		if errors.Is(err, netdev.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	link := rtlink.Link{Name: l.Name, Index: l.Index}
	switch s.Attribute {
	case attrMTU, attrRepMTU:
		mtu, err := strconv.Atoi(s.To)
		if err != nil {
			return err
		}
		return rtlink.SetMTU(link, mtu)
	default:
		return rtlink.SetUp(link, s.To == "true")
	}
}

func withDevlink(f func(*devlink.Client) error) error {
	c, err := devlink.Dial()
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}
