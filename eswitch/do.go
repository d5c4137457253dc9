// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// Doer does the steps of ports and their VFs, each step until its effect is
// seen. It is made once for an operation, and remembers which netdevs and devlink
// ports are whose, so that no step looks at all of them again. Steps of different
// ports may run concurrently.
type Doer struct {
	// Timeout is how long the effect of a step may take, beside TimeoutPerVF for each VF it concerns; 0: 30 s.
	Timeout time.Duration
	// TimeoutPerVF; 0: 10 s, which is ample on hardware and enough under emulation.
	TimeoutPerVF time.Duration

	sys     sysfs.FS
	netdevs netdev.Finder

	mu    sync.Mutex
	ports map[pci.Function]devlink.Port // of VFs, on the eswitch's side
	admin map[pci.Address][]rtlink.VF   // what was last seen of a PF's VFs, or set
}

// NewDoer makes the Doer of one operation.
func NewDoer() *Doer { return &Doer{} }

var _ step.Doer = (*Doer)(nil)

// Do does one step, or those of a group in one act.
func (d *Doer) Do(ctx context.Context, steps []step.Step) error {
	if len(steps) > 1 && steps[0].Attribute == attrDriver {
		return d.bindAll(ctx, steps)
	}
	type act struct {
		f   pci.Function
		all []step.Step
	}
	var acts []act
	for _, s := range steps {
		n := len(acts) - 1
		if n >= 0 && s.Group != "" && acts[n].f == s.Resource.Function && acts[n].all[0].Group == s.Group {
			acts[n].all = append(acts[n].all, s)
			continue
		}
		acts = append(acts, act{s.Resource.Function, []step.Step{s}})
	}
	for _, a := range acts {
		if err := d.one(ctx, a.f, a.all); err != nil {
			return err
		}
	}
	return nil
}

// one sets the attributes of steps, all of one resource, in one act.
func (d *Doer) one(ctx context.Context, f pci.Function, steps []step.Step) error {
	s := steps[0]
	to := map[string]string{}
	var what []string
	for _, s := range steps {
		to[s.Attribute] = s.To.Str()
		what = append(what, fmt.Sprintf("%s to %s", s.Attribute, s.To))
	}
	err := d.write(ctx, f, s.Attribute, to)
	return newError("setting "+strings.Join(what, ", "), s.Resource.String(), s.Attribute, err)
}

func (d *Doer) write(ctx context.Context, f pci.Function, attribute string, to map[string]string) error {
	write := d.writerOf(f, attribute)
	if write == nil {
		return unknownAttribute(attribute)
	}
	vfs := 0 // that the step concerns
	if _, mode, _ := cutParam(attribute); attribute == attrVFs || attribute == attrMode || mode == cmodeDriverInit {
		now, err := d.sys.Int(f.PF, "sriov_numvfs")
		if err == nil {
			vfs = now
		}
		if n, ok := count(to[attrVFs]); ok {
			vfs = max(vfs, n)
		}
	} else if f.IsVF() {
		vfs = 1
	}
	ctx, stop := d.deadline(ctx, vfs)
	defer stop()
	return write(d, ctx, f, to)
}

func (d *Doer) writerOf(f pci.Function, attribute string) writer {
	if f.IsVF() {
		for _, a := range functionAttributes() {
			if a.name == attribute {
				return a.write
			}
		}
		return nil
	}
	if _, _, is := cutParam(attribute); is {
		return (*Doer).writeParams
	}
	for _, a := range portAttributes() {
		if a.name == attribute {
			return a.write
		}
	}
	return nil
}

// deadline grows with the number of VFs: making one takes the driver and the
// firmware a while.
func (d *Doer) deadline(ctx context.Context, vfs int) (context.Context, context.CancelFunc) {
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

// made says that the netdevs and ports of a PF's VFs are others now.
func (d *Doer) made(pf pci.Address) {
	d.netdevs.Invalidate()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ports = nil
	delete(d.admin, pf)
}

// blocking does what the kernel may block in for as long as somebody else holds
// something, which no signal ends: it is left behind when ctx ends. who says by
// whom it is held then, "" if that cannot be seen.
func blocking(ctx context.Context, who func() string, act func() error) error {
	done := make(chan error, 1)
	go func() { done <- act() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // both at once
		return err
	default:
	}
	err := fmt.Errorf("the kernel is still at it: %w", context.Cause(ctx))
	if by := who(); by != "" {
		err = fmt.Errorf("the kernel waits for whoever holds it, and goes on when that lets go (%s): %w", by, context.Cause(ctx))
	}
	return err
}

func withDevlink(f func(*devlink.Client) error) error {
	c, err := devlink.Dial()
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}

func netdevID(f pci.Function) resource.ID {
	if f.IsVF() {
		return resource.OfRepresentor(f)
	}
	return resource.OfNetdev(f)
}
