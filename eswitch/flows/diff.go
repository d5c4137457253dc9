// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// attrActions is the attribute of a rule: "drop owner host1".
const attrActions = "actions"

const (
	wordOwner = " owner "
	notWanted = "it was made by nicwright and is not wanted any more"
)

// Diff lists the steps from have to want, after steps with the effects. Rules with the operation's own cookie that are not
// wanted are taken away; those of others never are, nor are they changed.
func Diff(have State, want []Spec, effects step.Effects, opt step.Options) (step.Result, error) {
	p := planner{have: have, effects: effects, opt: opt}
	is := map[resource.ID]Spec{}
	for _, r := range have.Rules {
		is[r.ID()] = r
	}
	wanted := map[resource.ID]bool{}
	want = slices.Clone(want)
	slices.SortStableFunc(want, compare)
	for _, w := range want {
		if wanted[w.ID()] {
			return step.Result{}, fmt.Errorf("bridge %s: two rules are %s: give them different priorities, or make one of them", w.Bridge, which(w.Table, w.Priority, w.Match))
		}
		wanted[w.ID()] = true
	}
	for _, r := range have.Rules {
		if !wanted[r.ID()] {
			p.old(r)
		}
	}
	for _, w := range want {
		r, there := is[w.ID()]
		p.rule(r, there, w)
	}
	// One act a bridge.
	slices.SortStableFunc(p.result.Steps, func(a, b step.Step) int { return strings.Compare(a.Resource.Name, b.Resource.Name) })
	return p.result, errors.Join(p.errs...)
}

type planner struct {
	have    State
	effects step.Effects
	opt     step.Options
	result  step.Result
	errs    []error
}

func (p *planner) fail(w Spec, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("bridge %s, rule %s: %w", w.Bridge, which(w.Table, w.Priority, w.Match), fmt.Errorf(format, args...)))
}

// add makes a step, after those that put ports on the switch and as one act a bridge.
func (p *planner) add(id resource.ID, from, to step.Value) *step.Step {
	p.result.Steps = append(p.result.Steps, step.Step{
		Phase: step.Switch, Domain: Domain, Device: ovs.Domain, Group: Domain + " " + id.Name,
		Resource: id, Attribute: attrActions, Action: step.ActionOf(from, to), From: from, To: to,
	})
	return &p.result.Steps[len(p.result.Steps)-1]
}

// owner is the name behind a cookie, as far as the operation knows it, else the cookie.
func (p *planner) owner(c Cookie) string {
	for _, name := range append([]string{p.opt.Owner}, p.opt.Also...) {
		if name != "" && Cookie(openflow.Cookie(name)) == c {
			return name
		}
	}
	return c.String()
}

func (p *planner) text(actions string, c Cookie) step.Value {
	return step.Text(actions + wordOwner + p.owner(c))
}

// old takes away what is not wanted any more. With its bridge it goes by itself.
func (p *planner) old(r Spec) {
	owner := p.owner(r.Cookie)
	// One whose port is gone would be the next port's that gets the number.
	lost := r.Lost && p.opt.Owns(owner) && !p.opt.Keep
	if !lost && !p.opt.Deletes(r.ID(), owner) || p.effects.On(resource.OfLink(r.Bridge), step.Gone) {
		return
	}
	s := p.add(r.ID(), p.text(r.Actions, r.Cookie), step.Absent())
	if s.Reason = notWanted; lost {
		s.Reason = "a port of it is gone, and another one may get its number"
	}
}

// rule is the plan of one that is wanted.
func (p *planner) rule(r Spec, there bool, w Spec) {
	cookie := Cookie(openflow.Cookie(step.OrNoOwner(p.opt.Owner)))
	if w.Exact {
		cookie = w.Cookie
	}
	if why, unread := p.have.Unread[w.Bridge]; unread {
		p.fail(w, "nobody knows whether it is there: %s", why)
		return
	}
	others, taken := p.have.Others[w.ID()]
	from := step.Absent()
	switch {
	case !there && taken:
		p.fail(w, "there is one that nicwright did not make (cookie %s), and it would be replaced: give the rule another priority, or take that one away (ovs-ofctl --strict del-flows %s)", others, w.Bridge)
		return
	case !there:
	case r.Cookie == cookie && r.Actions == w.Actions:
		return
	case !w.Exact && r.Cookie != cookie && !p.opt.Owns(p.owner(r.Cookie)):
		p.fail(w, "there is one of another profile of nicwright (cookie %s): give the rule another priority, or take that profile away (nicwright remove)", r.Cookie)
		return
	default:
		from = p.text(r.Actions, r.Cookie)
	}
	s := p.add(w.ID(), from, p.text(w.Actions, cookie))
	if !there || r.Actions != w.Actions {
		s.Effects = stops(w)
	}
}

// stops says whose frames a rule takes that the bridge forwarded: of all those that it does not hand to NORMAL, nobody
// knows better.
func stops(w Spec) []step.Effect {
	if slices.Contains(strings.Split(w.Actions, ","), "NORMAL") {
		return nil
	}
	what := "frames of the rule, which go where it says alone"
	if w.Actions == "drop" {
		what = "frames of the rule, which are dropped"
	}
	return []step.Effect{step.Stop(resource.OfBridge(w.Bridge), step.ForGood, what)}
}
