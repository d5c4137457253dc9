// SPDX-License-Identifier: Apache-2.0

package vlan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// Doer does the steps of VLANs of one operation.
type Doer struct {
	want []Spec // as the plan filled it
}

// NewDoer makes the Doer of what its steps were made from.
func NewDoer(want []Spec) *Doer { return &Doer{want} }

// changes is what the steps of one VLAN say, taken together.
type changes struct {
	name         string
	remove, make bool
	mark         *string // the alias, "" for none
	mtu          *int
	up           *bool
}

// Do brings the VLANs of the steps to what the steps say: first goes all that goes, or becomes another.
func (d *Doer) Do(ctx context.Context, steps []step.Step) error {
	var all []changes
	for _, s := range steps {
		if len(all) == 0 || all[len(all)-1].name != s.Resource.Name {
			all = append(all, changes{name: s.Resource.Name})
		}
		if err := all[len(all)-1].add(s); err != nil {
			return err
		}
	}
	now, err := snapshot.Present(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := d.free(c, now); err != nil {
			return fmt.Errorf("VLAN %s: %w", c.name, err)
		}
	}
	for _, c := range all {
		if err := d.apply(c, now); err != nil {
			return fmt.Errorf("VLAN %s: %w", c.name, err)
		}
	}
	return nil
}

func (c *changes) add(s step.Step) error {
	to := s.To.Str()
	switch s.Attribute {
	case Present:
		c.make, c.remove = !s.To.IsAbsent(), s.To.IsAbsent()
	case step.AttrMark:
		c.mark = &to
	case attrMTU:
		n, err := strconv.Atoi(to)
		if err != nil {
			return fmt.Errorf("%s: %q is not a number", s, to)
		}
		c.mtu = &n
	case attrUp:
		c.up = new(to == step.UpDown(true))
	default:
		return fmt.Errorf("%s: the VLAN domain has no such attribute", s)
	}
	return nil
}

// is tells whether a netdev is the VLAN that is wanted.
func (s Spec) is(l rtlink.Link, now map[resource.ID]rtlink.Link) bool {
	lower, there := now[s.On]
	id, protocol := rtlink.VLANOf(l.Data)
	return there && l.Kind == Domain && l.Lower == lower.Index && id == s.ID && protocol == protocols[s.protocol()]
}

// free removes what goes, and what is of the name and is to be another VLAN.
func (d *Doer) free(c changes, now map[resource.ID]rtlink.Link) error {
	l, there := now[resource.OfLink(c.name)]
	if !there || !c.remove && !c.make {
		return nil
	}
	if c.make {
		if n := named(d.want, c.name); n >= 0 && d.want[n].is(l, now) {
			return nil
		}
	}
	alias := l.Alias
	if c.mark != nil && alias == "" { // of an operation that was interrupted before it set it
		alias = *c.mark
	}
	switch {
	case l.Kind != Domain:
		return fmt.Errorf("the netdev of this name is no VLAN (%s): rename it, or give the VLAN another name in the profile", rtlink.KindText(l.Kind))
	case step.OwnerOf(alias) == "":
		return fmt.Errorf("it does not carry an alias that begins with %q, so nicwright did not make it and does not delete it: ip link del %s", step.AliasMark, c.name)
	}
	delete(now, resource.OfLink(c.name))
	return rtlink.Delete(l)
}

func (d *Doer) apply(c changes, now map[resource.ID]rtlink.Link) error {
	l, there := now[resource.OfLink(c.name)]
	switch {
	case c.remove, !there && !c.make && (c.mark == nil || *c.mark == ""):
		return nil
	case !there && !c.make:
		return errors.New("it went away meanwhile: apply again")
	case !there:
		var err error
		if l, err = d.make(c, now); err != nil {
			return err
		}
	}
	if c.mark != nil && l.Alias != *c.mark {
		if err := rtlink.SetAlias(l, *c.mark); err != nil {
			return err
		}
	}
	if c.mtu != nil && *c.mtu != l.MTU {
		if err := rtlink.SetMTU(l, *c.mtu); err != nil {
			return kernel.Remedied(err, "a VLAN's MTU is at most that of the netdev below it")
		}
	}
	if c.up == nil || *c.up == l.Up {
		return nil
	}
	err := rtlink.SetUp(l, *c.up)
	if errors.Is(err, unix.ENETDOWN) {
		return kernel.Remedied(err, "the netdev below it is down: say up: true of that in the profile")
	}
	return err
}

// make makes a VLAN, down, with what nobody says of it as it was, as far as the netdev below lets it.
func (d *Doer) make(c changes, now map[resource.ID]rtlink.Link) (rtlink.Link, error) {
	n := named(d.want, c.name)
	if n < 0 {
		return rtlink.Link{}, errors.New("nobody knows what it is to be: the plan is from elsewhere")
	}
	w := d.want[n]
	lower, there := now[w.On]
	if !there {
		return rtlink.Link{}, fmt.Errorf("making it on %s: %w: is its driver bound, and is it in this network namespace?", w.On, netdev.ErrNone)
	}
	u := rtlink.Upper{Name: c.name, Kind: Domain, Lower: lower.Index}
	was := w
	if w.before != nil {
		was = *w.before
	}
	if was.MTU != nil {
		u.MTU = min(*was.MTU, lower.MTU)
	}
	u.Data = rtlink.VLANData(w.ID, protocols[w.protocol()], was.Data)
	if was.MAC != "" {
		mac, err := net.ParseMAC(was.MAC)
		if err != nil {
			return rtlink.Link{}, fmt.Errorf("making it with its MAC address: %w", err)
		}
		u.MAC = mac
	}
	if err := rtlink.AddUpper(u); err != nil {
		return rtlink.Link{}, err
	}
	return rtlink.ByName(c.name)
}
