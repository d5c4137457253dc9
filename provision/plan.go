// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/lease"
)

// planVersion is the version of a saved plan.
const planVersion = 2

// Plan is the steps from a host as it was observed to what is wanted, in the
// order in which they are done. It is data: it prints, it saves, and it is applied
// only while the same want on the host as it is gives the same steps.
type Plan struct {
	Version int             `json:"version"`
	Made    time.Time       `json:"made"`
	Kind    journal.Kind    `json:"kind"`
	Profile journal.Profile `json:"profile"`
	// Want is what was asked for, without what the plan adds to bring back what it takes away.
	Want *profiles.Want `json:"want"`
	// Take and Replace are what the operator allowed: see step.Options.
	Take    []string `json:"take,omitempty"`
	Replace []string `json:"replace,omitempty"`

	Steps []step.Step `json:"steps"`
	// Left is what is wanted and stays as it is.
	Left []step.Left `json:"left,omitempty"`
	// Summary says in words what the steps do to what is in use.
	Summary []string `json:"summary,omitempty"`

	left   map[resource.ID]bool // by Leave: what stays as it is
	before *profiles.Want       // what there is, or was before what this goes on from, of what it touches
	filled *profiles.Want       // Want, and what was before of what that leaves alone
	opt    step.Options         // as given to the domains
	leases []*lease.Lease       // that are laid over Want
	op     *journal.Operation   // as it will be written
	ops    []*journal.Operation // the journal as it was read
}

// steps makes the plan's steps: every domain plans from have to want and sees the
// effects of those before it. What want leaves alone, and a step takes away on the
// road, becomes again what it was before: filled is want with that.
func steps(have Host, want, before *profiles.Want, opt step.Options) (all step.Result, filled *profiles.Want, err error) {
	for a := range want.Ports {
		if have.Port(a) == nil {
			return all, nil, fmt.Errorf("planning for %s: no such card is on this host: run `nicwright show` to see what is", pci.PF(a))
		}
	}
	w := clone(want)
	if w.OVS == nil {
		w.OVS = &ovs.Spec{} // as with bonds: what is the operation's own and not wanted any more goes
	}
	follow(have, before, w, opt)
	have = have.without(w.Net.Unsaid)
	under := withoutMACs(before, want)
	var errs []error
	for _, d := range domains() {
		effects := step.EffectsOf(all.Steps)
		if d.name() == hostnet.Domain && opt.Only != nil {
			effects = append(effects, switchMakes(have, w)...)
		}
		d.lay(w, under, effects)
		if d.name() == tuning.Domain { // before hostnet plans what it carries
			w.Net.Told = tuning.Told(w.Tuning)
			for _, v := range w.VLANs {
				w.Net.Told[resource.OfLink(v.Name)] = v.Told()
			}
		}
		r, err := d.diff(&have, w, effects, opt)
		errs = append(errs, err) // all that is wrong is told at once
		all.Steps, all.Left = append(all.Steps, r.Steps...), append(all.Left, r.Left...)
	}
	sortSteps(all.Steps)
	return all, w, errors.Join(errs...)
}

// switchMakes are the effects of bridges of Open vSwitch that a rollback makes again: what was on
// their own netdevs comes back with them, and hostnet plans before the switch does.
func switchMakes(have Host, w *profiles.Want) (effects step.Effects) {
	there := map[string]bool{}
	if have.Switch != nil {
		for _, b := range have.Switch.Bridges {
			there[b.Name] = true
		}
	}
	if w.OVS != nil {
		for _, b := range w.OVS.Bridges {
			if !there[b.Name] && !b.IfThere {
				effects = append(effects, step.Effect{Kind: step.Remade, On: resource.OfLink(b.Name), For: step.Apply})
			}
		}
	}
	return effects
}

// withoutMACs is what was before without the MAC addresses of the netdevs of VFs that want
// gives others than they had: a netdev that is made again has that of its VF.
func withoutMACs(before, want *profiles.Want) *profiles.Want {
	c := *before
	c.Net.Netdevs = maps.Clone(before.Net.Netdevs)
	for pf, port := range want.Ports {
		for vf, f := range port.Functions {
			was := before.Ports[pf].Functions[vf].MAC
			id := resource.OfNetdev(pci.VF(pf, vf))
			n, there := c.Net.Netdevs[id]
			if f.MAC == nil || was == nil || *f.MAC == *was || !there {
				continue
			}
			n.Settings = maps.Clone(n.Settings)
			delete(n.Settings, hostnet.AttrMAC)
			c.Net.Netdevs[id] = n
		}
	}
	return &c
}

// sortSteps puts steps in the order of the phases and, within a phase, of the
// domains. What is taken off first was put on last: in quiesce their order is the
// other way round.
func sortSteps(steps []step.Step) {
	rank := map[string]int{}
	for i, d := range domains() {
		rank[d.name()] = i
	}
	slices.SortStableFunc(steps, func(a, b step.Step) int {
		if a.Phase != b.Phase {
			return int(a.Phase) - int(b.Phase)
		}
		if a.Phase == step.Quiesce {
			return rank[b.Domain] - rank[a.Domain]
		}
		return rank[a.Domain] - rank[b.Domain]
	})
}

// summary is the plan in words.
func summary(have Host, steps []step.Step) []string {
	return hostnet.Summary(step.EffectsOf(steps), have.Net)
}

// Title is the operation in words.
func (p *Plan) Title() string {
	switch p.Kind {
	case journal.Rollback:
		return "rollback of " + p.Profile.Name
	case journal.Remove:
		return "removal of " + p.Profile.Name
	}
	return p.Profile.Name
}

// Confirm makes the operation one that goes back unless it is confirmed, and gives
// whether there is anything to go back from.
func (p *Plan) Confirm(c journal.Confirm) bool {
	if len(p.Steps) == 0 && p.op.ID == "" && len(p.op.Resumes) == 0 {
		return false
	}
	c.Take = append(slices.Clone(c.Take), p.Take...)
	p.op.Confirm = &c
	return true
}

// Partly tells a plan of what the host has: it lacks something that the profile is about.
func (p *Plan) Partly() bool { return p.opt.Keep }

// Operation is what the journal has, or will have, of the plan.
func (p *Plan) Operation() journal.Operation { return *p.op }

// Save writes the plan to a file, mode 0600, to be read by LoadPlan.
func (p *Plan) Save(path string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the plan: %w", err)
	}
	if err := renameio.WriteFile(path, append(b, '\n'), 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("saving the plan to %s: %w", path, err)
	}
	return nil
}

// LoadPlan reads what Save wrote.
func LoadPlan(path string) (*Plan, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	p, err := decodePlan(b)
	if err != nil {
		return nil, fmt.Errorf("reading the plan %s: %w; make it with `nicwright plan -o FILE`", path, err)
	}
	return p, nil
}

func decodePlan(b []byte) (*Plan, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not a plan of nicwright: %w", err)
	}
	if head.Version != planVersion {
		return nil, fmt.Errorf("its version is %d, this nicwright reads version %d", head.Version, planVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	p := new(Plan)
	if err := dec.Decode(p); err != nil {
		return nil, fmt.Errorf("not a plan of nicwright: %w", err)
	}
	if dec.More() {
		return nil, errors.New("more follows the plan")
	}
	if p.Want == nil || p.Kind != journal.Apply {
		return nil, errors.New("it does not say what is wanted")
	}
	return p, nil
}

// StalePlanError says that a saved plan no longer leads from the host as it is
// to what was wanted.
type StalePlanError struct {
	Gone []step.Step // planned, and no longer needed or not like this
	New  []step.Step // needed now, and not planned
}

func (e *StalePlanError) Error() string {
	var b strings.Builder
	b.WriteString("the host has changed since the plan was made: plan again")
	for _, s := range e.Gone {
		fmt.Fprintf(&b, "\n  planned, no longer so: %s", s)
	}
	for _, s := range e.New {
		fmt.Fprintf(&b, "\n  not planned: %s", s)
	}
	return b.String()
}

// holds compares a saved plan with one made now; a *StalePlanError tells the
// difference.
func (p *Plan) holds(now *Plan) error {
	if slices.EqualFunc(p.Steps, now.Steps, step.Step.Equal) {
		return nil
	}
	missing := func(from, in []step.Step) (out []step.Step) {
		for _, s := range from {
			if !slices.ContainsFunc(in, s.Equal) {
				out = append(out, s)
			}
		}
		return out
	}
	return &StalePlanError{Gone: missing(p.Steps, now.Steps), New: missing(now.Steps, p.Steps)}
}
