// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// memberTimeout is how long a member's netdev may take to appear after its
// eswitch changed mode, where Doer.MemberTimeout is not set.
const memberTimeout = 30 * time.Second

// Doer does the steps of bonds of one operation. Its zero value works.
type Doer struct {
	// MemberTimeout is how long to wait for a member's netdev; 0: 30 s.
	MemberTimeout time.Duration
	// LAGTimeout is how long to wait for the card's LAG; 0: 60 s, and 0.5 s more for each VF.
	LAGTimeout time.Duration
	// Debugfs is where debugfs is mounted; "": /sys/kernel/debug.
	Debugfs string

	uplinks netdev.Finder
	macs    map[string]net.HardwareAddr // of bonds that a step emptied
}

// NewDoer makes the Doer of one operation.
func NewDoer() *Doer { return &Doer{} }

var _ step.Doer = (*Doer)(nil)

func (d *Doer) debugfs() string {
	if d.Debugfs == "" {
		return snapshot.Debugfs
	}
	return d.Debugfs
}

// Do brings the bonds of the steps to what the steps say, one bond after the
// other.
func (d *Doer) Do(ctx context.Context, steps []step.Step) error {
	for len(steps) > 0 {
		name, err := bondOf(steps[0])
		if err != nil {
			return err
		}
		n := 1
		for n < len(steps) && steps[n].Group == steps[0].Group && steps[n].Phase == steps[0].Phase {
			if other, err := bondOf(steps[n]); err != nil || other != name {
				break
			}
			n++
		}
		if steps[0].Phase == step.LAG {
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

// bondOf is the bond whose step it is, also where it is about a member.
func bondOf(s step.Step) (string, error) {
	if s.Resource.Kind == resource.Bond {
		return s.Resource.Name, nil
	}
	if name, ok := strings.CutPrefix(s.Group, groupPrefix); ok {
		return name, nil
	}
	return "", fmt.Errorf("%s: the bond domain has no such resource: want bond/NAME, or a member in the group of its bond", s.Resource)
}

// change is an option of the table to be set.
type change struct {
	attribute
	to string
}

// changes is what the steps of one bond say, taken together.
type changes struct {
	remove, create bool
	mark           string // the alias, "" for none to be set
	options        []change
	primary        *string // a member's ID, "" for none
	mtu            *int
	members        *[]string
	leaves         []resource.ID // netdevs that may be taken out of their master
	up             *bool
	ofMembers      []step.Step
}

func parseChanges(name string, steps []step.Step) (changes, error) {
	var c changes
	for _, s := range steps {
		for _, e := range s.Effects {
			if e.Kind == step.Leaves {
				c.leaves = append(c.leaves, e.On)
			}
		}
		if s.Resource != resource.OfBond(name) {
			c.ofMembers = append(c.ofMembers, s)
			continue
		}
		to := s.To.Str()
		switch a := find(s.Attribute); {
		case a != nil && a.member:
			c.primary = &to
		case a != nil:
			c.options = append(c.options, change{*a, to})
		case s.Attribute == Present:
			c.create, c.remove = !s.To.IsAbsent(), s.To.IsAbsent()
		case s.Attribute == step.AttrMark:
			c.mark = to
		case s.Attribute == attrMTU:
			n, err := strconv.Atoi(to)
			if err != nil {
				return c, fmt.Errorf("%s: %q is not a number", s.Attribute, to)
			}
			c.mtu = &n
		case s.Attribute == attrMembers:
			ids := strings.FieldsFunc(to, func(r rune) bool { return r == ',' })
			c.members = &ids
		case s.Attribute == attrUp:
			up := to == step.UpDown(true)
			c.up = &up
		default:
			return c, fmt.Errorf("the bond domain has no attribute %q", s.Attribute)
		}
	}
	return c, nil
}

func (d *Doer) apply(ctx context.Context, name string, steps []step.Step) error {
	c, err := parseChanges(name, steps)
	if err != nil {
		return err
	}
	bond, err := rtlink.ByName(name)
	switch {
	case errors.Is(err, rtlink.ErrNone):
		if c.remove {
			return nil
		}
		if !c.create {
			return fmt.Errorf("it went away meanwhile: run apply again: %w", err)
		}
		if bond, err = d.create(ctx, name, c); err != nil {
			return err
		}
	case err != nil:
		return err
	case bond.Bond == nil:
		return errors.New("the netdev of this name is no bond: rename it, or give the bond another name in the profile")
	case c.remove:
		return d.remove(ctx, bond)
	}
	if c.mark != "" && bond.Alias != c.mark {
		if err := rtlink.SetAlias(bond, c.mark); err != nil {
			return err
		}
	}
	return d.change(ctx, bond, c)
}

// create makes the bond with the options, the MTU and its first member's MAC address,
// down.
func (d *Doer) create(ctx context.Context, name string, c changes) (rtlink.Link, error) {
	var options []rtlink.BondOption
	for _, o := range c.options {
		option, err := o.option(o.to)
		if err != nil {
			return rtlink.Link{}, err
		}
		options = append(options, option)
	}
	mtu := 0
	if c.mtu != nil {
		mtu = *c.mtu
	}
	mac, err := d.firstMAC(ctx, c)
	if err != nil {
		return rtlink.Link{}, err
	}
	if err := rtlink.AddBond(name, mtu, mac, options); err != nil {
		return rtlink.Link{}, err
	}
	return rtlink.ByName(name)
}

// change does all but making and removing.
func (d *Doer) change(ctx context.Context, bond rtlink.Link, c changes) error {
	wasUp := bond.Up
	mac, err := d.setOptions(ctx, &bond, c)
	if err != nil {
		return err
	}
	if c.members != nil {
		if err := d.setMembers(ctx, bond, c, mac); err != nil {
			return err
		}
	}
	if c.primary != nil {
		if err := d.setPrimary(ctx, bond, *c.primary); err != nil {
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
		if err := rtlink.SetUp(bond, up); err != nil {
			return err
		}
	}
	for _, s := range c.ofMembers {
		if err := d.setOfMember(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// setOptions sets the options that differ. For some of them the kernel wants the
// bond to be down, or empty besides: then it is so after this, and bond.Up tells.
// Of a bond that was emptied it gives the MAC address, which the kernel throws dice
// for then.
func (d *Doer) setOptions(ctx context.Context, bond *rtlink.Link, c changes) (mac net.HardwareAddr, err error) {
	emptied := false
	for _, o := range c.options {
		option, err := o.option(o.to)
		if err != nil {
			return nil, err
		}
		if is, ok := bond.Bond.Values[option.Type]; ok && is == option.Value && !o.perMiimon {
			continue
		}
		if o.empty && !emptied {
			emptied = true
			if mac, err = d.empty(ctx, *bond, c); err != nil {
				return nil, err
			}
		}
		if o.down && bond.Up {
			if err := rtlink.SetUp(*bond, false); err != nil {
				return nil, err
			}
			bond.Up = false
		}
		if err := rtlink.SetBond(*bond, []rtlink.BondOption{option}, "setting "+o.name+" to "+o.to); err != nil {
			return nil, err
		}
	}
	return mac, nil
}

// setPrimary names the member that is preferred, or none.
func (d *Doer) setPrimary(ctx context.Context, bond rtlink.Link, id string) error {
	option := rtlink.BondOption{Type: find(attrPrimary).nla, Size: find(attrPrimary).size}
	if id != "" {
		l, err := d.resolve(ctx, id)
		if err != nil {
			return err
		}
		option.Value = l.Index
	}
	return rtlink.SetBond(bond, []rtlink.BondOption{option}, "setting primary to "+strconv.Quote(id))
}

// setOfMember does the step of a member that does not follow its bond.
func (d *Doer) setOfMember(ctx context.Context, s step.Step) error {
	id := string(s.Resource.Function.PF)
	if s.Resource.Kind == resource.Link {
		id = netdevPrefix + s.Resource.Name
	}
	l, err := d.resolve(ctx, id)
	if err != nil {
		return err
	}
	switch s.Attribute {
	case attrMTU:
		n, err := strconv.Atoi(s.To.Str())
		if err != nil {
			return fmt.Errorf("%s: %q is not a number", s, s.To.Str())
		}
		return rtlink.SetMTU(l, n)
	case attrUp:
		return rtlink.SetUp(l, s.To.Str() == step.UpDown(true))
	}
	return fmt.Errorf("the bond domain has no attribute %q of a member", s.Attribute)
}

func (d *Doer) remove(ctx context.Context, bond rtlink.Link) error {
	if step.OwnerOf(bond.Alias) == "" {
		return fmt.Errorf("it does not carry an alias that begins with %q, so nicwright did not make it and does not delete it: ip link del %s", step.AliasMark, bond.Name)
	}
	if err := d.release(ctx, bond, func(rtlink.Link) bool { return true }, nil); err != nil {
		return err
	}
	return rtlink.Delete(bond)
}

// mayLeave tells whether a netdev may be taken out of its master by these steps.
func (c changes) mayLeave(id string) bool { return slices.Contains(c.leaves, memberID(id)) }
