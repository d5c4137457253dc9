// SPDX-License-Identifier: Apache-2.0

package vlan

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
	interrupted = "it is as an apply leaves it that is interrupted while it makes the VLAN"
	notWanted   = "it was made by nicwright and is not wanted any more"
)

// Diff lists the steps from have to want, after steps with the effects. VLANs with a mark
// of the operation's own that are not wanted are removed; what somebody else made is only
// touched where want names it, and never made another VLAN.
func Diff(have State, want []Spec, effects step.Effects, opt step.Options) (step.Result, error) {
	p := planner{have: have, effects: effects, opt: opt, changes: map[string]bool{}}
	for n, w := range want {
		if named(want[:n], w.Name) >= 0 {
			return step.Result{}, fmt.Errorf("VLAN %s is wanted twice: give each a name of its own", w.Name)
		}
		if h := have.vlan(w.Name); h != nil && h.Which() != w.text() {
			p.changes[h.Name] = true
		}
	}
	for _, h := range have.VLANs {
		if named(want, h.Name) < 0 {
			p.old(h)
		}
	}
	for _, w := range want {
		p.vlan(have.vlan(w.Name), w)
	}
	slices.SortStableFunc(p.result.Steps, func(a, b step.Step) int { return int(a.Phase) - int(b.Phase) })
	return p.result, errors.Join(p.errs...)
}

type planner struct {
	have    State
	effects step.Effects
	opt     step.Options
	changes map[string]bool // the VLANs that are gone, or another, when one is made
	result  step.Result
	errs    []error
}

func (p *planner) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

func (p *planner) left(name, format string, args ...any) {
	p.result.Left = append(p.result.Left, step.Left{Resource: resource.OfLink(name), Reason: fmt.Sprintf(format, args...)})
}

func (p *planner) add(phase step.Phase, name, attribute string, from, to step.Value, effects ...step.Effect) *step.Step {
	p.result.Steps = append(p.result.Steps, step.Step{
		// One act: a tag that goes from one VLAN to another is free before it is taken.
		Phase: phase, Domain: Domain, Device: Domain, Group: Domain,
		Resource: resource.OfLink(name), Attribute: attribute, Action: step.ActionOf(from, to), From: from, To: to, Effects: effects,
	})
	return &p.result.Steps[len(p.result.Steps)-1]
}

// old removes what is not wanted any more, before what it is on goes.
func (p *planner) old(h VLAN) {
	id := resource.OfLink(h.Name)
	unmarked := h.Alias == "" && p.opt.Undoes(id) // as an apply leaves it that is interrupted while it makes it
	if !unmarked && !p.opt.Deletes(id, h.Owner) {
		return
	}
	if len(h.Holds) > 0 {
		if !unmarked {
			p.add(step.Quiesce, h.Name, step.AttrMark, step.Text(h.Alias), step.Absent()).Reason =
				"it is not wanted any more, but others use it: " + strings.Join(h.Holds, ", ")
		}
		return
	}
	if unmarked {
		p.add(step.Quiesce, h.Name, step.AttrMark, step.Absent(), step.Text(step.AliasOf(step.OrNoOwner(p.opt.Owner)))).Reason = interrupted
	}
	p.changes[h.Name] = true
	p.add(step.Quiesce, h.Name, Present, step.Text(h.Which()), step.Absent(),
		step.Effect{Kind: step.Gone, On: id, For: step.ForGood}, step.Stop(id, step.ForGood, "all traffic of "+h.Name)).Reason = notWanted
}

// vlan is the plan of one that is wanted.
func (p *planner) vlan(h *VLAN, w Spec) {
	if !p.possible(h, w) {
		return
	}
	o := one{planner: p, h: h, w: w, from: step.Absent()}
	switch {
	case h == nil:
		o.made = true
		o.make(step.Absent(), "")
	case p.effects.Loses(h.On):
		o.made, o.from = true, step.Unknown()
		o.make(o.from, h.On.String()+" below it is made again")
	case h.Which() != w.text():
		o.made, o.from = true, step.Unknown()
		o.make(step.Text(h.Which()), "", step.Stop(w.id(), step.Moment, "all traffic of "+w.Name))
	}
	o.mark()
	o.mtu()
	o.up()
}

// possible says what keeps a VLAN from being as it is wanted.
func (p *planner) possible(h *VLAN, w Spec) bool {
	kind, taken := p.have.Others[w.Name]
	switch {
	case h == nil && taken:
		p.fail("VLAN %s: there is a netdev of that name, and it is no VLAN on a netdev of this network namespace (%s): rename it, or give the VLAN another name in the profile", w.Name, rtlink.KindText(kind))
		return false
	case h == nil && w.IfThere:
		p.left(w.Name, "it has been removed since by somebody else, and is not made again")
		return false
	case h == nil:
	case h.Which() == w.text():
		return true
	case w.IfThere:
		p.left(w.Name, "somebody has made it another VLAN since, %s", h.Which())
		return false
	case !p.opt.Owns(h.Owner) && !p.interrupted(*h):
		p.fail("VLAN %s: there is one of that name, %s, which nicwright did not make, and %s is wanted: rename it, or give the VLAN another name in the profile", w.Name, h.Which(), w.text())
		return false
	}
	for _, o := range p.have.VLANs {
		if o.Name != w.Name && !p.changes[o.Name] && !p.effects.Loses(o.On) && o.Which() == w.text() {
			p.fail("VLAN %s: %s is wanted, and %s is that VLAN already: name that one in the profile, or remove it (ip link del %s)", w.Name, w.text(), o.Name, o.Name)
			return false
		}
	}
	return true
}

// interrupted tells one that an apply of the profile made and was stopped before it could mark it.
func (p *planner) interrupted(h VLAN) bool {
	return h.Alias == "" && p.opt.Made != nil && p.opt.Made(resource.OfLink(h.Name))
}

// one is the plan of one VLAN.
type one struct {
	*planner
	h    *VLAN // as it is, nil when it is not there
	w    Spec
	made bool // it is made in this plan, and from is what its attributes are until then
	from step.Value
}

func (o *one) step(attribute string, from, to step.Value, effects ...step.Effect) *step.Step {
	return o.add(step.Network, o.w.Name, attribute, from, to, effects...)
}

func (o *one) make(from step.Value, why string, effects ...step.Effect) {
	if o.h != nil || o.w.before != nil || o.opt.Only != nil { // what was on it comes back
		effects = append(effects, step.Effect{Kind: step.Remade, On: o.w.id(), For: step.Apply})
	}
	o.step(Present, from, step.Text(o.w.text()), effects...).Reason = why
}

// mark says whose it is.
func (o *one) mark() {
	owner := o.opt.Owner
	if o.w.Exact {
		owner = o.w.Owner
	}
	ours := step.Text(step.AliasOf(step.OrNoOwner(owner)))
	h := o.h
	switch {
	case h == nil && o.w.Exact && owner == "": // somebody else's
	case h == nil, o.made && h.Owner != "" && (!o.w.Exact || owner != ""):
		o.step(step.AttrMark, o.from, ours)
	case !o.w.Exact && owner != "" && o.interrupted(*h):
		o.step(step.AttrMark, step.Absent(), ours).Reason = interrupted
	case o.w.Exact && o.w.Owner != h.Owner && owner == "":
		o.step(step.AttrMark, step.Text(h.Alias), step.Absent())
	case o.w.Exact && o.w.Owner != h.Owner:
		o.step(step.AttrMark, step.MarkText(h.Alias), ours)
	case !o.w.Exact && owner != "" && h.Owner != owner && o.opt.Owns(h.Owner) && o.opt.Only == nil:
		o.step(step.AttrMark, step.Text(h.Alias), ours).Reason = "the work of the profile " + h.Owner + " is taken over"
	}
}

func (o *one) mtu() {
	switch {
	case o.w.MTU == nil:
	case o.made:
		o.step(attrMTU, o.from, step.Text(strconv.Itoa(*o.w.MTU)))
	case *o.w.MTU != o.h.MTU:
		o.step(attrMTU, step.Text(strconv.Itoa(o.h.MTU)), step.Text(strconv.Itoa(*o.w.MTU)))
	}
}

// up: what is made is up unless the profile says otherwise, and what is made again is as it was.
func (o *one) up() {
	up := o.w.Up
	if up == nil && o.made {
		switch was := o.w.before; {
		case o.h != nil:
			up = &o.h.Up
		case was != nil:
			up = was.Up
		default:
			up = new(true)
		}
	}
	switch {
	case up == nil || o.made && !*up || !o.made && *up == o.h.Up:
	case o.made:
		o.step(attrUp, o.from, step.Text(step.UpDown(true)))
	case *up:
		o.step(attrUp, step.Text(step.UpDown(false)), step.Text(step.UpDown(true)))
	default:
		o.step(attrUp, step.Text(step.UpDown(true)), step.Text(step.UpDown(false)),
			step.Effect{Kind: step.Down, On: o.w.id(), For: step.ForGood}, step.Stop(o.w.id(), step.ForGood, "all traffic of "+o.w.Name))
	}
}
