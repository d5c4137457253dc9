// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

const (
	present     = "present"
	interrupted = "it is as an apply leaves it that is interrupted while it makes the bridge"
	notWanted   = "it was made by nicwright and is not wanted any more"
	// asGiven is the value of a port whose VLANs are those that the bridge gives it.
	asGiven = "as the bridge gives"
)

// Diff lists the steps from have to want, after steps with the effects. Ports that an
// operation of the profile put there and that are not wanted are taken out, and so are
// bridges with a mark of the operation's own; what somebody else made is never
// deleted, and only touched where want names it. An error names everything that is
// somebody else's, and what to write in order to take it.
func Diff(have State, want []Spec, effects step.Effects, opt step.Options) (step.Result, error) {
	p := planner{have: have, effects: effects, opt: opt, wanted: map[resource.ID]string{}}
	named := map[string]bool{}
	for _, w := range want {
		if named[w.Name] {
			return step.Result{}, fmt.Errorf("bridge %s is wanted twice: give each bridge a name of its own", w.Name)
		}
		named[w.Name] = true
		for _, port := range w.Ports {
			id, err := port.Netdev()
			if err != nil {
				return step.Result{}, fmt.Errorf("bridge %s: %w", w.Name, err)
			}
			if first, twice := p.wanted[id]; twice {
				return step.Result{}, fmt.Errorf("bridge %s: its port %s is %s, which is a port of %s as well: a netdev is in one bridge", w.Name, port.Name, id, first)
			}
			p.wanted[id] = w.Name
		}
	}
	for _, h := range have.Bridges {
		p.old(h, named[h.Name])
	}
	for _, w := range want {
		p.bridge(have.bridge(w.Name), w)
	}
	slices.SortStableFunc(p.result.Steps, func(a, b step.Step) int { return int(a.Phase) - int(b.Phase) })
	return p.result, errors.Join(p.errs...)
}

type planner struct {
	have    State
	effects step.Effects
	opt     step.Options
	wanted  map[resource.ID]string // netdevs, and the bridge of each
	result  step.Result
	errs    []error
}

func (p *planner) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

func (p *planner) left(id resource.ID, attribute, format string, args ...any) {
	p.result.Left = append(p.result.Left, step.Left{Resource: id, Attribute: attribute, Reason: fmt.Sprintf(format, args...)})
}

// groupPrefix begins the group of a bridge's steps.
const groupPrefix = "bridge/"

// add adds a step of a bridge.
func (p *planner) add(bridge string, id resource.ID, attribute string, from, to step.Value, effects ...step.Effect) *step.Step {
	p.result.Steps = append(p.result.Steps, step.Step{
		// After the bonds, before what hangs on the bridge; one device, for a netdev that moves from one bridge to another.
		Phase: step.Network, Domain: Domain, Device: Domain, Group: groupPrefix + bridge,
		Resource: id, Attribute: attribute, Action: step.ActionOf(from, to), From: from, To: to, Effects: effects,
	})
	return &p.result.Steps[len(p.result.Steps)-1]
}

// old takes away what is not wanted any more: ports, and the bridge itself.
func (p *planner) old(h Bridge, named bool) {
	id := resource.OfLink(h.Name)
	unmarked := h.Alias == "" && p.opt.Only != nil && p.opt.Undoes(id) // as an apply leaves it that is interrupted while it makes it
	goes := !named && (unmarked || p.opt.Deletes(id, h.Owner))
	var others []string
	for _, port := range h.Ports {
		r := resource.OfBridgePort(h.Name, port.Netdev)
		switch {
		case p.away(port.Netdev) || p.wanted[port.Netdev] != "":
		case p.opt.Undoes(r):
			s := p.add(h.Name, r, AttrPort, step.Text(port.vlans().text()), step.Absent(),
				step.Effect{Kind: step.Leaves, On: port.Netdev, From: id, For: step.ForGood},
				step.Stop(port.Netdev, step.ForGood, "traffic of "+port.Name+" over "+h.Name))
			s.Reason = notWanted
		default:
			others = append(others, port.Name)
		}
	}
	switch {
	case goes && len(others) > 0:
		p.add(h.Name, id, step.AttrMark, step.Text(h.Alias), step.Absent()).Reason =
			"it is not wanted any more, but ports that nicwright did not put there are in it: " + strings.Join(others, ", ")
	case goes:
		if unmarked {
			p.add(h.Name, id, step.AttrMark, step.Absent(), step.Text(step.AliasOf(step.OrNoOwner(p.opt.Owner)))).Reason = interrupted
		}
		p.add(h.Name, id, Present, step.Text(present), step.Absent(),
			step.Effect{Kind: step.Gone, On: id, For: step.ForGood}, step.Stop(id, step.ForGood, "all traffic of "+h.Name)).Reason = notWanted
	}
}

// away tells a netdev that is no port any more after the steps before.
func (p *planner) away(id resource.ID) bool {
	return p.effects.On(id, step.Leaves, step.Joins) || p.gone(id)
}

func (p *planner) gone(id resource.ID) bool {
	return p.effects.On(id, step.Gone) && !p.effects.On(id, step.Remade)
}

// one is the plan of one bridge that is wanted.
type one struct {
	*planner
	h     *Bridge // as it is, nil when it is not there
	w     Spec
	again bool // the kernel changes VLANs of ports by itself on the way
}

func (p *planner) bridge(h *Bridge, w Spec) {
	o := one{planner: p, h: h, w: w}
	switch kind, taken := p.have.Others[w.Name]; {
	case h == nil && taken:
		p.fail("bridge %s: there is a netdev of that name, and it is no bridge of the kernel (%s): rename it, or give the bridge another name in the profile", w.Name, rtlink.KindText(kind))
		return
	case h == nil && w.IfThere:
		p.left(resource.OfLink(w.Name), "", "it has been removed since by somebody else, and is not made again")
		return
	}
	o.make()
	for _, opt := range options {
		if opt.name != attrFiltering {
			o.option(opt)
		}
	}
	o.ports()
	o.mtu()
	o.option(*find(attrFiltering)) // when the ports have their VLANs
	o.up()
}

func (o *one) id() resource.ID { return resource.OfLink(o.w.Name) }

// step adds a step of the bridge itself.
func (o *one) step(attribute string, from, to step.Value, effects ...step.Effect) *step.Step {
	return o.add(o.w.Name, o.id(), attribute, from, to, effects...)
}

// make makes and marks the bridge.
func (o *one) make() {
	owner := o.opt.Owner
	if o.w.Exact {
		owner = o.w.Owner
	}
	switch {
	case o.h == nil:
		s := o.step(Present, step.Absent(), step.Text(present))
		if o.opt.Only != nil { // one that a rollback makes had things on it, which come back with it
			s.Effects = []step.Effect{{Kind: step.Remade, On: o.id(), For: step.Apply}}
		}
		o.step(step.AttrMark, step.Absent(), step.Text(step.AliasOf(step.OrNoOwner(owner))))
	case !o.w.Exact && owner != "" && o.h.Alias == "" && o.opt.Made != nil && o.opt.Made(o.id()):
		o.step(step.AttrMark, step.Absent(), step.Text(step.AliasOf(owner))).Reason = interrupted
	case o.w.Exact && o.w.Owner != o.h.Owner:
		to := step.Absent()
		if o.w.Owner != "" {
			to = step.Text(step.AliasOf(o.w.Owner))
		}
		o.step(step.AttrMark, step.MarkText(o.h.Alias), to)
	case !o.w.Exact && owner != "" && o.h.Owner != owner && o.opt.Owns(o.h.Owner) && o.opt.Only == nil:
		o.step(step.AttrMark, step.Text(o.h.Alias), step.Text(step.AliasOf(owner))).Reason = "the work of the profile " + o.h.Owner + " is taken over"
	}
}

// option adds the step of one option.
func (o *one) option(a option) {
	to, wanted := a.wanted(o.w)
	if !wanted {
		return
	}
	if o.h == nil {
		if to != a.text(a.first) {
			o.step(a.name, step.Absent(), step.Text(to))
		}
		return
	}
	n, has := o.h.Options[a.name]
	if has && to == a.text(n) {
		return
	}
	from := step.Absent()
	if has {
		from = step.Text(a.text(n))
	}
	switch a.name {
	case attrFiltering:
		o.filtering(from, to)
	case attrDefaultPVID:
		o.defaultPVID(from, to)
	default:
		o.step(a.name, from, step.Text(to))
	}
}

// filtering switches the filter under traffic.
func (o *one) filtering(from step.Value, to string) {
	var effects []step.Effect
	reason := "the VLANs of the ports are set before"
	if to == strconv.FormatBool(false) {
		reason = "from then on its VLANs are not apart"
	}
	if len(o.h.Ports) > 0 {
		effects = append(effects, step.Stop(o.id(), step.Moment, "traffic over "+o.w.Name+", whose addresses are learned anew"))
		if to == strconv.FormatBool(true) {
			effects = append(effects, step.Stop(o.id(), step.ForGood, "traffic over "+o.w.Name+" in VLANs that its ports do not have"))
			if others := o.others(); len(others) > 0 {
				reason += "; ports that the profile does not name keep theirs: " + strings.Join(others, ", ")
			}
		}
	}
	o.step(attrFiltering, from, step.Text(to), effects...).Reason = reason
}

// others are the ports that are not wanted here, with their VLANs.
func (o *one) others() []string {
	var all []string
	for _, port := range o.h.Ports {
		if o.wanted[port.Netdev] != o.w.Name && !o.away(port.Netdev) && !o.opt.Undoes(resource.OfBridgePort(o.w.Name, port.Netdev)) {
			all = append(all, port.Name+" ("+port.vlans().text()+")")
		}
	}
	return all
}

// defaultPVID changes what new ports get, and with it the kernel changes the VLANs of
// those that are there (net/bridge/br_vlan.c, __br_vlan_set_default_pvid).
func (o *one) defaultPVID(from step.Value, to string) {
	others := o.others()
	switch {
	case o.h.Options[attrFiltering] != 0:
		o.fail("bridge %s: its %s is %s, %s is wanted, and the kernel changes it only while vlan_filtering is off, when no VLANs are apart: leave it out, or change it when nobody uses the bridge (ip link set %s type bridge vlan_filtering 0 vlan_default_pvid %s vlan_filtering 1)",
			o.w.Name, attrDefaultPVID, from, to, o.w.Name, to)
		return
	case len(others) > 0:
		o.fail("bridge %s: its %s is %s, %s is wanted, and the kernel would change the VLANs of ports that the profile does not name: %s: leave it out, or name the ports",
			o.w.Name, attrDefaultPVID, from, to, strings.Join(others, ", "))
		return
	}
	o.again = len(o.h.Ports) > 0
	o.step(attrDefaultPVID, from, step.Text(to))
}

func (o *one) mtu() {
	switch {
	case o.w.MTU == nil || o.h != nil && *o.w.MTU == o.h.MTU:
	case o.h == nil:
		o.step(attrMTU, step.Absent(), step.Text(strconv.Itoa(*o.w.MTU)))
	default:
		o.step(attrMTU, step.Text(strconv.Itoa(o.h.MTU)), step.Text(strconv.Itoa(*o.w.MTU)))
	}
}

// up: what is made, and what addresses go to, is up unless the profile says otherwise.
func (o *one) up() {
	up := o.w.Up
	if up == nil && (o.h == nil || o.moves()) {
		up = new(true)
	}
	if up == nil || o.h != nil && *up == o.h.Up || o.h == nil && !*up {
		return
	}
	from := step.Absent()
	var effects []step.Effect
	if o.h != nil {
		from = step.Text(step.UpDown(o.h.Up))
	}
	if !*up {
		effects = []step.Effect{{Kind: step.Down, On: o.id(), For: step.ForGood}, step.Stop(o.id(), step.ForGood, "all traffic of "+o.w.Name)}
	}
	o.step(attrUp, from, step.Text(step.UpDown(*up)), effects...)
}

// moves tells whether addresses of ports go to the bridge.
func (o *one) moves() bool {
	for _, port := range o.w.Ports {
		if port.takes() {
			return true
		}
	}
	return false
}
