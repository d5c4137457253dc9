// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

// Plan is the steps from a host as it was observed to what a profile wants, in
// the order in which they are done. It is data: it prints, it saves, and it is
// applied only while the same want on the host as it is gives the same steps.
type Plan struct {
	Version int            `json:"version"` // 1
	Made    time.Time      `json:"made"`
	Want    *profiles.Want `json:"want"`
	Steps   []step.Step    `json:"steps"`
}

// NewPlan makes the plan from have to want. before is the host before an
// unfinished apply touched it, else nil: what want leaves alone becomes again
// what it was then.
func NewPlan(have Host, want *profiles.Want, before *Host) (*Plan, error) {
	if before == nil {
		before = &have
	}
	w := filled(want, *before)
	for a := range w.Ports {
		if have.port(a) == nil {
			return nil, fmt.Errorf("planning for %s: no such card is on this host: run `nicwright show` to see what is", pci.PF(a))
		}
	}
	steps, replaced, err := eswitch.Diff(have.Cards, w.Ports)
	if err != nil {
		return nil, err
	}
	fillReplaced(w, *before, replaced)
	more, err := bond.Diff(have.Bonds, w.Bonds, replaced)
	if err != nil {
		return nil, err
	}
	steps = append(steps, more...)
	if more, err = ovs.Diff(have.Switch, w.OVS, replaced); err != nil {
		return nil, err
	}
	steps = append(steps, more...)
	if more, err = crypto.Diff(functions(have.Offload), w.Offload, replaced); err != nil {
		return nil, err
	}
	steps = append(steps, more...)
	detachFirst(steps)
	sortSteps(steps)
	return &Plan{Version: 1, Made: time.Now().UTC().Truncate(time.Second), Want: want, Steps: steps}, nil
}

// detachFirst moves what takes the switch and the bond away before the steps of
// an eswitch that leaves switchdev: the driver answers EBUSY to a change of mode
// while TC flows are in the card.
func detachFirst(steps []step.Step) {
	leaves := slices.ContainsFunc(steps, func(s step.Step) bool { return s.Phase == step.Eswitch && s.From == "switchdev" })
	for i := range steps {
		s := &steps[i]
		if leaves && s.To == "" && (s.Phase == step.Switch || s.Phase == step.Bond) {
			s.Phase = step.Quiesce
			s.Device, s.Group = "", "detach "+s.Domain
		}
	}
}

// fillReplaced adds the offload switches of VFs whose netdevs are made again: a
// new netdev starts from the driver's defaults. A PF's are left to the driver,
// for what they can be changes with the eswitch mode (FACTS.md 0.1).
func fillReplaced(w *profiles.Want, before Host, replaced step.Replaced) {
	offload := map[pci.Function]crypto.Spec{}
	for f, spec := range w.Offload {
		offload[f] = spec
	}
	for f, state := range functions(before.Offload) {
		if !f.IsVF() || !replaced[f.String()] || w.Ports[f.PF].VFs == nil || f.VF >= *w.Ports[f.PF].VFs {
			continue
		}
		spec := offload[f]
		fillUnset(&spec, state.Spec())
		offload[f] = spec
	}
	w.Offload = offload
}

// functions is a map of what was observed, by function in place of its name.
func functions(m map[string]crypto.State) map[pci.Function]crypto.State {
	out := make(map[pci.Function]crypto.State, len(m))
	for name, s := range m {
		if f, err := pci.ParseFunction(name); err == nil {
			out[f] = s
		}
	}
	return out
}

// Save writes the plan to a file, mode 0600, to be read by LoadPlan.
func (p *Plan) Save(path string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the plan: %w", err)
	}
	if err := renameio.WriteFile(path, append(b, '\n'), 0o600); err != nil {
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
	p, err := decodeState[Plan](b)
	if err != nil {
		return nil, err
	}
	if p.Want == nil {
		return nil, fmt.Errorf("it does not say what is wanted")
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
	if slices.Equal(p.Steps, now.Steps) {
		return nil
	}
	e := &StalePlanError{}
	for _, s := range p.Steps {
		if !slices.Contains(now.Steps, s) {
			e.Gone = append(e.Gone, s)
		}
	}
	for _, s := range now.Steps {
		if !slices.Contains(p.Steps, s) {
			e.New = append(e.New, s)
		}
	}
	return e
}
