// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// linkTimeout is how long a link may take to come back, or a new IPv6 address until
// routes can use it: it is looked for on the link first (RFC 4862, duplicate address
// detection).
const linkTimeout = 10 * time.Second

// Doer puts things back on netdevs, and takes them away.
type Doer struct {
	want, have State
}

// NewDoer makes a Doer of what its steps were made from: the want, with what was
// before in it, and what was observed.
func NewDoer(want, have State) *Doer { return &Doer{want, have} }

// Do does the steps: what goes away first, then masters and what is the netdev's
// own, then the rest in the order in which the kernel takes it. What one netdev is
// refused keeps nothing from the others: errors are told together.
func (d *Doer) Do(ctx context.Context, steps []step.Step) error {
	now, err := look(ctx)
	if err != nil {
		return err
	}
	var puts []put
	var errs []error
	for _, s := range steps {
		if ctx.Err() != nil {
			break
		}
		if ofItem(s) {
			i, ok := d.item(s)
			if !ok {
				errs = append(errs, fmt.Errorf("%s: putting back its %s: nobody knows what it was: the plan is from elsewhere", s.Resource, s.Attribute))
				continue
			}
			if _, there := now[s.Resource]; there {
				puts = append(puts, put{i, s.Resource})
				continue
			}
		}
		errs = append(errs, d.one(ctx, s, now))
	}
	errs = append(errs, d.puts(ctx, puts, now))
	return errors.Join(errs...)
}

// ofItem tells a step that puts an item on, by its attribute: "address 192.0.2.1/24".
func ofItem(s step.Step) bool {
	kind, _, _ := strings.Cut(s.Attribute, " ")
	return !s.To.IsAbsent() && rtnet.Kind(kind).Known()
}

// one does a step of another kind.
func (d *Doer) one(ctx context.Context, s step.Step, now map[resource.ID]int) error {
	_, there := now[s.Resource]
	switch {
	case s.To.IsAbsent() && !there:
		return nil
	case s.Attribute == attrNetdev:
		return d.makeUpper(s, now)
	case !there:
		return fmt.Errorf("%s: putting back its %s: %w: is its driver bound, and is it in this network namespace?", s.Resource, s.Attribute, netdev.ErrNone)
	case s.To.IsAbsent():
		return d.remove(s)
	case s.Attribute == attrMaster:
		return d.setMaster(ctx, s, now)
	case isSetting(s.Attribute):
		return set(ctx, s, now[s.Resource])
	case s.Attribute == attrUp, s.Attribute == attrMTU:
		return d.setLink(s, now[s.Resource])
	}
	return fmt.Errorf("%s: putting back its %s: nobody knows what it was: the plan is from elsewhere", s.Resource, s.Attribute)
}

// put is an item and the netdev that it goes to.
type put struct {
	item Item
	on   resource.ID
}

// puts puts items on, those last that need others, whatever their order.
func (d *Doer) puts(ctx context.Context, puts []put, now map[resource.ID]int) error {
	if len(puts) == 0 {
		return nil
	}
	has, err := entries(ctx)
	if err != nil {
		return err
	}
	puts = slices.DeleteFunc(puts, func(p put) bool {
		is, there := has[key{now[p.on], p.item.attribute()}]
		return there && !p.item.otherMTU(Item{Entry: is})
	})
	slices.SortStableFunc(puts, func(a, b put) int { return rtnet.Order(a.item.Entry, b.item.Entry) })
	var errs []error
	for {
		var later []put
		var refused error
		for _, p := range puts {
			var err error
			if is, there := has[key{now[p.on], p.item.attribute()}]; there { // with another MTU
				err = rtnet.Delete(is)
			}
			if err == nil {
				err = add(ctx, p.item.Entry, d.at(p.item, now))
			}
			switch {
			case errors.Is(err, unix.ENETDOWN) && p.item.Kind == rtnet.Route:
				errs = append(errs, fmt.Errorf("%s: %w", d.have.called(p.on), kernel.Remedied(err, "a route needs its netdev up: say up: true of it in the profile")))
			case err == nil:
			case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH): // by a gateway that another route leads to
				later, refused = append(later, p), errors.Join(refused, fmt.Errorf("%s: %w", d.have.called(p.on), err))
			default:
				errs = append(errs, fmt.Errorf("%s: %w", d.have.called(p.on), err))
			}
		}
		if len(later) == 0 || len(later) == len(puts) {
			return errors.Join(append(errs, refused)...)
		}
		puts = later
	}
}

// key is an item where it is.
type key struct {
	index     int
	attribute string
}

// entries are those that are there at present.
func entries(ctx context.Context) (map[key]rtnet.Entry, error) {
	all, err := rtnet.List(ctx)
	if err != nil {
		return nil, err
	}
	has := map[key]rtnet.Entry{}
	for _, e := range all {
		has[key{e.Index, Item{Entry: e}.attribute()}] = e
	}
	return has, nil
}

// at says where the netdevs of an item are now, or the bonds that they went into.
func (d *Doer) at(i Item, now map[resource.ID]int) func(int) (int, error) {
	return func(index int) (int, error) {
		id := i.Devices[index]
		if bond, goes := d.want.Move[id]; goes {
			id = bond
		}
		if n, ok := now[id]; ok {
			return n, nil
		}
		return 0, fmt.Errorf("netdev %s that it is on: %w", id, netdev.ErrNone)
	}
}

func (d *Doer) remove(s step.Step) error {
	i, ok := find(d.have, s.Resource, s.Attribute)
	if !ok {
		return fmt.Errorf("%s: taking away its %s: it was not observed", s.Resource, s.Attribute)
	}
	if err := rtnet.Delete(i.Entry); err != nil {
		return fmt.Errorf("%s: %w", d.have.called(s.Resource), err)
	}
	return nil
}

// setLink sets what is the netdev's own.
func (d *Doer) setLink(s step.Step, index int) error {
	l, err := rtlink.ByIndex(index)
	if err != nil {
		return err
	}
	if s.Attribute == attrUp {
		return rtlink.SetUp(l, s.To.Str() == "up")
	}
	mtu, err := strconv.Atoi(s.To.Str())
	if err != nil {
		return fmt.Errorf("%s: its MTU is no number: %w", s.Resource, err)
	}
	return rtlink.SetMTU(l, mtu)
}

// add puts an entry on; a route from an IPv6 address that is still looked for on
// the link waits for that, and a nexthop object for the link.
func add(ctx context.Context, e rtnet.Entry, at func(int) (int, error)) error {
	refused := rtnet.Add(e, at)
	waits, what, subscribe := unix.EINVAL, "its address can be used", await.Addresses
	switch {
	case e.Kind == rtnet.Route && e.Family == familyIPv6 && errors.Is(refused, waits):
	case e.Kind == rtnet.Nexthop && errors.Is(refused, unix.ENETDOWN): // net/ipv4/nexthop.c, rtm_to_nh_config: no carrier
		waits, what, subscribe = unix.ENETDOWN, "its netdev has a link", await.Links
	default:
		return refused
	}
	ctx, cancel := context.WithTimeoutCause(ctx, linkTimeout, fmt.Errorf("%v are over", linkTimeout))
	defer cancel()
	events, err := subscribe(ctx)
	if err != nil {
		return err
	}
	err = await.Until(ctx, what, events, func() (bool, error) {
		if refused = rtnet.Add(e, at); errors.Is(refused, waits) {
			return false, nil
		}
		return refused == nil, refused
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, refused)
	}
	return err
}

// item is what a step puts there: what a profile says or, where that is so, what there was.
func (d *Doer) item(s step.Step) (Item, bool) {
	was, there := d.was(s)
	items, _ := d.want.Said[s.Resource].items(s.Resource) // Diff says what is wrong with it
	for _, i := range items {
		if i.attribute() == s.Attribute && (!there || was.Daemon != "" || i.MTU() > 0 && i.otherMTU(was)) {
			return i, true
		}
	}
	return was, there
}

// was is what a step puts back: of the netdev itself, or of the uplink whose
// addresses go to it.
func (d *Doer) was(s step.Step) (Item, bool) {
	for _, state := range []State{d.want, d.have} {
		if i, ok := find(state, s.Resource, s.Attribute); ok {
			return i, true
		}
		for from, to := range d.want.Move {
			if to != s.Resource {
				continue
			}
			if i, ok := find(state, from, s.Attribute); ok {
				return i, true
			}
		}
	}
	return Item{}, false
}

func find(s State, id resource.ID, attribute string) (Item, bool) {
	items := s.Netdevs[id].Items
	n := slices.IndexFunc(items, func(i Item) bool { return i.attribute() == attribute })
	if n < 0 {
		return Item{}, false
	}
	return items[n], true
}

// setMaster makes a netdev a port again. A bond takes a netdev only while that is
// down (drivers/net/bonding/bond_main.c, bond_enslave); a bridge gives it a VLAN of
// its own choice, which goes unless it was there before.
func (d *Doer) setMaster(ctx context.Context, s step.Step, now map[resource.ID]int) error {
	w := d.want.Netdevs[s.Resource]
	master, there := now[w.Master]
	if !there {
		return fmt.Errorf("%s: making it a port of %s again: %w", s.Resource, w.MasterName, netdev.ErrNone)
	}
	l, err := rtlink.ByIndex(now[s.Resource])
	if err != nil || l.Master == master {
		return err
	}
	if l.Master != 0 {
		if err := rtlink.ClearMaster(l); err != nil {
			return err
		}
	}
	if w.MasterKind == "bond" && l.Up {
		if err := rtlink.SetUp(l, false); err != nil {
			return err
		}
	}
	if err := rtlink.SetMaster(l, rtlink.Link{Name: w.MasterName, Index: master}); err != nil {
		return err
	}
	if w.Up && w.MasterKind != "bond" && !l.Up {
		if err := rtlink.SetUp(l, true); err != nil {
			return err
		}
	}
	if w.MasterKind != "bridge" {
		return nil
	}
	if len(w.Port) > 0 {
		if err := rtlink.SetBridgePort(l, w.Port); err != nil {
			return err
		}
	}
	vlans, err := rtnet.BridgeVLANs(ctx)
	if err != nil {
		return err
	}
	for _, v := range vlans {
		had := slices.ContainsFunc(w.Items, func(i Item) bool { return i.Kind == v.Kind && i.Text == v.Text })
		if v.Index != l.Index || had {
			continue
		}
		if err := rtnet.Delete(v); err != nil {
			return kernel.Wrap("taking away the VLAN that the bridge gave it", l.Name, err)
		}
	}
	return nil
}

// look says which netdev is which at present.
func look(ctx context.Context) (map[resource.ID]int, error) {
	links, err := snapshot.Present(ctx)
	if err != nil {
		return nil, err
	}
	now := map[resource.ID]int{}
	for id, l := range links {
		now[id] = l.Index
	}
	return now, nil
}
