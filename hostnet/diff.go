// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
)

// present is the value of an item that is to be there.
const present = "present"

// Diff is the steps that put back what hangs on the netdevs of want and is not
// there, or will not be after the steps with the effects; that move what goes from
// an uplink to its bond; and that take away what a rollback says. What the netdevs
// of have carry besides is left alone.
func Diff(have, want State, effects step.Effects, _ step.Options) (step.Result, error) {
	d := differ{have: have, want: want, effects: effects}
	for _, id := range slices.SortedFunc(maps.Keys(want.Absent), resource.Compare) {
		d.takeAway(id, want.Absent[id])
	}
	for _, id := range want.sorted() {
		to, goes := want.Move[id]
		if goes {
			d.move(id, to)
			continue
		}
		d.netdev(id)
	}
	slices.SortStableFunc(d.Steps, func(a, b step.Step) int { return int(a.Phase) - int(b.Phase) })
	return d.Result, nil
}

type differ struct {
	have, want State
	effects    step.Effects
	step.Result
}

// phase is after that in which the netdev is there again.
func phase(id resource.ID) step.Phase {
	if id.Kind == resource.Netdev && (id.Function.IsVF() || id.IsSF) {
		return step.Addresses
	}
	return step.Network
}

func (d *differ) add(s step.Step) {
	s.Domain, s.Device, s.Group = Domain, Domain, Domain
	s.Action = step.ActionOf(s.From, s.To)
	d.Steps = append(d.Steps, s)
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

// loss is what befalls a netdev: whether it is another afterwards, or goes down, and why.
func (d *differ) loss(id resource.ID) (remade, down bool, why string) {
	name := d.have.called(id)
	switch {
	case d.effects.Loses(id):
		return true, true, name + " is made again"
	case d.effects.On(id, step.Joins):
		return false, true, name + " goes into another netdev"
	case d.effects.On(id, step.Leaves):
		return false, true, name + " leaves its master"
	case d.effects.On(id, step.Down):
		return false, true, name + " goes down for a moment"
	}
	for seen, at := map[resource.ID]bool{id: true}, d.have.Netdevs[id].Lower; !at.IsZero() && !seen[at]; at = d.have.Netdevs[at].Lower {
		seen[at] = true
		if d.effects.On(at, step.Down, step.Joins, step.Leaves) {
			return false, true, d.have.called(at) + " below it goes down for a moment"
		}
	}
	return false, false, "it is not there any more"
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
	if !there && !d.effects.On(id, step.Remade) && id.Kind != resource.Netdev {
		return // it is not there, and nobody makes it: nothing can hang on it
	}
	if !there && !d.effects.On(id, step.Remade) || d.effects.On(id, step.Gone) && !d.effects.On(id, step.Remade) {
		return
	}
	remade, down, why := d.loss(id)
	d.master(id, h, remade, why)
	if d.enslaved(id) {
		return
	}
	for _, i := range d.want.Netdevs[id].Items {
		has := slices.ContainsFunc(h.Items, func(o Item) bool { return o.attribute() == i.attribute() })
		if has && !remade && !(down && i.goesWithDown()) && !(i.Kind == rtnet.BridgeVLAN && d.effects.On(id, step.Leaves)) {
			continue
		}
		if i.Kind == rtnet.BridgeVLAN && d.want.Netdevs[id].Master.IsZero() && h.MasterKind != "bridge" {
			continue // it was taken out of the bridge
		}
		if i.Daemon != "" {
			d.Left = append(d.Left, step.Left{Resource: id, Attribute: i.attribute(), Reason: "it is put back, and it is also " + i.Daemon + "'s, which may have to be told"})
		}
		s := step.Step{Phase: phase(id), Resource: id, Attribute: i.attribute(), To: step.Text(present), Reason: why}
		if has {
			s.From = step.Unknown()
		}
		d.add(s)
	}
}

// goesWithDown tells what a netdev loses when it goes down: all but its IPv4
// addresses (net/ipv6/addrconf.c, addrconf_ifdown; net/ipv4/fib_frontend.c,
// fib_disable_ip; net/core/neighbour.c, neigh_ifdown).
func (i Item) goesWithDown() bool {
	return i.Kind != rtnet.BridgeVLAN && (i.Kind != rtnet.Address || i.Family == familyIPv6)
}

// familyIPv6 is AF_INET6.
const familyIPv6 = 10

func (d *differ) master(id resource.ID, h Netdev, remade bool, why string) {
	w := d.want.Netdevs[id]
	if w.Master.IsZero() || d.effects.On(id, step.Joins) || h.Master == w.Master && !remade && !d.effects.On(id, step.Leaves) {
		return
	}
	if _, there := d.have.Netdevs[w.Master]; !there {
		d.Left = append(d.Left, step.Left{Resource: id, Attribute: attrMaster, Reason: fmt.Sprintf("it was a port of %s, which is not there any more", w.MasterName)})
		return
	}
	from := step.Absent()
	if h.MasterName != "" && !remade {
		from = step.Text(h.MasterName)
	}
	if remade {
		from = step.Unknown()
	}
	d.add(step.Step{
		Phase: phase(id), Resource: id, Attribute: attrMaster, From: from, To: step.Text(w.MasterName), Reason: why,
		Effects: []step.Effect{{Kind: step.Joins, On: id, From: w.Master, For: step.Moment}},
	})
}

// move takes addresses and routes from an uplink to the bond that it is in: from
// what it has, and what it had before it went in.
func (d *differ) move(uplink, bond resource.ID) {
	items := slices.Clone(d.want.Netdevs[uplink].Items)
	for _, i := range d.have.Netdevs[uplink].Items {
		if !slices.ContainsFunc(items, func(o Item) bool { return o.attribute() == i.attribute() }) {
			items = append(items, i)
		}
	}
	for _, i := range items {
		if !moves(i) {
			continue
		}
		on := d.have.Netdevs[uplink]
		if slices.ContainsFunc(on.Items, func(o Item) bool { return o.attribute() == i.attribute() }) && !i.goesWithDown() {
			d.add(step.Step{
				Phase: step.Network, Resource: uplink, Attribute: i.attribute(), From: step.Text(present), To: step.Absent(),
				Reason: "it goes to " + bond.Name,
			})
		}
		if slices.ContainsFunc(d.have.Netdevs[bond].Items, func(o Item) bool { return o.attribute() == i.attribute() }) && !d.effects.On(bond, step.Down, step.Gone, step.Remade) {
			continue
		}
		d.add(step.Step{
			Phase: step.Network, Resource: bond, Attribute: i.attribute(), From: step.Absent(), To: step.Text(present),
			Reason: "it comes from " + d.have.called(uplink) + ", which goes into the bond",
		})
	}
}

// Summary is what a plan's effects do to what is in use, a line each.
func Summary(effects step.Effects, have State) []string {
	var lines []string
	seen := map[string]bool{}
	say := func(format string, args ...any) {
		if l := fmt.Sprintf(format, args...); !seen[l] {
			seen[l] = true
			lines = append(lines, l)
		}
	}
	for _, e := range effects {
		name := have.called(e.On)
		switch e.Kind {
		case step.Stops:
			say("%s: traffic stops: %s", name, e.Words())
		case step.Down:
			say("%s goes down%s%s", name, span(e.For), interrupts(have, e.On))
		case step.Joins:
			say("%s goes into %s%s", name, have.called(e.From), interrupts(have, e.On))
		case step.Leaves:
			say("%s leaves %s", name, have.called(e.From))
		case step.Remade:
			if _, there := have.Netdevs[e.On]; there {
				say("%s is made again: its ifindex changes, and programs that hold it have to open it again%s", name, interrupts(have, e.On))
			}
		case step.Gone:
			if _, there := have.Netdevs[e.On]; there {
				say("%s ceases to be%s", name, interrupts(have, e.On))
			}
		}
	}
	return lines
}

func span(s step.Span) string {
	switch s {
	case step.Moment:
		return " for a moment"
	case step.Apply:
		return " until the plan is done"
	}
	return ""
}

// interrupts names the addresses and routes on a netdev and on those above it.
func interrupts(have State, id resource.ID) string {
	counts := map[rtnet.Kind][]string{}
	for _, at := range have.sorted() {
		n := have.Netdevs[at]
		for below, seen := at, map[resource.ID]bool{}; !below.IsZero() && !seen[below]; below = have.Netdevs[below].Lower {
			seen[below] = true
			if below != id {
				continue
			}
			for _, i := range n.Items {
				counts[i.Kind] = append(counts[i.Kind], i.Text)
			}
		}
	}
	words := ""
	for _, k := range []rtnet.Kind{rtnet.Address, rtnet.Route} {
		if all := counts[k]; len(all) > 0 {
			words += fmt.Sprintf("; %s: %s", plural(string(k), len(all)), list(all, 6))
		}
	}
	if words == "" {
		return ""
	}
	return ", and with it" + words[1:]
}

func plural(what string, n int) string {
	switch {
	case n == 1:
		return what
	case what == string(rtnet.Address):
		return "addresses"
	}
	return what + "s"
}

func list(all []string, most int) string {
	text := ""
	for i, s := range all {
		switch {
		case i == most:
			return text + fmt.Sprintf(" and %d more", len(all)-most)
		case i > 0:
			text += ", "
		}
		text += s
	}
	return text
}
