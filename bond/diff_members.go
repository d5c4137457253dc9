// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// claims are the members that wants say, by the bond that has them.
func claims(want []Spec) map[string]string {
	by := map[string]string{}
	for _, w := range want {
		if w.Filled {
			continue
		}
		for _, id := range w.Members {
			by[id] = w.Name
		}
	}
	return by
}

// wanted are the members after the plan, sorted.
func (o *one) wanted() []string {
	ids := o.was.memberIDs()
	if o.h != nil { // also those that are out for a while
		ids = o.h.memberIDs()
	}
	if o.w.Members != nil {
		ids = slices.Sorted(slices.Values(o.w.Members))
	}
	return slices.DeleteFunc(ids, func(id string) bool {
		by := o.claims[id]
		return by != "" && by != o.w.Name
	})
}

// lost tells whether a step before takes a member out of the bond, or down.
func (o *one) lost(id string) bool {
	for _, e := range o.effects {
		if e.On == memberID(id) && (e.Kind == step.Remade || e.Kind == step.Gone || e.Kind == step.Down && e.For != step.Moment) {
			return true
		}
	}
	return false
}

// letGo takes members whose netdevs are made again out of the bond before that: mlx5 refuses to be reloaded while the
// card has a LAG of it (m5/devlink.c, mlx5_devlink_reload_down).
func (o *one) letGo() {
	if o.h == nil {
		return
	}
	var stay []Member
	var effects []step.Effect
	for _, m := range o.h.Members {
		if !o.effects.On(memberID(m.ID), step.Remade) {
			stay = append(stay, m)
			continue
		}
		effects = append(effects, leaves(o.w.Name, m.ID)...)
	}
	if len(effects) == 0 {
		return
	}
	if len(stay) == 0 && o.h.Up {
		effects = append(effects, step.Effect{Kind: step.Bounces, On: o.id()}, step.Stop(o.id(), step.Apply, allTraffic(o.w.Name)))
	}
	have := o.was.memberIDs()
	o.was.Members = stay
	s := newStep(o.w.Name, attrMembers, list(have), list(o.was.memberIDs()), effects...)
	s.Phase, s.Action = step.Quiesce, step.Change
	s.Reason = "a netdev that is made again has to be out of the bond before"
	o.result.Steps = append(o.result.Steps, s)
}

// joins tells whether a wanted member has to be put in, for the first time or again.
func (o *one) joins(id string) bool {
	return o.empty || o.lost(id) || !slices.Contains(o.was.memberIDs(), id)
}

// members adds the step for the members, if any has to be put in or taken out, and
// tells whether the bond changes for the card.
func (o *one) members() bool {
	have, want := o.was.memberIDs(), o.wanted()
	var effects []step.Effect
	var reasons []string
	change, lost := false, false
	for _, id := range have {
		if !slices.Contains(want, id) {
			change = true
			if !o.empty {
				effects = append(effects, leaves(o.w.Name, id)...)
			}
			if by := o.claims[id]; by != "" {
				reasons = append(reasons, o.called(id)+" goes into "+by)
			}
		}
	}
	for _, id := range want {
		if !o.joins(id) {
			continue
		}
		change = true
		switch {
		case o.lost(id):
			lost = true
			reasons = append(reasons, "the netdev of "+id+" is made again or set down by a step before")
		case !slices.Contains(have, id):
			effects = append(effects, o.take(id)...)
		}
		effects = append(effects, step.Effect{Kind: step.Joins, On: memberID(id), From: o.id()})
	}
	if !change {
		return false
	}
	if o.empty {
		reasons = append(reasons, "all members are released on the way")
	}
	if o.h != nil && o.h.Up && len(have) > 0 && len(want) == 0 {
		effects = append(effects, step.Stop(o.id(), step.ForGood, allTraffic(o.w.Name)))
	}
	s := o.add(attrMembers, list(have), list(want), effects...)
	if (lost || o.empty) && len(want) > 0 && s.Action == step.Change {
		s.Action = step.Replace
	}
	s.Reason = strings.Join(reasons, "; ")
	return true
}

// called is a member as a reader knows it.
func (o *one) called(id string) string {
	if u, ok := o.have.Uplinks[pci.Address(id)]; ok {
		return u.Netdev + " (" + id + ")"
	}
	return id
}

// take are the effects of taking an uplink out of where it is; that it may be is
// checked.
func (o *one) take(id string) []step.Effect {
	u, ok := o.have.Uplinks[pci.Address(id)]
	if !ok {
		return nil // it is on its way, or no card's
	}
	if u.Master == o.w.Name {
		u.Master = ""
	}
	if u.Master != "" && !o.mayTake(id, u) {
		o.errs = append(o.errs, o.foreignMaster(id, u))
	}
	if len(u.Hangs) > 0 && !o.w.takes() {
		o.fail("bond %s: its member %s has %s, and a member of a bond has no use for them: say take-addresses: true at the bond, and they move to %s; or take them off %s first (ip addr flush dev %s)",
			o.w.Name, o.called(id), words(u.Hangs, "and"), o.w.Name, u.Netdev, u.Netdev)
	}
	var effects []step.Effect
	// What is in a bond that stays is taken out by that bond's own step.
	if u.Master != "" && u.MasterKind != "bond" {
		effects = append(effects, step.Effect{Kind: step.Leaves, On: memberID(id), From: masterID(u.Master, u.MasterKind)})
	}
	if u.Up && (len(u.Hangs) > 0 || u.Master != "" && u.MasterKind != "bond") {
		effects = append(effects, step.Stop(memberID(id), step.Moment, "all traffic of "+u.Netdev))
	}
	return effects
}

// mayTake tells whether an uplink may leave its master: the profile says so, or the
// operator, or it is nicwright's own.
func (o *one) mayTake(id string, u Uplink) bool {
	from := o.w.TakeFromOf[id]
	switch {
	case from != "" && (from == u.Master || from == u.Bridge):
		return true
	case u.MasterKind == "bridge" && o.opt.Undoes(resource.OfBridgePort(u.Master, memberID(id))):
		return true
	case o.opt.Takes(memberID(id)) || o.opt.Owns(u.Owner) || o.deleted[u.Master]:
		return true
	}
	b := o.have.bond(u.Master)
	return b != nil && o.opt.Owns(b.Owner)
}

func (o *one) foreignMaster(id string, u Uplink) error {
	if u.MasterKind != "openvswitch" {
		return fmt.Errorf("bond %s: its member %s is a port of the %s %s, which nicwright did not make: write take-from: %s at the port if it is to be taken out of there",
			o.w.Name, o.called(id), u.MasterKind, u.Master, u.Master)
	}
	if u.Bridge == "" {
		return fmt.Errorf("bond %s: its member %s is a port of Open vSwitch, of a bridge that nicwright did not make: write take-from: %s at the port if it is to be taken out of there, or ovs-vsctl del-port %s first",
			o.w.Name, o.called(id), u.Master, u.Netdev)
	}
	return fmt.Errorf("bond %s: its member %s is a port of the bridge %s in Open vSwitch, which nicwright did not make: write take-from: %s at the port if it is to be taken out of there",
		o.w.Name, o.called(id), u.Bridge, u.Bridge)
}

// follow adds the steps of members that stay in the bond and do not follow it:
// their MTU is the bond's, and in a bond that is up they are up.
func (o *one) follow() {
	if o.h == nil || o.w.Filled {
		return
	}
	stay := o.wanted()
	up, said := o.h.Up, o.w.Members != nil || o.w.Up != nil
	if o.w.Up != nil {
		up = *o.w.Up
	}
	for _, m := range o.h.Members {
		if !slices.Contains(stay, m.ID) || o.joins(m.ID) {
			continue
		}
		if (o.w.MTU != nil || o.w.Members != nil) && m.MTU != 0 && m.MTU != o.h.MTU && (o.w.MTU == nil || *o.w.MTU == o.h.MTU) {
			o.member(m.ID, attrMTU, strconv.Itoa(m.MTU), strconv.Itoa(o.h.MTU))
		}
		if said && up && !m.Up {
			o.member(m.ID, attrUp, step.UpDown(false), step.UpDown(true))
		}
	}
}

// member adds the step of a member's attribute.
func (o *one) member(id, attribute, from, to string) {
	s := o.add(attribute, step.Text(from), step.Text(to))
	s.Resource, s.Reason = memberID(id), "members follow their bond "+o.w.Name
}
