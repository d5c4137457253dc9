// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

// netdevTimeout is how long a port's netdev may take to appear after its eswitch
// changed mode.
const netdevTimeout = 30 * time.Second

// Doer does the steps of bridges of one operation.
type Doer struct {
	want []Spec // as the plan filled it
}

// NewDoer makes the Doer of what its steps were made from.
func NewDoer(want []Spec) *Doer { return &Doer{want} }

var _ step.Doer = (*Doer)(nil)

// Do brings the bridges of the steps to what the steps say, one after the other.
func (d *Doer) Do(ctx context.Context, steps []step.Step) error {
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].Group == steps[0].Group {
			n++
		}
		name, ok := strings.CutPrefix(steps[0].Group, groupPrefix)
		if !ok {
			return fmt.Errorf("%s: the bridge domain has no such resource", steps[0])
		}
		if err := d.apply(ctx, name, steps[:n]); err != nil {
			return fmt.Errorf("bridge %s: %w", name, err)
		}
		steps = steps[n:]
	}
	return nil
}

// changes is what the steps of one bridge say, taken together.
type changes struct {
	remove, create bool
	mark           *string // the alias, "" for none
	options        []rtlink.Option
	names          []string // of the options
	filtering      *rtlink.Option
	mtu            *int
	up             *bool
	out            []resource.ID
	ports          []portChange
}

// portChange is a port to be put there, or with other VLANs.
type portChange struct {
	netdev resource.ID
	join   bool
	moves  bool // it may be taken out of its master
	vlans  *set // nil: as the bridge gives
}

func parseChanges(name string, steps []step.Step) (c changes, err error) {
	for _, s := range steps {
		switch {
		case s.Resource.Kind == resource.BridgePort && s.Resource.Name == name:
			err = c.port(s)
		case s.Resource == resource.OfLink(name):
			err = c.own(s)
		default:
			err = fmt.Errorf("%s is none of its resources", s.Resource)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *changes) port(s step.Step) error {
	p := portChange{netdev: s.Resource.NetdevOf(), join: s.Attribute == AttrPort}
	switch {
	case s.Attribute != AttrPort && s.Attribute != attrVLANs:
		return fmt.Errorf("a port has no attribute %q", s.Attribute)
	case s.To.IsAbsent():
		c.out = append(c.out, p.netdev)
		return nil
	case s.To.Str() != asGiven:
		vlans, err := parse(s.To.Str())
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		p.vlans = &vlans
	}
	p.moves = step.EffectsOf([]step.Step{s}).On(p.netdev, step.Leaves, step.Joins)
	c.ports = append(c.ports, p)
	return nil
}

func (c *changes) own(s step.Step) error {
	to := s.To.Str()
	switch o := find(s.Attribute); {
	case o != nil:
		v, err := o.value(to)
		if err != nil {
			return err
		}
		if o.name == attrFiltering {
			c.filtering = &v
			break
		}
		c.options, c.names = append(c.options, v), append(c.names, o.name+" to "+to)
	case s.Attribute == Present:
		c.create, c.remove = !s.To.IsAbsent(), s.To.IsAbsent()
	case s.Attribute == step.AttrMark:
		c.mark = &to
	case s.Attribute == attrMTU:
		n, err := strconv.Atoi(to)
		if err != nil {
			return fmt.Errorf("%s: %q is not a number", s.Attribute, to)
		}
		c.mtu = &n
	case s.Attribute == attrUp:
		up := to == step.UpDown(true)
		c.up = &up
	default:
		return fmt.Errorf("the bridge domain has no attribute %q", s.Attribute)
	}
	return nil
}

func (d *Doer) apply(ctx context.Context, name string, steps []step.Step) error {
	c, err := parseChanges(name, steps)
	if err != nil {
		return err
	}
	br, err := rtlink.ByName(name)
	there := err == nil
	switch {
	case err != nil && !errors.Is(err, rtlink.ErrNone):
		return err
	case !there && (c.remove || !c.create && len(c.ports) == 0):
		return nil // with its ports
	case !there && !c.create:
		return fmt.Errorf("it went away meanwhile: run apply again: %w", err)
	case there && br.Kind != "bridge":
		return errors.New("the netdev of this name is no bridge of the kernel: rename it, or give the bridge another name in the profile")
	}
	netdevs, err := awaitNetdevs(ctx, c)
	if err != nil {
		return err
	}
	if !there {
		if br, err = create(name, c, netdevs); err != nil {
			return err
		}
	}
	if err := d.takeOut(br, c, netdevs); err != nil {
		return err
	}
	if c.remove {
		if c.mark != nil {
			br.Alias = *c.mark // of an operation that was interrupted before it set it
		}
		return remove(br)
	}
	return d.change(ctx, br, c, netdevs)
}

// create makes the bridge, down, with the MAC address of the first port that leads
// out: neighbours know the addresses that go to it by that.
func create(name string, c changes, netdevs map[resource.ID]rtlink.Link) (rtlink.Link, error) {
	var mac net.HardwareAddr
	for _, p := range c.ports {
		if l := netdevs[p.netdev]; p.netdev.Kind != resource.Representor && len(l.MAC) == 6 {
			mac = l.MAC
			break
		}
	}
	options := c.options
	if c.filtering != nil { // it has no ports that could be cut off
		options = append(options, *c.filtering)
	}
	if err := rtlink.AddBridge(name, 0, mac, options); err != nil {
		return rtlink.Link{}, err
	}
	return rtlink.ByName(name)
}

func remove(br rtlink.Link) error {
	if step.OwnerOf(br.Alias) == "" {
		return fmt.Errorf("it does not carry an alias that begins with %q, so nicwright did not make it and does not delete it: ip link del %s", step.AliasMark, br.Name)
	}
	return rtlink.Delete(br)
}

// change does all but making and removing; the filter goes on last.
func (d *Doer) change(ctx context.Context, br rtlink.Link, c changes, netdevs map[resource.ID]rtlink.Link) error {
	if c.mark != nil && br.Alias != *c.mark {
		if err := rtlink.SetAlias(br, *c.mark); err != nil {
			return err
		}
	}
	for i, o := range c.options {
		if err := set1(br, o, c.names[i]); err != nil {
			return err
		}
	}
	if err := d.setPorts(ctx, br, c, netdevs); err != nil {
		return err
	}
	if c.mtu != nil {
		if err := rtlink.SetMTU(br, *c.mtu); err != nil {
			return err
		}
	}
	if c.filtering != nil {
		if err := set1(br, *c.filtering, attrFiltering+" to "+find(attrFiltering).text(c.filtering.Value)); err != nil {
			return err
		}
	}
	if c.up != nil && *c.up != br.Up {
		return rtlink.SetUp(br, *c.up)
	}
	return nil
}

// set1 sets an option that differs.
func set1(br rtlink.Link, o rtlink.Option, what string) error {
	if is, ok := rtlink.Numbers(br.Data)[o.Type]; ok && is == o.Value {
		return nil
	}
	return rtlink.SetBridge(br, []rtlink.Option{o}, "setting "+what)
}
