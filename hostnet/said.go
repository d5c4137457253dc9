// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
)

// on is an attribute of a netdev.
type on struct {
	id        resource.ID
	attribute string
}

// readSaid makes the items of what is said; what cannot be read is the whole plan's error.
func (d *differ) readSaid() error {
	var errs []error
	d.said = map[resource.ID][]Item{}
	for _, id := range slices.SortedFunc(maps.Keys(d.want.Said), resource.Compare) {
		items, err := d.want.Said[id].items(id)
		errs = append(errs, err)
		d.said[id] = items
	}
	return errors.Join(errs...)
}

// says tells what is said of a netdev, or nobody wants there any more: what was before does not count for it.
func (d *differ) says(id resource.ID, attribute string) bool {
	named := func(i Item) bool { return i.attribute() == attribute }
	return slices.ContainsFunc(d.said[id], named) || slices.Contains(d.want.Unsaid[id], attribute)
}

// outdone is what is said in whose place an item of a netdev would be, "" for nothing: a route to the
// same place, wherever, or the same address.
func (d *differ) outdone(id resource.ID, i Item) string {
	for _, at := range slices.SortedFunc(maps.Keys(d.said), resource.Compare) {
		for _, s := range d.said[at] {
			if s.Rivals(i.Entry) || at == id && s.Kind == rtnet.Address && i.Kind == rtnet.Address && host(s) == host(i) {
				return s.attribute() + " on " + d.called(at)
			}
		}
	}
	return ""
}

// host is an address without the length of its prefix.
func host(i Item) string {
	text, _, _ := strings.Cut(i.Text, "/")
	return text
}

// called is the netdev as people know it, also one that is still to be made.
func (d *differ) called(id resource.ID) string { return d.have.called(id) }

// value is an item in steps.
func (i Item) value() step.Value {
	if mtu := i.MTU(); mtu > 0 {
		return step.Text("mtu " + strconv.Itoa(mtu))
	}
	return step.Text(present)
}

// otherMTU tells a route that is there and is to have another MTU.
func (i Item) otherMTU(is Item) bool {
	return i.Kind == rtnet.Route && len(is.Body) > 0 && len(i.Body) > 0 && i.MTU() != is.MTU()
}

// sayOn plans what is said of a netdev.
func (d *differ) sayOn(id resource.ID) error {
	h, there := d.have.Netdevs[id]
	comes := d.effects.On(id, step.Remade) || !there && (id.Kind == resource.Bond || id.Kind == resource.Link) // which the profile makes
	if (!there || d.effects.On(id, step.Gone)) && !comes {
		d.leave(id, "addresses, routes", "it has no netdev here: is its driver bound, and is it in this network namespace?")
		return nil
	}
	if master := d.masterOf(id); master != "" {
		return fmt.Errorf("%s: addresses or routes are said of it, and it is, or will be, a port of %s, which has what comes in by it: say them there", d.called(id), master)
	}
	var errs []error
	for _, i := range d.said[id] {
		errs = append(errs, d.rival(id, i))
		if why := d.goesWith(id, i); why != "" {
			errs = append(errs, fmt.Errorf("%s: the profile says the route %s, but %s: say another address of that network, or leave the route out", d.called(id), i.Text, why))
		}
		d.sayItem(id, h, i)
	}
	return errors.Join(errs...)
}

func (d *differ) sayItem(id resource.ID, h Netdev, i Item) {
	f := d.fateOf(id, i)
	is, has := find(State{Netdevs: map[resource.ID]Netdev{id: h}}, id, i.attribute())
	s := step.Step{
		Phase: d.phaseOf(append(i.others(id), d.belows(id)...)...), Resource: id, Attribute: i.attribute(), To: i.value(),
		Effects: d.supersedes(id, i),
	}
	along := d.along[on{id, i.attribute()}]
	switch {
	case f.stays && i.Kind == rtnet.Route:
		d.leave(id, i.attribute(), "its netdev is down from now on")
		return
	case has && (f.remade || f.down && i.goesWithDown() || f.bounces && is.goesWithLink()):
		s.From, s.Reason, s.Effects = step.Unknown(), f.why, nil
	case has && along != "":
		s.From, s.Reason, s.Effects = step.Unknown(), along, nil
	case has && i.MTU() > 0 && i.otherMTU(is):
		s.From, s.Effects = is.value(), []step.Effect{step.Stop(id, step.Moment, "what goes by the route "+i.Text)}
	case has:
		return
	}
	d.add(s)
}

// masterOf is what a netdev will be a port of, in words; a VRF is no such thing.
func (d *differ) masterOf(id resource.ID) string {
	h := d.have.Netdevs[id]
	for _, e := range d.effects {
		if e.On == id && e.Kind == step.Joins {
			return d.called(e.From)
		}
	}
	if h.Master.IsZero() || h.MasterKind == "vrf" || d.effects.On(id, step.Leaves) || d.effects.Loses(h.Master) {
		return ""
	}
	return h.MasterName
}

// rival refuses a route where the kernel has, and will have, another to the same place.
func (d *differ) rival(id resource.ID, i Item) error {
	for _, at := range slices.SortedFunc(maps.Keys(d.have.Netdevs), resource.Compare) {
		for _, o := range d.have.Netdevs[at].Items {
			_, moves := d.want.Move[at]
			switch {
			case !i.Rivals(o.Entry), at == id && o.attribute() == i.attribute(), moves:
			case d.says(at, o.attribute()), slices.Contains(d.want.Absent[at], o.attribute()):
			case d.fateOf(at, o).remade, d.fateOf(at, o).down && o.goesWithDown(): // it is not put back
			default:
				return fmt.Errorf("%s: the profile says the route %s, and there is %s on %s, to the same place with the same metric, which the kernel would take instead, or by turns: say another metric, or take that one away (ip route del %s dev %s)",
					d.called(id), i.Text, o.Text, d.called(at), o.Text, d.have.Netdevs[at].Name)
			}
		}
	}
	return nil
}

// supersedes are the effects of a default route that is preferred to others from then on.
func (d *differ) supersedes(id resource.ID, i Item) []step.Effect {
	if !isDefault(i) {
		return nil
	}
	var effects []step.Effect
	for _, at := range slices.SortedFunc(maps.Keys(d.have.Netdevs), resource.Compare) {
		for _, o := range d.have.Netdevs[at].Items {
			if at != id && isDefault(o) && o.Family == i.Family && metric(i) < metric(o) && !d.says(at, o.attribute()) {
				effects = append(effects, step.Stop(at, step.ForGood, "what goes by "+o.attribute()+" of "+d.called(at)+", which has the higher metric"))
			}
		}
	}
	return effects
}

// isDefault tells a route to everywhere in the main table.
func isDefault(i Item) bool {
	to, _, _ := strings.Cut(i.Text, " ")
	return i.Kind == rtnet.Route && (to == "default" || to == "::/0") && !strings.Contains(i.Text, " table ") && !strings.Contains(i.Text, " from ")
}

// metric is that of a route; 1024 is what IPv6 has where nobody says.
func metric(i Item) int {
	if _, after, said := strings.Cut(i.Text, " metric "); said {
		word, _, _ := strings.Cut(after, " ")
		n, _ := strconv.Atoi(word) // as the kernel told it
		return n
	}
	if i.Family == familyIPv6 {
		return 1024
	}
	return 0
}

// unsay takes away what an operation before put on a netdev and nobody wants there any more. Where
// steps change the netdev it goes before those.
func (d *differ) unsay(id resource.ID, opt step.Options) {
	if d.effects.Loses(id) {
		return
	}
	at, why := step.Network, "the profile names it no more"
	if opt.Only != nil {
		why = "it was not there before"
	}
	if d.effects.On(id, step.Joins, step.Leaves, step.Down) {
		at = step.Quiesce
	}
	var gone []Item
	for _, i := range slices.Backward(d.have.Netdevs[id].Items) { // routes first
		if !slices.Contains(d.want.Unsaid[id], i.attribute()) {
			continue
		}
		gone = append(gone, i)
		whose, span := "what goes by the route "+i.Text, step.ForGood
		if i.Kind == rtnet.Address {
			whose = "what uses the address " + i.Text
		}
		if d.elsewhere(i) {
			span = step.Moment
		}
		d.add(step.Step{
			Phase: at, Resource: id, Attribute: i.attribute(), From: i.value(), To: step.Absent(), Reason: why,
			Effects: []step.Effect{step.Stop(id, span, whose)},
		})
	}
	d.goesAlong(id, gone, at)
}

// goesAlong is what the kernel takes away with addresses of IPv4: the secondary ones of their
// network (net/ipv4/devinet.c, __inet_del_ifa, where promote_secondaries is off), with the last of all
// the routes (net/ipv4/fib_frontend.c, fib_inetaddr_event), and the routes that are from them. It is
// put back but for routes that cannot be any more, whose end is a step.
func (d *differ) goesAlong(id resource.ID, gone []Item, at step.Phase) {
	h := d.have.Netdevs[id]
	all := gone
	goes := func(i Item) bool {
		return slices.ContainsFunc(all, func(o Item) bool { return o.attribute() == i.attribute() })
	}
	var stays []Item
	for _, i := range h.Items {
		if i.Kind == rtnet.Address && i.Family == unix.AF_INET && !goes(i) {
			stays = append(stays, i)
		}
	}
	gone = slices.DeleteFunc(slices.Clone(gone), func(i Item) bool { return i.Kind != rtnet.Address || i.Family != unix.AF_INET })
	for _, a := range gone {
		for n := len(stays) - 1; n >= 0; n-- {
			if o := stays[n]; network(o) == network(a) && o.Flags()&unix.IFA_F_SECONDARY != 0 {
				d.along[on{id, o.attribute()}] = "it is of the network of " + a.attribute() + ", which is taken away, and the kernel may take it along"
				stays = slices.Delete(stays, n, n+1)
			}
		}
	}
	for _, r := range h.Items {
		if r.Kind != rtnet.Route || r.Family != unix.AF_INET || goes(r) || len(gone) == 0 {
			continue
		}
		why := d.goesWith(id, r)
		switch {
		case why != "" && (len(stays) == 0 || r.Source().IsValid()):
			d.add(step.Step{
				Phase: at, Resource: id, Attribute: r.attribute(), From: r.value(), To: step.Absent(), Reason: why,
				Effects: []step.Effect{step.Stop(id, step.ForGood, "what goes by the route "+r.Text)},
			})
		case len(stays) == 0:
			d.along[on{id, r.attribute()}] = "the kernel takes it along with " + gone[0].attribute()
		}
	}
}

// elsewhere tells what is taken away and said again: a route by another way, an address on another netdev.
func (d *differ) elsewhere(i Item) bool {
	for _, items := range d.said {
		for _, s := range items {
			if s.Rivals(i.Entry) || s.Kind == rtnet.Address && i.Kind == rtnet.Address && host(s) == host(i) {
				return true
			}
		}
	}
	return false
}

// goesWith is why a route of IPv4 cannot be without addresses that are taken away, "" where it can.
func (d *differ) goesWith(id resource.ID, r Item) string {
	if r.Kind != rtnet.Route || r.Family != unix.AF_INET {
		return ""
	}
	for _, attribute := range d.want.Unsaid[id] {
		text, is := strings.CutPrefix(attribute, string(rtnet.Address)+" ")
		p, err := netip.ParsePrefix(text)
		switch {
		case !is || err != nil:
		case r.Source() == p.Addr():
			return "its packets are from " + text + ", which is taken away, and the kernel takes the route along"
		case r.Gateway().IsValid() && p.Contains(r.Gateway()) && !d.reaches(id, r.Gateway()):
			return "its gateway is reached by " + text + ", which is taken away, and the kernel takes the route along"
		}
	}
	return ""
}

// network is that of an address, "" of one with a peer.
func network(i Item) string {
	p, err := netip.ParsePrefix(i.Text)
	if err != nil {
		return ""
	}
	return p.Masked().String()
}

// reaches tells whether a gateway is on the link by an address that is said, stays or comes back.
func (d *differ) reaches(id resource.ID, gateway netip.Addr) bool {
	by := func(i Item) bool {
		p, err := netip.ParsePrefix(i.Text)
		return i.Kind == rtnet.Address && err == nil && p.Contains(gateway) && !slices.Contains(d.want.Unsaid[id], i.attribute())
	}
	return slices.ContainsFunc(d.said[id], by) || slices.ContainsFunc(d.want.Netdevs[id].Items, by) || slices.ContainsFunc(d.have.Netdevs[id].Items, by)
}
