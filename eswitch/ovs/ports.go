// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// traffic is the effect that a port's traffic stops.
func traffic(id string, span step.Span) step.Effect {
	return step.Stop(NetdevOf(id), span, "traffic of "+id)
}

// port says what becomes of a port that is there.
func (d *differ) port(b BridgeState, p PortState) error {
	w, wanted := d.wanted[p.ID]
	r := resource.OfSwitchPort(b.Name, p.ID)
	before := d.hasToLetGo(p)
	remove := func(reason string, span step.Span) *step.Step {
		s := early(d.add(r, AttrPort, p.carried(), step.Absent()), before || d.joins(p.ID) != "")
		s.Effects, s.Reason = []step.Effect{traffic(p.ID, span)}, reason
		return s
	}
	switch {
	case d.joins(p.ID) != "":
		remove("its netdev goes into "+d.joins(p.ID), step.ForGood)
		return nil
	case d.gone(p.ID):
		d.goneToo(b, p, before, remove)
		return nil
	case d.want != nil && !wanted && d.opt.Deletes(r, p.owner()):
		if before || !d.goes[b.Name] { // else it goes with its bridge
			remove(notWanted, step.ForGood)
		}
		return nil
	case wanted && w.bridge != b.Name:
		ok, err := d.mayMove(b, p, w)
		if err != nil || !ok {
			return err
		}
		remove("it moves to bridge "+w.bridge, step.Apply)
		d.done[p.ID] = true
		was := p.value()
		was.ofport = 0 // a number of that bridge
		v := d.wish(w.port, was)
		s := d.add(resource.OfSwitchPort(w.bridge, p.ID), AttrPort, step.Absent(), step.Text(v.text()))
		s.Effects, s.Reason = []step.Effect{traffic(p.ID, step.Moment)}, "it moves here from bridge "+b.Name
		return nil
	}
	d.done[p.ID] = d.done[p.ID] || wanted
	return d.stays(b, p, before)
}

// goneToo is a port whose netdev ceases to be.
func (d *differ) goneToo(b BridgeState, p PortState, before bool, remove func(string, step.Span) *step.Step) {
	r := resource.OfSwitchPort(b.Name, p.ID)
	_, wanted := d.wanted[p.ID]
	what := fmt.Sprintf("%s ceases to be", NetdevOf(p.ID))
	if wanted {
		d.done[p.ID] = true
		d.left(d.wanted[p.ID].bridge, p.ID, AttrPort, what+", so it is no port of a switch")
	}
	switch {
	case d.opt.Deletes(r, p.owner()) || wanted && d.opt.Owns(p.owner()):
		s := remove(what, step.ForGood)
		early(s, true) // while its netdev is there
	case before:
		remove(what+", and the switch has to let go of it before", step.ForGood)
		d.left(b.Name, p.ID, AttrPort, fmt.Sprintf("port %s of bridge %s is taken off and not put back, for %s: a rollback puts it back", p.Name, b.Name, what))
	default:
		d.left(b.Name, p.ID, AttrPort, fmt.Sprintf("port %s of bridge %s is not nicwright's, and stays there without a netdev, for %s: ovs-vsctl del-port %s %s", p.Name, b.Name, what, b.Name, p.Name))
	}
}

// mayMove tells whether a port may be taken to another bridge; an error where the
// profile has to say so.
func (d *differ) mayMove(b BridgeState, p PortState, w place) (bool, error) {
	if d.opt.Owns(p.owner()) || w.port.TakeFrom != nil && *w.port.TakeFrom == b.Name {
		return true, nil
	}
	whose := "nicwright did not put it"
	if p.owner() != "" {
		whose = "profile " + p.owner() + " put it"
	}
	if w.port.Exact { // a rollback: somebody has moved it meanwhile
		d.done[p.ID] = true
		d.left(w.bridge, p.ID, AttrPort, fmt.Sprintf("somebody has moved it to bridge %s since: it stays there", b.Name))
		return false, nil
	}
	return false, fmt.Errorf("OVS port %s on %s: %s is on bridge %s (port %s), where %s: write `take-from: %s` at the port in the profile and it moves from there, or name that bridge, or take it out: ovs-vsctl del-port %s %s",
		w.port.Name, w.bridge, p.ID, b.Name, p.Name, whose, b.Name, b.Name, p.Name)
}

// wish is what a port becomes that has to be put again: what is wanted, and for
// the rest what it was.
func (d *differ) wish(w Port, was value) value {
	v := was
	if vl, ok := w.vlan(); ok {
		v.vlan = vl
	}
	v.owner, v.rest = step.OrNoOwner(d.opt.Owner), v.rest.with(w.settings())
	if w.Exact {
		v = value{vlan: v.vlan, owner: w.Owner, rest: w.Rest, ofport: w.OFPort}
	}
	return v
}

// stays is a port that is where it shall be, or of which nothing is said.
func (d *differ) stays(b BridgeState, p PortState, before bool) error {
	w, wanted := d.wanted[p.ID]
	wanted = wanted && w.bridge == b.Name
	r := resource.OfSwitchPort(b.Name, p.ID)
	v := p.value()
	if wanted {
		v.rest = v.rest.with(d.changes(b, p, w.port))
		if vl, ok := w.port.vlan(); ok && d.differs(r, p, w.port) {
			v.vlan = vl
		}
	}
	var reason string
	switch {
	case before:
		reason = "the switch has to let go of it while its eswitch changes"
	case d.on(p, step.Remade):
		reason = "its netdev is made again"
	case !wanted, w.port.Stale:
		return nil
	case len(p.Unhooked) > 0 && !slices.Contains(p.Unhooked, p.Netdev):
		d.add(r, attrHook, step.Absent(), step.Text("of "+strings.Join(p.Over, ", "))).Reason = noQdiscReason(p)
		return nil
	case len(p.Unhooked) > 0:
		before = true
		reason = noQdiscReason(p)
	case p.Netdev == "" && len(p.Bonded) == 0:
		reason = "its netdev was not there"
	case p.Netdev != p.Interface && len(p.Bonded) == 0:
		reason = "its netdev is called " + p.Netdev + " now, and the port is on " + p.Interface
	case p.OFPort <= 0:
		reason = "ovs-vswitchd has not attached it"
		if p.Error != "" {
			reason += ": " + p.Error
		}
	default:
		return nil
	}
	text := v.text()
	if _, err := parseValue(text); err != nil {
		return fmt.Errorf("port %s of bridge %s has to be put again, and cannot be as it is: %w", p.Name, b.Name, err)
	}
	if !before {
		d.add(r, attrOnPort, step.Unknown(), step.Text(text)).Reason = reason
		return nil
	}
	off := early(d.add(r, attrOnPort, step.Text(p.value().text()), step.Absent()), true)
	off.Effects, off.Reason = []step.Effect{traffic(p.ID, step.Apply)}, reason
	d.add(r, attrOnPort, step.Absent(), step.Text(text)).Reason = "it was taken off for as long as it had to be"
	if len(p.Mirrors) > 0 {
		d.left(b.Name, p.ID, attrOnPort, fmt.Sprintf("it is in the mirror %s, which it is not put back into: ovs-vsctl -- --id=@p get port %s -- set mirror ...", strings.Join(p.Mirrors, ", "), p.Name))
	}
	return nil
}

// differs tells whether a port's VLANs are others than wanted. A rollback that has
// something else of the port to put back leaves them.
func (d *differ) differs(r resource.ID, p PortState, w Port) bool {
	vl, ok := w.vlan()
	if w.Exact && w.IfThere && d.opt.Touched != nil && !d.opt.Touched(r, attrVLAN) {
		return false
	}
	if w.Exact {
		return vl.text() != p.vlan().text()
	}
	return ok && vl.means() != p.vlan().means()
}

// changes are of a port that is on the bridge where it is wanted; it gives the
// settings that become others.
func (d *differ) changes(b BridgeState, p PortState, w Port) settings {
	r := resource.OfSwitchPort(b.Name, p.ID)
	if d.differs(r, p, w) {
		vl, _ := w.vlan()
		s := d.add(r, attrVLAN, step.Text(p.vlan().text()), step.Text(vl.text()))
		s.Effects = []step.Effect{step.Stop(NetdevOf(p.ID), step.ForGood, "traffic of "+p.ID+" in other VLANs than "+vl.means())}
	}
	switch {
	case w.Exact && w.Owner != p.owner():
		d.add(r, step.AttrMark, mark(p.owner()), mark(w.Owner))
	case !w.Exact && d.takesOver(p.owner()):
		d.add(r, step.AttrMark, mark(p.owner()), mark(d.opt.Owner)).Reason = "the profile takes it over"
	}
	told := d.told(r, p, w)
	d.tell(r, p, told)
	return told
}

// awayPort says what becomes of a port that an interrupted operation took off.
func (d *differ) awayPort(b BridgeState, a Away) error {
	v, err := parseValue(a.Value)
	if err != nil {
		return fmt.Errorf("bridge %s, external_ids:%s%s: %w: put the port back by hand and remove the note: ovs-vsctl remove bridge %s external_ids '\"%s%s\"'", b.Name, keyAway, a.ID, err, b.Name, keyAway, a.ID)
	}
	for _, p := range b.Ports {
		if p.ID == a.ID {
			return nil // somebody put it back
		}
	}
	r := resource.OfSwitchPort(b.Name, a.ID)
	w, wanted := d.wanted[a.ID]
	drop := func(reason string) {
		if !d.goes[b.Name] {
			d.add(r, AttrPort, step.Text(a.Value), step.Absent()).Reason = reason
		}
	}
	switch {
	case d.gone(a.ID):
		what := fmt.Sprintf("%s ceases to be", NetdevOf(a.ID))
		d.done[a.ID] = d.done[a.ID] || wanted
		d.left(b.Name, a.ID, AttrPort, what+", so it is not put back")
		drop(what)
		return nil
	case d.want != nil && !wanted && d.opt.Deletes(r, v.owner):
		drop(notWanted)
		return nil
	case wanted && w.bridge != b.Name:
		if ok, err := d.mayMove(b, a.port(v), w); err != nil || !ok {
			return err
		}
		drop("it moves to bridge " + w.bridge)
		d.done[a.ID], v.ofport = true, 0
		d.add(resource.OfSwitchPort(w.bridge, a.ID), AttrPort, step.Absent(), step.Text(d.wish(w.port, v).text())).Reason = "it moves here from bridge " + b.Name
		return nil
	}
	if wanted {
		d.done[a.ID] = true
		off := a.port(v)
		v.rest = v.rest.with(d.changes(b, off, w.port)) // steps of their own: a rollback takes back what they touch
		if vl, ok := w.port.vlan(); ok && d.differs(r, off, w.port) {
			v.vlan = vl
		}
	}
	d.add(r, attrOnPort, step.Absent(), step.Text(v.text())).Reason = "an operation that was interrupted took it off"
	return nil
}

// newPort is one that is nowhere yet.
func (d *differ) newPort(bridge, id string, w Port) error {
	switch {
	case d.gone(id):
		d.left(bridge, id, AttrPort, fmt.Sprintf("%s ceases to be, so it is no port of a switch", NetdevOf(id)))
		return nil
	case w.IfThere:
		d.left(bridge, id, attrVLAN, "it was removed from "+bridge+" since")
		return nil
	case w.Stale:
		d.left(bridge, id, AttrPort, "its netdev was not there before either: it was a port without one")
		return nil
	}
	if err := d.takeFromMaster(bridge, id, w); err != nil {
		return err
	}
	was := value{}
	if w.before != nil {
		if vl, ok := w.before.vlan(); ok {
			was.vlan = vl
		}
		was.rest = w.before.Rest
	}
	d.add(resource.OfSwitchPort(bridge, id), AttrPort, step.Absent(), step.Text(d.wish(w, was).text())).Reason = d.policedAll(id, w)
	return nil
}

// takeFromMaster is of a netdev that is below something of the kernel's.
func (d *differ) takeFromMaster(bridge, id string, w Port) error {
	m, has := d.have.Masters[id]
	netdev := NetdevOf(id)
	if !has || d.leaves(netdev) {
		return nil
	}
	if w.TakeFrom == nil || *w.TakeFrom != m.Name {
		return fmt.Errorf("OVS port %s on %s: %s is in %s (a %s of the kernel), and a netdev has one master: write `take-from: %s` at the port in the profile and it leaves %s, or leave it out of the profile",
			w.Name, bridge, id, m.Name, m.Kind, m.Name, m.Name)
	}
	master := resource.OfLink(m.Name)
	if m.Kind == "bond" {
		master = resource.OfBond(m.Name)
	}
	s := d.add(netdev, attrMaster, step.Text(m.Name), step.Absent())
	s.Effects = []step.Effect{
		{Kind: step.Leaves, On: netdev, From: master, For: step.ForGood},
		step.Stop(master, step.ForGood, "traffic of "+m.Name+" over "+id),
	}
	s.Reason = "the profile says take-from: " + m.Name
	return nil
}

func noQdiscReason(p PortState) string {
	return "the ingress qdisc that ovs-vswitchd makes and hangs its rules to is gone from " + strings.Join(p.Unhooked, ", ") + ": nothing that comes in there is offloaded"
}
