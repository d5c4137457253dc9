// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

const present = "present"

// defaultMode and defaultMiimon are the kernel's own choices
// (drivers/net/bonding/bond_main.c, bond_options.c).
const (
	defaultMode   = "balance-rr"
	defaultMiimon = 100 // of a mode that cannot do with ARP
)

// Diff lists the steps from have to want, after steps with the effects. Bonds with
// a mark of the operation's own that are not in want are deleted; other bonds that
// want does not name are left alone. An error names every uplink that is somebody
// else's, and what to write in order to take it.
func Diff(have State, want []Spec, effects step.Effects, opt step.Options) (step.Result, error) {
	p := planner{have: have, effects: effects, opt: opt, claims: claims(want)}
	named := map[string]bool{}
	for _, w := range want {
		if named[w.Name] {
			return step.Result{}, fmt.Errorf("bond %s is wanted twice: give each bond a name of its own", w.Name)
		}
		named[w.Name] = true
		h := have.bond(w.Name)
		if w.Filled && (h == nil || p.deletes(*h)) {
			delete(named, w.Name) // it has gone, or is an own one that is not wanted any more
			continue
		}
		p.want = append(p.want, w)
	}
	p.deleted = map[string]bool{}
	for _, h := range have.Bonds {
		if !named[h.Name] && p.deletes(h) {
			p.deleted[h.Name] = true
		}
	}
	// Releases first: a member may go on to another bond.
	for _, h := range have.Bonds {
		switch {
		case p.deleted[h.Name]:
			o := one{planner: &p, h: &h, w: Spec{Name: h.Name}, was: h}
			o.letGo()
			p.remove(h)
		case !named[h.Name]:
			p.bond(&h, Spec{Name: h.Name, Filled: true})
		}
	}
	slices.SortStableFunc(p.want, func(a, b Spec) int { return p.losing(b) - p.losing(a) })
	for _, w := range p.want {
		p.bond(have.bond(w.Name), w)
	}
	return p.result, errors.Join(p.errs...)
}

// planner makes the steps of all bonds.
type planner struct {
	have    State
	want    []Spec
	effects step.Effects
	opt     step.Options
	claims  map[string]string // member ID -> the bond that says it is its own
	deleted map[string]bool   // bonds, by name
	result  step.Result
	errs    []error
}

func (p *planner) deletes(h Bond) bool { return p.opt.Deletes(resource.OfBond(h.Name), h.Owner) }

// losing is how many of its present members a bond is to lose.
func (p *planner) losing(w Spec) int {
	n := 0
	for _, id := range p.have.Members(w.Name) {
		if by := p.claims[id]; by != "" && by != w.Name {
			n++
		}
	}
	return n
}

func (p *planner) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

func (p *planner) remove(h Bond) {
	id := resource.OfBond(h.Name)
	effects := []step.Effect{{Kind: step.Gone, On: id, For: step.ForGood}}
	for _, m := range h.Members {
		effects = append(effects, leaves(h.Name, m.ID)...)
	}
	if len(h.Members) > 0 {
		effects = append(effects, step.Stop(id, step.ForGood, allTraffic(h.Name)))
	}
	s := newStep(h.Name, Present, step.Text(present), step.Absent(), effects...)
	s.Reason = "it was made by nicwright and is not wanted any more"
	p.result.Steps = append(p.result.Steps, s)
}

func newStep(bond, attribute string, from, to step.Value, effects ...step.Effect) step.Step {
	return step.Step{
		Phase: step.Bond, Domain: Domain,
		// One device for all bonds: a member that moves from one to another is not to be raced for.
		Device: Domain, Group: groupPrefix + bond, Resource: resource.OfBond(bond),
		Attribute: attribute, Action: step.ActionOf(from, to), From: from, To: to, Effects: effects,
	}
}

// groupPrefix begins the group of a bond's steps.
const groupPrefix = "bond/"

func allTraffic(bond string) string { return "all traffic over " + bond }

// leaves are the effects on a member that leaves: bonding sets it down
// (drivers/net/bonding/bond_main.c, __bond_release_one).
func leaves(bond, member string) []step.Effect {
	return []step.Effect{
		{Kind: step.Leaves, On: memberID(member), From: resource.OfBond(bond)},
		{Kind: step.Down, On: memberID(member), For: step.Moment},
	}
}

// one is the planning of one bond.
type one struct {
	*planner
	h    *Bond // nil: it is not there
	w    Spec
	was  Bond // *h, or what a new bond is
	mode string
	// down, empty: steps so far take the bond down, its members out.
	down, empty bool
	steps       []step.Step
}

func (p *planner) bond(h *Bond, w Spec) {
	o := one{planner: p, h: h, w: w, was: Bond{Name: w.Name, Mode: defaultMode}}
	if h != nil {
		o.was = *h
	}
	if o.mode = o.was.Mode; w.Mode != nil {
		o.mode = *w.Mode
	}
	if o.w.MTU == nil {
		mtu, err := w.newMTU(p.have)
		if err != nil {
			p.errs = append(p.errs, err)
		}
		o.w.MTU = mtu
	}
	if o.w.Up == nil && o.w.takes() {
		o.w.Up = new(true) // routes do not go to a netdev that is down
	}
	o.letGo()
	o.make()
	o.options()
	changes := o.members()
	o.primary()
	o.mtu()
	o.up()
	o.follow()
	p.result.Steps = append(p.result.Steps, o.steps...)
	if w.LAG != nil && *w.LAG {
		o.lag(changes)
	}
}

func (o *one) id() resource.ID { return resource.OfBond(o.w.Name) }

// add adds a step of the bond.
func (o *one) add(attribute string, from, to step.Value, effects ...step.Effect) *step.Step {
	o.steps = append(o.steps, newStep(o.w.Name, attribute, from, to, effects...))
	return &o.steps[len(o.steps)-1]
}

// make makes and marks the bond.
func (o *one) make() {
	owner := o.w.Owner
	if owner == "" {
		owner = o.opt.Owner
	}
	if owner == "" {
		owner = step.NoOwner
	}
	switch {
	case o.h == nil:
		s := o.add(Present, step.Absent(), step.Text(present))
		if o.opt.Only != nil { // one that a rollback makes had things on it, which come back with it
			s.Effects = []step.Effect{{Kind: step.Remade, On: o.id(), For: step.Apply}}
		}
		o.add(step.AttrMark, step.Absent(), step.Text(step.AliasOf(owner)))
	case o.w.Filled:
	case o.opt.Owns(o.h.Owner) && o.h.Owner != owner:
		o.add(step.AttrMark, step.Text(o.h.Alias), step.Text(step.AliasOf(owner))).Reason = "the work of the profile " + o.h.Owner + " is taken over"
	case o.h.Alias == "" && o.opt.Owner != "" && o.opt.Only == nil && o.untouched():
		o.add(step.AttrMark, step.Absent(), step.Text(step.AliasOf(owner))).Reason = "it is as an apply leaves it that is interrupted while it makes the bond"
	}
}

// untouched tells a bond that nobody has put to use, with all the options that it
// would have been made with.
func (o *one) untouched() bool {
	h := o.h
	if o.w.Mode == nil || h.Up || len(h.Members) > 0 || h.Master != "" {
		return false
	}
	for _, a := range attributes {
		want, wanted := get(a.spec(&o.w))
		if is, _ := get(a.bond(h)); wanted && !a.member && is != want {
			return false
		}
	}
	return true
}

// takesDown is the effect of a step that takes the bond down for a moment, once.
func (o *one) takesDown() []step.Effect {
	if o.h == nil || !o.h.Up || o.down {
		return nil
	}
	o.down = true
	effects := []step.Effect{{Kind: step.Down, On: o.id(), For: step.Moment}}
	if len(o.h.Members) > 0 {
		effects = append(effects, step.Stop(o.id(), step.Moment, allTraffic(o.w.Name)))
	}
	return effects
}

// takesOut are the effects of a step that takes all members out, once.
func (o *one) takesOut() []step.Effect {
	if o.empty || len(o.was.Members) == 0 {
		return nil
	}
	o.empty = true
	var effects []step.Effect
	for _, m := range o.was.Members {
		effects = append(effects, leaves(o.w.Name, m.ID)...)
	}
	if !o.down {
		effects = append(effects, step.Stop(o.id(), step.Moment, allTraffic(o.w.Name)))
	}
	return effects
}

func (o *one) mtu() {
	if o.w.MTU == nil || o.h != nil && *o.w.MTU == o.h.MTU {
		return
	}
	from := step.Absent()
	var effects []step.Effect
	if o.h != nil {
		from = step.Text(strconv.Itoa(o.h.MTU))
		if o.h.Up && len(o.h.Members) > 0 && !o.down {
			effects = append(effects, step.Stop(o.id(), step.Moment, allTraffic(o.w.Name)))
			// drivers/net/bonding/bond_main.c, bond_change_mtu
			for _, m := range o.h.Members {
				if m.MTU != *o.w.MTU {
					effects = append(effects, step.Stop(memberID(m.ID), step.Moment, "all traffic of "+m.ID+", whose mtu follows"))
				}
			}
		}
	}
	o.add(attrMTU, from, step.Text(strconv.Itoa(*o.w.MTU)), effects...)
}

func (o *one) up() {
	if o.w.Up == nil || o.h != nil && *o.w.Up == o.h.Up {
		return
	}
	from := step.Absent()
	var effects []step.Effect
	if o.h != nil {
		from = step.Text(step.UpDown(o.h.Up))
	}
	if !*o.w.Up && o.h != nil {
		effects = []step.Effect{{Kind: step.Down, On: o.id(), For: step.ForGood}, step.Stop(o.id(), step.ForGood, allTraffic(o.w.Name))}
	}
	o.add(attrUp, from, step.Text(step.UpDown(*o.w.Up)), effects...)
}

// lag is the step that waits for the card, if there is something to wait for.
func (o *one) lag(changes bool) {
	if err := lagMode(o.w.Name, o.mode); err != nil {
		o.errs = append(o.errs, err)
		return
	}
	s := newStep(o.w.Name, attrLAG, step.Absent(), step.Text(LAGActive))
	s.Phase, s.Group = step.LAG, ""
	switch {
	case o.h == nil:
	case changes:
		s.Reason = "the card makes its LAG again when the bond changes"
		s.From = step.Unknown()
	case o.h.LAG.VF():
		return
	case o.h.LAG.State == LAGUnknown:
		s.Reason = o.h.LAG.Reason
		s.From = step.Unknown()
	case o.h.LAG.State == LAGActive:
		s.From = step.Text(LAGActive + " as " + o.h.LAG.Type)
	default:
		s.From = step.Text(o.h.LAG.State)
	}
	s.Action = step.ActionOf(s.From, s.To)
	o.result.Steps = append(o.result.Steps, s)
}

// lagModes are those of which mlx5 makes a VF LAG
// (drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_lag_check_prereq).
var lagModes = []string{activeBackup, balanceXOR, mode8023ad}

func lagMode(name, mode string) error {
	if slices.Contains(lagModes, mode) {
		return nil
	}
	return fmt.Errorf("bond %s: lag is wanted, and mode is %s: the card makes a LAG of %s only: change mode, or leave lag out", name, mode, words(lagModes, "and"))
}

// list is the value of members.
func list(ids []string) step.Value {
	if len(ids) == 0 {
		return step.Absent()
	}
	return step.Text(strings.Join(ids, ","))
}
