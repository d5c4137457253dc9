// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"maps"
	"slices"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
)

// TakeBack makes a rollback's want, laid over what was before its operation, take
// from the bond what the operation moved to it from the uplink.
func (s State) TakeBack(uplink, bond resource.ID) State {
	absent := slices.Clone(s.Absent[bond])
	for _, i := range s.Netdevs[uplink].Items {
		if !s.Netdevs[bond].has(i) && moves(i) {
			absent = append(absent, i.attribute())
		}
	}
	if len(absent) == 0 {
		return s
	}
	slices.Sort(absent)
	out := s
	out.Absent = maps.Clone(s.Absent)
	if out.Absent == nil {
		out.Absent = map[resource.ID][]string{}
	}
	out.Absent[bond] = slices.Compact(absent)
	return out
}

// moves tells what goes along when an uplink goes into a bond. What routers
// advertise, the bond learns by itself; how the uplink queues is its own affair.
func moves(i Item) bool { return !i.Kind.OfBridge() && !i.Kind.OfTC() && i.Daemon != rtnet.Advertised }

// move takes addresses and routes from an uplink to the bond that it is in: from
// what it has, and what it had before it went in.
func (d *differ) move(uplink, bond resource.ID) {
	on := d.have.Netdevs[uplink]
	items := slices.Clone(d.want.Netdevs[uplink].Items)
	for _, i := range on.Items {
		if !d.want.Netdevs[uplink].has(i) {
			items = append(items, i)
		}
	}
	for _, i := range items {
		if !moves(i) || slices.Contains(d.want.Unsaid[uplink], i.attribute()) { // the latter go, by unsay
			continue
		}
		// IPv6's too: an uplink that stays up keeps its routes, and a new one beside them is another hop of theirs,
		// but where it goes by an object, which moves.
		if on.has(i) && (i.Kind == rtnet.Address || i.Kind == rtnet.Route && i.Family == familyIPv6 && !i.goesWithLink()) {
			d.add(step.Step{
				Phase: step.Network, Resource: uplink, Attribute: i.attribute(), From: step.Text(present), To: step.Absent(),
				Reason: "it goes to " + bond.Name,
			})
		}
		if d.have.Netdevs[bond].has(i) || d.says(bond, i.attribute()) {
			continue // as what is the bond's
		}
		if by := d.outdone(bond, i); by != "" {
			d.leave(bond, i.attribute(), "it would come from "+d.have.called(uplink)+", and what the profile says takes its place: "+by)
			continue
		}
		d.add(step.Step{
			Phase: d.phaseOf(i.others(uplink)...), Resource: bond, Attribute: i.attribute(), From: step.Absent(), To: step.Text(present),
			Reason: "it comes from " + d.have.called(uplink) + ", which goes into " + bond.Name,
		})
	}
}
