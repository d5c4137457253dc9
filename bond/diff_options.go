// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/step"
)

// options adds the steps of the options in the table, but for those that are a
// member.
func (o *one) options() {
	miimon := o.monitor()
	if err := delays(o.w, miimon); err != nil {
		o.errs = append(o.errs, err)
	}
	for _, a := range attributes {
		if a.member || !a.in(o.mode) {
			continue // of another mode the profile's Validate has said it
		}
		is, there := "", false
		if o.h != nil {
			is, there = a.of(*o.h)
		}
		to, wanted := get(a.spec(&o.w))
		reason := ""
		switch {
		case a.perMiimon && miimon == 0: // there are no delays without link checks (EPERM)
			continue
		case a.perMiimon && o.h != nil && miimon != o.h.Miimon:
			to, reason = o.delay(a, miimon)
			if to == "" {
				continue
			}
		case a.name == attrMiimon && !wanted && o.h != nil && miimon != o.h.Miimon:
			to, reason = strconv.Itoa(miimon), "the kernel sets it with the mode, which needs link checks"
		case !wanted || there && to == is:
			continue
		}
		from := step.Absent()
		if there {
			from = step.Text(is)
		}
		if s := o.option(a, from, to); s.Reason == "" {
			s.Reason = reason
		}
	}
	if o.h != nil && o.h.ARPInterval > 0 && miimon != o.h.Miimon {
		o.result.Left = append(o.result.Left, step.Left{
			Resource: o.id(), Attribute: "arp_interval",
			Reason: "link checks take the place of ARP's, of every " + strconv.Itoa(o.h.ARPInterval) + " ms, and nicwright does not bring those back: note /sys/class/net/" + o.w.Name + "/bonding/arp_* if they are wanted later",
		})
	}
}

// monitor is miimon after the plan, in milliseconds.
func (o *one) monitor() int {
	if o.w.Miimon != nil {
		return *o.w.Miimon
	}
	arp := !slices.Contains([]string{mode8023ad, balanceTLB, balanceALB}, o.mode) // bond_mode_uses_arp
	if o.was.Miimon == 0 && !arp && (o.h == nil || o.mode != o.was.Mode) {
		return defaultMiimon
	}
	return o.was.Miimon
}

// delay is what a delay is to be when miimon changes, "" for nothing to do: the
// kernel keeps how many times miimon it was.
func (o *one) delay(a attribute, miimon int) (to, reason string) {
	is, _ := a.of(*o.h)
	to, wanted := get(a.spec(&o.w))
	switch {
	case wanted && (to != "0" || is != "0" || o.h.Miimon == 0):
		return to, "the kernel counts it in miimon, which changes"
	case !wanted && atoi(is) != 0:
		ms := atoi(is)
		return strconv.Itoa(ms - ms%miimon), "the kernel counts it in miimon, which changes"
	}
	return "", ""
}

// option adds the step of one option, with what it does to the bond.
func (o *one) option(a attribute, from step.Value, to string) *step.Step {
	var effects []step.Effect
	if a.down {
		effects = o.takesDown()
	}
	if a.empty {
		effects = append(effects, o.takesOut()...)
	}
	s := o.add(a.name, from, step.Text(to), effects...)
	if to == from.Str() && !from.IsAbsent() {
		s.Action = step.Replace
	}
	switch {
	case a.empty && len(o.was.Members) > 0:
		s.Reason = a.name + " cannot change while the bond has members: they are released first"
	case a.down && len(effects) > 0:
		s.Reason = a.name + " can only change while the bond is down"
	}
	return s
}

// primary adds the step of the primary member, which has to be there first.
func (o *one) primary() {
	a := find(attrPrimary)
	if !a.in(o.mode) {
		return
	}
	is, _ := a.of(o.was)
	to, wanted := get(a.spec(&o.w))
	again := ""
	if !wanted {
		to = is
		if !slices.Contains(o.wanted(), is) {
			return // it leaves, and with it the kernel forgets it
		}
	}
	if to != "" && o.joins(to) {
		again = "the member goes into the bond again"
	}
	if to == is && (again == "" || o.h == nil) {
		return
	}
	value := func(id string) step.Value {
		if id == "" {
			return step.Absent()
		}
		return step.Text(id)
	}
	s := o.add(attrPrimary, value(is), value(to))
	if to == is {
		s.Action, s.Reason = step.Replace, again
	}
}
