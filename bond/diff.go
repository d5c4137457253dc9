// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// Attributes of a bond's steps.
const (
	attrBond    = "bond" // its being there
	attrMark    = "mark"
	attrMode    = "mode"
	attrHash    = "xmit_hash_policy"
	attrRate    = "lacp_rate"
	attrMiimon  = "miimon"
	attrMTU     = "mtu"
	attrMembers = "members" // IDs with commas between
	attrUp      = "up"
	attrLAG     = "lag"
)

const (
	domain         = "bond"
	resourcePrefix = "bond/"
	present        = "present"
)

// Diff lists the steps from have to want. Bonds that carry Mark and are not in
// want are deleted; other bonds that want does not name are left alone.
func Diff(have []State, want []Spec, replaced step.Replaced) ([]step.Step, error) {
	var steps []step.Step
	named := map[string]bool{}
	for _, w := range want {
		if named[w.Name] {
			return nil, fmt.Errorf("bond %s is wanted twice: give each bond a name of its own", w.Name)
		}
		named[w.Name] = true
	}
	// Deletions first: a member may go on to another bond.
	for _, h := range have {
		if h.Ours && !named[h.Name] {
			s := newStep(h.Name, attrBond, present, "")
			s.Disrupts = "all traffic over " + h.Name
			s.Reason = "it was made by nicwright and is not wanted any more"
			steps = append(steps, s)
		}
	}
	for _, w := range want {
		var h *State
		if i := slices.IndexFunc(have, func(s State) bool { return s.Name == w.Name }); i >= 0 {
			h = &have[i]
		}
		steps = append(steps, diffOne(h, w, replaced)...)
	}
	return steps, nil
}

func newStep(bond, attribute, from, to string) step.Step {
	return step.Step{
		Phase: step.Bond, Domain: domain,
		// One device for all bonds: a member that moves from one to another is not to be raced for.
		Device: domain, Group: resourcePrefix + bond, Resource: resourcePrefix + bond,
		Attribute: attribute, From: from, To: to,
	}
}

func diffOne(h *State, w Spec, replaced step.Replaced) []step.Step {
	mode := "balance-rr" // the kernel's own choice for a new bond
	if h != nil {
		mode = h.Mode
	}
	if w.Mode != nil {
		mode = *w.Mode
	}
	if mode != mode8023ad {
		w.LACPRate = nil // no other mode has one; a profile that says otherwise fails in Validate
	}
	var steps []step.Step
	add := func(attribute, from, to string) *step.Step {
		steps = append(steps, newStep(w.Name, attribute, from, to))
		return &steps[len(steps)-1]
	}
	was := State{Name: w.Name}
	if h == nil {
		add(attrBond, "", present)
	} else {
		was = *h
		if !h.Ours && !h.Up && len(h.Members) == 0 {
			add(attrMark, "", Mark).Reason = "an empty bond that is down and not marked: what an interrupted apply leaves"
		}
	}
	modeChanges := w.Mode != nil && *w.Mode != was.Mode
	if modeChanges {
		s := add(attrMode, was.Mode, *w.Mode)
		if len(was.Members) > 0 {
			s.Disrupts = "all traffic over " + w.Name
			s.Reason = "the mode cannot change while the bond has members: they are released first"
		}
	}
	if w.XmitHashPolicy != nil && *w.XmitHashPolicy != was.XmitHashPolicy {
		add(attrHash, was.XmitHashPolicy, *w.XmitHashPolicy)
	}
	if w.LACPRate != nil && *w.LACPRate != was.LACPRate {
		s := add(attrRate, was.LACPRate, *w.LACPRate)
		if was.Up && len(was.Members) > 0 {
			s.Disrupts = "all traffic over " + w.Name + " for a moment"
			s.Reason = "lacp_rate can only change while the bond is down"
		}
	}
	number := func(attribute string, was int, want *int) {
		from := ""
		if h != nil {
			from = strconv.Itoa(was)
		}
		if want != nil && (h == nil || *want != was) {
			add(attribute, from, strconv.Itoa(*want))
		}
	}
	number(attrMiimon, was.Miimon, w.Miimon)
	membersChange := diffMembers(was, w, modeChanges, replaced, add)
	number(attrMTU, was.MTU, w.MTU)
	if w.Up != nil && *w.Up != was.Up {
		from := upDown(was.Up)
		if h == nil {
			from = ""
		}
		s := add(attrUp, from, upDown(*w.Up))
		if !*w.Up && h != nil {
			s.Disrupts = "all traffic over " + w.Name
		}
	}
	if w.LAG != nil && *w.LAG {
		if s, ok := diffLAG(h, w, modeChanges || membersChange); ok {
			steps = append(steps, s)
		}
	}
	return steps
}

// diffMembers adds the step for the members, if they change or have to be put in
// again, and tells whether it did.
func diffMembers(was State, w Spec, modeChanges bool, replaced step.Replaced, add func(a, from, to string) *step.Step) bool {
	have := was.memberIDs()
	want := have
	if w.Members != nil {
		want = slices.Sorted(slices.Values(w.Members))
	}
	reason := ""
	if modeChanges && len(have) > 0 {
		reason = "they are released for the change of the mode"
	}
	for _, id := range want {
		if replaced[pci.PF(pci.Address(id)).String()] {
			reason = "the netdev of " + id + " is made again"
		}
	}
	if slices.Equal(have, want) && (reason == "" || len(want) == 0) {
		return false
	}
	s := add(attrMembers, strings.Join(have, ","), strings.Join(want, ","))
	s.Reason = reason
	return true
}

// diffLAG is the step that waits for the card, if there is something to wait for.
func diffLAG(h *State, w Spec, changes bool) (step.Step, bool) {
	s := newStep(w.Name, attrLAG, "", LAGActive)
	s.Phase, s.Group = step.LAG, ""
	switch {
	case h == nil:
	case changes:
		s.Reason = "the card makes its LAG again when the bond changes"
	case h.LAG.VF():
		return step.Step{}, false
	case h.LAG.State == LAGUnknown:
		s.Reason = h.LAG.Reason
	case h.LAG.State == LAGActive:
		s.From = LAGActive + " as " + h.LAG.Type
	default:
		s.From = h.LAG.State
	}
	return s, true
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}
