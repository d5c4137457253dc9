// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

// memberTimeout is how long a member's netdev may take to appear after its
// eswitch changed mode, where Doer.MemberTimeout is not set.
const memberTimeout = 30 * time.Second

// Doer does the steps of bonds. Its zero value works.
type Doer struct {
	// MemberTimeout is how long to wait for a member's netdev; 0: 30 s.
	MemberTimeout time.Duration
	// LAGTimeout is how long to wait for the card's LAG; 0: 60 s, and 0.5 s more for each VF.
	LAGTimeout time.Duration
	// Debugfs is where debugfs is mounted; "": /sys/kernel/debug.
	Debugfs string
}

var _ step.Doer = Doer{}

// Do brings the bonds of the steps to what the steps say, one bond after the
// other.
func (d Doer) Do(ctx context.Context, steps []step.Step) error {
	for len(steps) > 0 {
		s := steps[0]
		n := 1
		for n < len(steps) && steps[n].Resource == s.Resource && steps[n].Phase == s.Phase {
			n++
		}
		name, ok := strings.CutPrefix(s.Resource, resourcePrefix)
		if !ok {
			return fmt.Errorf("%s: the bond domain has no such resource: want bond/NAME", s.Resource)
		}
		var err error
		if s.Phase == step.LAG {
			err = d.awaitLAG(ctx, name)
		} else {
			err = d.apply(ctx, name, steps[:n])
		}
		if err != nil {
			return fmt.Errorf("bond %s: %w", name, err)
		}
		steps = steps[n:]
	}
	return nil
}

// changes is what the steps of one bond say, taken together.
type changes struct {
	remove  bool
	create  bool
	mark    bool
	options rtlink.BondOptions
	mtu     *int
	members *[]string
	up      *bool
}

func parseChanges(steps []step.Step) (changes, error) {
	var c changes
	number := func(s step.Step) (*int, error) {
		n, err := strconv.Atoi(s.To)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a number", s.Attribute, s.To)
		}
		return &n, nil
	}
	for _, s := range steps {
		var err error
		switch s.Attribute {
		case attrBond:
			c.create, c.remove = s.To != "", s.To == ""
		case attrMark:
			c.mark = true
		case attrMode:
			c.options.Mode = &s.To
		case attrHash:
			c.options.XmitHashPolicy = &s.To
		case attrRate:
			c.options.LACPRate = &s.To
		case attrMiimon:
			c.options.Miimon, err = number(s)
		case attrMTU:
			c.mtu, err = number(s)
		case attrMembers:
			ids := strings.FieldsFunc(s.To, func(r rune) bool { return r == ',' })
			c.members = &ids
		case attrUp:
			up := s.To == upDown(true)
			c.up = &up
		default:
			err = fmt.Errorf("the bond domain has no attribute %q", s.Attribute)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func (d Doer) apply(ctx context.Context, name string, steps []step.Step) error {
	c, err := parseChanges(steps)
	if err != nil {
		return err
	}
	bond, err := rtlink.ByName(name)
	switch {
	case errors.Is(err, rtlink.ErrNone):
		if c.remove {
			return nil
		}
		if bond, err = create(name, c.options); err != nil {
			return err
		}
	case err != nil:
		return err
	case bond.Bond == nil:
		return errors.New("the netdev of this name is no bond: rename it, or give the bond another name in the profile")
	case c.remove:
		return d.remove(ctx, bond)
	}
	if (c.create || c.mark) && bond.Alias != Mark {
		if err := rtlink.SetAlias(bond, Mark); err != nil {
			return err
		}
	}
	wasUp := bond.Up
	if err := d.setOptions(ctx, &bond, c.options); err != nil {
		return err
	}
	if c.members != nil {
		if err := d.setMembers(ctx, bond, *c.members); err != nil {
			return err
		}
	}
	if c.mtu != nil && bond.MTU != *c.mtu {
		// After the members: they follow the bond's.
		if err := rtlink.SetMTU(bond, *c.mtu); err != nil {
			return err
		}
	}
	up := wasUp
	if c.up != nil {
		up = *c.up
	}
	if up != bond.Up {
		return rtlink.SetUp(bond, up)
	}
	return nil
}

// create makes the bond with the options, down.
func create(name string, o rtlink.BondOptions) (rtlink.Link, error) {
	if err := rtlink.AddBond(name, o); err != nil {
		return rtlink.Link{}, err
	}
	return rtlink.ByName(name)
}

// setOptions sets the options that differ. For some of them the kernel wants the
// bond to be down (lacp_rate) or empty besides (mode): then it is so after this,
// and bond.Up tells.
func (d Doer) setOptions(ctx context.Context, bond *rtlink.Link, o rtlink.BondOptions) error {
	down := func() error {
		if !bond.Up {
			return nil
		}
		bond.Up = false
		return rtlink.SetUp(*bond, false)
	}
	if o.Mode != nil && *o.Mode != bond.Bond.Mode {
		if err := d.release(ctx, *bond, func(rtlink.Link) bool { return true }); err != nil {
			return err
		}
		if err := down(); err != nil {
			return err
		}
		if err := rtlink.SetBond(*bond, rtlink.BondOptions{Mode: o.Mode}, "setting the mode to "+*o.Mode); err != nil {
			return err
		}
	}
	if o.XmitHashPolicy != nil && *o.XmitHashPolicy != bond.Bond.XmitHashPolicy {
		if err := rtlink.SetBond(*bond, rtlink.BondOptions{XmitHashPolicy: o.XmitHashPolicy},
			"setting xmit_hash_policy to "+*o.XmitHashPolicy); err != nil {
			return err
		}
	}
	if o.LACPRate != nil && *o.LACPRate != bond.Bond.LACPRate {
		if err := down(); err != nil {
			return err
		}
		if err := rtlink.SetBond(*bond, rtlink.BondOptions{LACPRate: o.LACPRate}, "setting lacp_rate to "+*o.LACPRate); err != nil {
			return err
		}
	}
	if o.Miimon != nil && *o.Miimon != bond.Bond.Miimon {
		if err := rtlink.SetBond(*bond, rtlink.BondOptions{Miimon: o.Miimon},
			"setting miimon to "+strconv.Itoa(*o.Miimon)); err != nil {
			return err
		}
	}
	return nil
}

// setMembers makes the netdevs of ids, and only those, the bond's members.
func (d Doer) setMembers(ctx context.Context, bond rtlink.Link, ids []string) error {
	want := make([]rtlink.Link, 0, len(ids))
	for _, id := range ids {
		l, err := d.resolve(ctx, id)
		if err != nil {
			return err
		}
		want = append(want, l)
	}
	err := d.release(ctx, bond, func(l rtlink.Link) bool {
		return !slices.ContainsFunc(want, func(w rtlink.Link) bool { return w.Index == l.Index })
	})
	if err != nil {
		return err
	}
	for _, l := range want {
		if l.Master == bond.Index {
			continue
		}
		if l.Master != 0 {
			if err := rtlink.ClearMaster(l); err != nil {
				return err
			}
		}
		if l.Up {
			// A netdev is enslaved while it is down; the bond sets it up itself.
			if err := rtlink.SetUp(l, false); err != nil {
				return err
			}
		}
		if err := rtlink.SetMaster(l, bond); err != nil {
			return err
		}
	}
	return nil
}

// release takes the members for which out is true out of the bond and leaves
// them as up or down as they were: the kernel would set them down.
func (d Doer) release(ctx context.Context, bond rtlink.Link, out func(rtlink.Link) bool) error {
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Master != bond.Index || l.Slave == nil || !out(l) {
			continue
		}
		if err := rtlink.ClearMaster(l); err != nil {
			return err
		}
		if l.Up {
			if err := rtlink.SetUp(l, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d Doer) remove(ctx context.Context, bond rtlink.Link) error {
	if bond.Alias != Mark {
		return fmt.Errorf("it does not carry the alias %q, so nicwright did not make it and does not delete it: ip link del %s", Mark, bond.Name)
	}
	if err := d.release(ctx, bond, func(rtlink.Link) bool { return true }); err != nil {
		return err
	}
	return rtlink.Delete(bond)
}

// resolve finds a member's netdev, which may still be on its way after a change
// of the eswitch mode.
func (d Doer) resolve(ctx context.Context, id string) (rtlink.Link, error) {
	if name, ok := strings.CutPrefix(id, netdevPrefix); ok {
		return rtlink.ByName(name)
	}
	timeout := d.MemberTimeout
	if timeout == 0 {
		timeout = memberTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf(
		"%v are over: is the port bound to mlx5_core, and its netdev in this network namespace?", timeout))
	defer cancel()
	events, err := await.Links(ctx)
	if err != nil {
		return rtlink.Link{}, err
	}
	var l rtlink.Link
	err = await.Until(ctx, "the uplink "+id+" has a netdev", events, func() (bool, error) {
		n, err := netdev.OfFunction(ctx, pci.PF(pci.Address(id)))
		if err == nil {
			l, err = rtlink.ByIndex(n.Index)
		}
		if errors.Is(err, netdev.ErrNone) || errors.Is(err, rtlink.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
	return l, err
}
