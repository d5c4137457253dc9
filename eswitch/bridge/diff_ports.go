// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func (o *one) ports() {
	for _, w := range o.w.Ports {
		id, err := w.Netdev()
		if err != nil {
			continue // Diff has said it
		}
		o.port(id, w)
	}
}

// present is the port as it is in this bridge, nil where it is not or will not be.
func (o *one) present(id resource.ID) *PortState {
	if o.h == nil || o.away(id) {
		return nil
	}
	for i := range o.h.Ports {
		if o.h.Ports[i].Netdev == id {
			return &o.h.Ports[i]
		}
	}
	return nil
}

func (o *one) port(id resource.ID, w Port) {
	r := resource.OfBridgePort(o.w.Name, id)
	h := o.present(id)
	switch {
	case o.gone(id):
		o.left(r, AttrPort, "%s ceases to be, so it is no port of a bridge", id)
	case h != nil && o.effects.On(id, step.Remade):
		o.put(r, id, step.Unknown(), w.becomes(h.vlans(), true)).Reason = "its netdev is made again"
	case h != nil && w.Back:
	case h != nil:
		o.vlans(r, h, w)
	case w.IfThere:
		o.left(r, AttrPort, "somebody has taken it out of %s since: it stays so", o.w.Name)
	default:
		o.join(r, id, w)
	}
}

// put adds the step that puts a netdev into the bridge. The driver takes a bond into the
// card's bridge as what it is at that moment, so it goes there when the card has made
// its LAG (m5/en/rep/bridge.c, mlx5_esw_bridge_is_local); not so where addresses go with
// it, which would be away for as long.
func (o *one) put(r, id resource.ID, from step.Value, to string, effects ...step.Effect) *step.Step {
	s := o.add(o.w.Name, r, AttrPort, from, step.Text(to), effects...)
	if n := o.have.Netdevs[id]; id.Kind == resource.Bond && len(n.Hangs) == 0 {
		s.Phase = step.Switch
	}
	return s
}

// becomes is the value of a port that goes into the bridge: what is wanted, else what it
// was.
func (p Port) becomes(was set, known bool) string {
	switch s, said := p.vlans(); {
	case said:
		return s.text()
	case p.before != nil:
		if s, said := p.before.vlans(); said {
			return s.text()
		}
	case known:
		return was.text()
	}
	return asGiven
}

// vlans changes those of a port that is there.
func (o *one) vlans(r resource.ID, h *PortState, w Port) {
	to, said := w.vlans()
	from := h.vlans()
	switch {
	case !said:
		if o.again {
			o.left(r, attrVLANs, "the kernel changes its VLANs with vlan_default_pvid, for the profile says none")
		}
	case from.text() != to.text():
		s := o.add(o.w.Name, r, attrVLANs, step.Text(from.text()), step.Text(to.text()))
		if away := lost(from, to); len(away) > 0 {
			s.Effects = []step.Effect{step.Stop(h.Netdev, step.ForGood, "traffic of "+h.Name+" over "+o.w.Name+" as VLAN "+away.text())}
		}
	case o.again:
		o.add(o.w.Name, r, attrVLANs, step.Unknown(), step.Text(to.text())).Reason = "the kernel changes it with vlan_default_pvid"
	}
}

// join puts a netdev into the bridge, out of whatever it is in; that it may be is
// checked.
func (o *one) join(r, id resource.ID, w Port) {
	n, known := o.have.Netdevs[id]
	var effects []step.Effect
	reason := ""
	if o.effects.On(id, step.Joins) {
		o.fail("bridge %s: its port %s goes into something else, and a netdev has one master: leave one of them out of the profile", o.w.Name, w.Name)
		return
	}
	if known && n.Master != "" && !o.away(id) {
		if !o.mayTake(id, n, w) {
			o.errs = append(o.errs, o.foreign(id, n, w))
			return
		}
		from := resource.OfLink(n.Master)
		if n.MasterKind == kindOVS { // which lets go of what joins something, before anything else
			effects = append(effects, step.Effect{Kind: step.Joins, On: id, From: o.id(), For: step.Moment})
		} else {
			effects = append(effects, step.Effect{Kind: step.Leaves, On: id, From: from, For: step.ForGood})
		}
		effects = append(effects, step.Stop(id, step.ForGood, "traffic of "+n.Name+" over "+n.where()))
		reason = "it leaves " + n.where()
	}
	if known && len(n.Hangs) > 0 {
		if !w.takes() {
			o.fail("bridge %s: its port %s (%s) has %s, and a port of a bridge has no use for them: say take-addresses: true at the port, and they move to %s; or take them off %s first (ip addr flush dev %s)",
				o.w.Name, w.Name, n.Name, listed(n.Hangs), o.w.Name, n.Name, n.Name)
			return
		}
		effects = append(effects, step.Stop(id, step.Moment, "all traffic of "+n.Name+", whose addresses go to "+o.w.Name))
	}
	if !known && id.Kind == resource.Representor { // Open vSwitch takes what comes under the name of a port that it still has
		effects = append(effects, step.Effect{Kind: step.Joins, On: id, From: o.id(), For: step.Moment})
	}
	o.put(r, id, step.Absent(), w.becomes(nil, false), effects...).Reason = reason
}

// where is what it is a port of.
func (n Netdev) where() string {
	if n.MasterKind == kindOVS && n.Switch != "" {
		return n.Switch
	}
	return n.Master
}

// mayTake tells whether a netdev may leave its master: the profile says so, or the
// operator, or an operation of the profile put it there. A member of a bond is the
// bond's.
func (o *one) mayTake(id resource.ID, n Netdev, w Port) bool {
	switch {
	case n.MasterKind == "bond":
		return false
	case w.TakeFrom != nil && (*w.TakeFrom == n.Master || *w.TakeFrom == n.Switch):
		return true
	}
	return o.opt.Takes(id) || o.opt.Owns(n.Owner) || o.opt.Undoes(resource.OfBridgePort(n.Master, id))
}

func (o *one) foreign(id resource.ID, n Netdev, w Port) error {
	head := fmt.Sprintf("bridge %s: its port %s (%s, %s) is", o.w.Name, w.Name, n.Name, id)
	switch {
	case n.MasterKind == "bond":
		return fmt.Errorf("%s a member of the bond %s, and is in the bridge through that: write bond: %s at the port, or take it out of the bond", head, n.Master, n.Master)
	case n.MasterKind == kindOVS && n.Switch == "":
		return fmt.Errorf("%s a port of Open vSwitch, of a bridge that nicwright did not make: write take-from: %s at the port if it is to be taken out of there, or ovs-vsctl del-port %s first", head, n.Master, n.Name)
	case n.MasterKind == kindOVS:
		return fmt.Errorf("%s a port of the bridge %s in Open vSwitch, where nicwright did not put it: write take-from: %s at the port if it is to be taken out of there", head, n.Switch, n.Switch)
	}
	return fmt.Errorf("%s a port of the %s %s, where nicwright did not put it: write take-from: %s at the port if it is to be taken out of there", head, n.MasterKind, n.Master, n.Master)
}

// listed is a list in words.
func listed(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
