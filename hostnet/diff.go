// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
)

// present is the value of an item that is to be there.
const present = "present"

// Diff is the steps that put back what hangs on the netdevs of want and is not
// there, or will not be after the steps with the effects; that move what goes from
// an uplink to its bond; that put there what a profile says; and that take away what a
// rollback says, or an earlier apply put there. What the netdevs of have carry besides is
// left alone.
func Diff(have, want State, effects step.Effects, opt step.Options) (step.Result, error) {
	d := differ{have: have, want: want, effects: effects, back: opt.Only != nil, bouncing: bouncing(have, effects), along: map[on]string{}}
	errs := []error{d.readSaid()}
	for _, id := range slices.SortedFunc(maps.Keys(want.Absent), resource.Compare) {
		d.takeAway(id, want.Absent[id])
	}
	for _, id := range slices.SortedFunc(maps.Keys(want.Unsaid), resource.Compare) {
		d.unsay(id, opt)
	}
	for _, id := range want.sorted() {
		to, goes := want.Move[id]
		if goes {
			d.move(id, to)
			continue
		}
		d.netdev(id)
	}
	for _, id := range slices.SortedFunc(maps.Keys(d.said), resource.Compare) {
		errs = append(errs, d.sayOn(id))
	}
	slices.SortStableFunc(d.Steps, func(a, b step.Step) int { return int(a.Phase) - int(b.Phase) })
	return d.Result, errors.Join(errs...)
}

type differ struct {
	have, want State
	effects    step.Effects
	back       bool // it is a rollback
	bouncing   map[resource.ID]bool
	said       map[resource.ID][]Item
	along      map[on]string // what goes with what is taken away and is put back, and why
	step.Result
}

// ofVF tells the netdev of a VF or SF, which comes with its driver, after all others.
func ofVF(id resource.ID) bool { return id.Kind == resource.Netdev && (id.Function.IsVF() || id.IsSF) }

// phase is after that in which the netdevs are there again.
func (d *differ) phaseOf(ids ...resource.ID) step.Phase {
	if slices.ContainsFunc(ids, func(id resource.ID) bool { return ofVF(id) || d.want.Late[id] }) {
		return step.Addresses
	}
	return step.Network
}

// add adds a step, once: two uplinks may bring the same to their bond.
func (d *differ) add(s step.Step) {
	s.Domain, s.Device, s.Group = Domain, Domain, Domain
	s.Action = step.ActionOf(s.From, s.To)
	same := func(o step.Step) bool {
		return o.Resource == s.Resource && o.Attribute == s.Attribute && o.To == s.To
	}
	if !slices.ContainsFunc(d.Steps, same) {
		d.Steps = append(d.Steps, s)
	}
}

func (d *differ) leave(id resource.ID, attribute, reason string) {
	d.Left = append(d.Left, step.Left{Resource: id, Attribute: attribute, Reason: reason})
}

func (d *differ) takeAway(id resource.ID, attributes []string) {
	for _, i := range slices.Backward(d.have.Netdevs[id].Items) { // what was put on last goes first
		if slices.Contains(attributes, i.attribute()) && !d.effects.Loses(id) {
			d.add(step.Step{
				Phase: step.Quiesce, Resource: id, Attribute: i.attribute(), From: step.Text(present), To: step.Absent(),
				Reason: "it goes back to where it was before",
			})
		}
	}
}

// fate is what befalls a netdev: whether it is another afterwards, goes down, and
// stays so, and why.
type fate struct {
	remade, down, stays bool
	bounces             bool // it may be without a link for a moment
	why                 string
}

func (f fate) and(o fate) fate {
	if f.why == "" {
		f.why = o.why
	}
	return fate{f.remade || o.remade, f.down || o.down, f.stays || o.stays, f.bounces || o.bounces, f.why}
}

// fate of a netdev is also that of the one below a VLAN, which goes down and up
// with it (net/8021q/vlan.c, vlan_device_event).
func (d *differ) fate(id resource.ID) fate {
	f, name := fate{}, d.have.called(id)
	switch {
	case d.effects.Loses(id):
		f = fate{remade: true, down: true, why: name + " is made again"}
	case d.effects.On(id, step.Joins):
		f = fate{down: true, why: name + " goes into another netdev"}
	case d.effects.On(id, step.Leaves):
		f = fate{down: true, why: name + " leaves its master"}
	case d.effects.On(id, step.Down):
		f = fate{down: true, why: name + " goes down" + d.span(id)}
	case d.bouncing[id]:
		f = fate{bounces: true, why: "the link of " + name + " may go and come"}
	}
	f.stays = d.staysDown(id) || d.want.Down[id]
	for seen, at := map[resource.ID]bool{id: true}, id; ; {
		n := d.have.Netdevs[at]
		if at = n.Lower; n.Kind != "vlan" || at.IsZero() || seen[at] {
			return f
		}
		seen[at] = true
		if d.effects.On(at, step.Down, step.Joins, step.Leaves) {
			f = f.and(fate{down: true, stays: d.staysDown(at), why: d.have.called(at) + " below it goes down" + d.span(at)})
		}
	}
}

// bouncing are the netdevs whose link goes and comes: the reset ones, those above
// them, and the bonds and bridges that they are in.
func bouncing(have State, effects step.Effects) map[resource.ID]bool {
	all := map[resource.ID]bool{}
	for _, e := range effects {
		if e.Kind == step.Reset || e.Kind == step.Bounces {
			all[e.On] = true
		}
	}
	for grown := len(all) > 0; grown; {
		grown = false
		for id, n := range have.Netdevs {
			if all[id] && !n.Master.IsZero() && !all[n.Master] {
				all[n.Master], grown = true, true
			}
			if !n.Lower.IsZero() && all[n.Lower] && !all[id] {
				all[id], grown = true, true
			}
		}
	}
	return all
}

// span is how long a netdev is down, in words.
func (d *differ) span(id resource.ID) string {
	if d.staysDown(id) {
		return ""
	}
	return " for a moment"
}

func (d *differ) staysDown(id resource.ID) bool {
	return slices.ContainsFunc(d.effects, func(e step.Effect) bool {
		return e.On == id && e.Kind == step.Down && e.For == step.ForGood
	})
}

// fateOf is that of an item: of all netdevs that it needs.
func (d *differ) fateOf(id resource.ID, i Item) fate {
	f := d.fate(id)
	for _, other := range i.others(id) {
		f = f.and(d.fate(other))
	}
	if f.why == "" {
		f.why = "it is not there any more"
	}
	return f
}

// others are the netdevs beside its own that an item needs.
func (i Item) others(id resource.ID) []resource.ID {
	var all []resource.ID
	for _, o := range i.Devices {
		if o != id && !o.IsZero() && !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, resource.Compare)
	return all
}

// lost is the netdev below that ceases to be, also if only to be made again: what
// is on it goes with it.
func (d *differ) lost(id resource.ID) (resource.ID, bool) {
	if d.effects.Loses(id) {
		return resource.ID{}, false
	}
	for seen, at := map[resource.ID]bool{id: true}, d.have.Netdevs[id].Lower; !at.IsZero() && !seen[at]; at = d.have.Netdevs[at].Lower {
		seen[at] = true
		if d.effects.Loses(at) {
			return at, true
		}
	}
	return resource.ID{}, false
}

// enslaved tells a netdev that will be a port of a bond: what a member has besides
// is nothing that anybody uses.
func (d *differ) enslaved(id resource.ID) bool {
	if d.effects.On(id, step.Joins) {
		return true
	}
	if w := d.want.Netdevs[id]; !w.Master.IsZero() {
		return w.Master.Kind == resource.Bond
	}
	return d.have.Netdevs[id].Master.Kind == resource.Bond && !d.effects.On(id, step.Leaves) && !d.effects.Loses(d.have.Netdevs[id].Master)
}

func (d *differ) netdev(id resource.ID) {
	h, there := d.have.Netdevs[id]
	again := d.upper(id)
	if (!there || d.effects.On(id, step.Gone)) && !d.effects.On(id, step.Remade) {
		return // nothing can hang on it
	}
	if _, goes := d.lost(id); goes {
		return // with what is below it
	}
	f := d.fate(id)
	d.settings(id, h, f)
	if f.remade {
		d.vf(id, f.why)
	}
	d.upperMTU(id, h, f)
	d.upperLink(id, h, f, again)
	d.master(id, h, f)
	if d.enslaved(id) {
		return
	}
	for _, i := range d.want.Netdevs[id].Items {
		d.item(id, h, i)
	}
}

// vf puts back what nobody else does of the netdev of a VF.
func (d *differ) vf(id resource.ID, why string) {
	w := d.want.Netdevs[id]
	if !ofVF(id) {
		return // eswitch's, bond's
	}
	if w.MTU != 0 && w.MTU != rtlink.DefaultMTU && !slices.Contains(d.want.Told[id], attrMTU) {
		d.add(step.Step{Phase: d.phaseOf(id), Resource: id, Attribute: attrMTU, From: step.Unknown(), To: step.Text(strconv.Itoa(w.MTU)), Reason: why})
	}
	if w.Up {
		d.add(step.Step{Phase: d.phaseOf(id), Resource: id, Attribute: attrUp, From: step.Unknown(), To: step.Text("up"), Reason: why})
	}
}

func (d *differ) item(id resource.ID, h Netdev, i Item) {
	if d.says(id, i.attribute()) {
		return // sayOn, unsay
	}
	has, f := h.has(i), d.fateOf(id, i)
	leaves := i.Kind.OfBridge() && d.effects.On(id, step.Leaves)
	is, _ := find(d.have, id, i.attribute())
	at := on{id, i.attribute()}
	switch {
	case has && d.along[at] != "":
		f.why = d.along[at]
	case has && i.otherMTU(is):
		f.why = "it was so before"
	case has && !f.remade && !leaves && (!f.down || !i.goesWithDown()) && (!f.bounces || !i.goesWithLink()):
		return
	case d.goesWith(id, i) != "":
		return // as a step says, or one before did
	case d.outdone(id, i) != "":
		d.leave(id, i.attribute(), "what the profile says takes its place: "+d.outdone(id, i))
		return
	case i.Kind == rtnet.BridgeVLAN && d.want.Bridged[id].Elsewhere:
		return // the bridge domain's
	case i.Kind == rtnet.Filter: // its actions name other netdevs, or programs that went with it
		d.leave(id, i.attribute(), "it is not put back: note it before with tc filter show dev "+h.Name+", and make it again")
		return
	case i.Kind.OfBridge() && !d.bridged(id, h.MasterKind == "bridge" && !leaves && !f.remade):
		return // it was taken out of the bridge
	case i.Daemon == rtnet.Advertised:
		if has {
			d.leave(id, i.attribute(), "it comes again with the next router advertisement")
		}
		return
	case f.stays && (i.Kind == rtnet.Route || i.Kind == rtnet.Nexthop):
		d.leave(id, i.attribute(), "its netdev is down from now on")
		return
	case i.Daemon != "":
		d.leave(id, i.attribute(), "it is put back, and it is also "+i.Daemon+"'s, which may have to be told")
	}
	s := step.Step{Phase: d.phaseOf(append(i.others(id), d.belows(id)...)...), Resource: id, Attribute: i.attribute(), To: i.value(), Reason: f.why}
	if i.Kind == rtnet.FDB && d.want.Bridged[id].Elsewhere {
		s.Phase = step.Addresses // when it is a port again, of which bonds are the last
	}
	switch {
	case has && i.otherMTU(is) && !f.remade && !f.down && !f.bounces && d.along[at] == "":
		s.From = is.value()
	case has:
		s.From = step.Unknown()
	}
	d.add(s)
}

// bridged tells a netdev that will have its master: it stays there, or comes back.
func (d *differ) bridged(id resource.ID, stays bool) bool {
	master := d.want.Netdevs[id].Master
	switch place := d.want.Bridged[id]; {
	case place.Elsewhere:
		return true
	case !place.NotIn.IsZero() && place.NotIn == master:
		return false
	}
	if master.IsZero() {
		return stays
	}
	_, there := d.have.Netdevs[master]
	return there && !d.effects.On(master, step.Gone) || d.effects.On(master, step.Remade)
}

// goesWithDown tells what a netdev loses when it goes down: all but its IPv4
// addresses (net/ipv6/addrconf.c, addrconf_ifdown; net/ipv4/fib_frontend.c,
// fib_disable_ip; net/ipv4/nexthop.c, nexthop_flush_dev; net/core/neighbour.c,
// neigh_ifdown).
func (i Item) goesWithDown() bool {
	return !i.Kind.OfBridge() && !i.Kind.OfTC() && (i.Kind != rtnet.Address || i.Family == familyIPv6)
}

// goesWithLink tells what a netdev loses already when its link goes: nexthop
// objects, and with them the routes by them (net/ipv4/nexthop.c, nh_netdev_event).
func (i Item) goesWithLink() bool {
	return i.Kind == rtnet.Nexthop || i.Kind == rtnet.Route && strings.Contains(i.Text, " nhid ")
}

// familyIPv6 is AF_INET6.
const familyIPv6 = 10

func (d *differ) master(id resource.ID, h Netdev, f fate) {
	w := d.want.Netdevs[id]
	if place := d.want.Bridged[id]; place.Elsewhere || !w.Master.IsZero() && place.NotIn == w.Master {
		return
	}
	if w.Master.IsZero() || d.effects.On(id, step.Joins) || h.Master == w.Master && !f.remade && !d.effects.On(id, step.Leaves) {
		return
	}
	if !d.bridged(id, true) {
		d.leave(id, attrMaster, fmt.Sprintf("it was a port of %s, which is not there any more", w.MasterName))
		return
	}
	from := step.Absent()
	switch {
	case f.remade:
		from = step.Unknown()
	case h.MasterName != "":
		from = step.Text(h.MasterName)
	}
	why := f.why
	if why == "" {
		why = "it is not there any more"
	}
	d.add(step.Step{
		Phase: d.phaseOf(append(d.belows(id), w.Master)...), Resource: id, Attribute: attrMaster, From: from, To: step.Text(w.MasterName), Reason: why,
		Effects: []step.Effect{{Kind: step.Joins, On: id, From: w.Master, For: step.Moment}},
	})
}
