// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/lease"
)

// Road is one look at the host and at the journal, from which operations are
// planned.
type Road struct {
	Journal  journal.Dir
	Have     Host
	Snapshot *snapshot.Snapshot
	Boot     string // of the running kernel
	Tool     string // version of nicwright

	ops    []*journal.Operation
	leases *lease.Document
	holds  *lease.Lease // that Have is as it says, as its setting found; nil: nobody knows
	// Of tests with a model host; nil: the domains' doers, and Observe.
	does func([]step.Step) error
	sees func() Host
}

// Look observes the host, reads the journal and changes nothing.
func Look(ctx context.Context, dir journal.Dir, tool string) (*Road, error) {
	ops, err := readJournal(dir)
	if err != nil {
		return nil, err
	}
	boot, err := BootID()
	if err != nil {
		return nil, err
	}
	leases, err := lease.Dir(dir).Read()
	if err != nil {
		return nil, err
	}
	r := &Road{Journal: dir, Boot: boot, Tool: tool, ops: ops, leases: leases}
	return r, r.observe(ctx)
}

// Allowed is what the operator allows an operation beyond its profile.
type Allowed struct {
	Take    []string // resources in use that may be taken (pci/0000:3b:00.0/vf/3), or "all"
	Replace []string // profiles whose work on the same card gives way
	// Lacks is what the profile is about and the host has not got: what there is of the profile's is
	// kept, although nothing wants it now.
	Lacks []string
}

func (a Allowed) options(owner string) (step.Options, error) {
	opt := step.Options{Owner: owner, Also: a.Replace, Keep: len(a.Lacks) > 0, Take: map[resource.ID]bool{}}
	for _, t := range a.Take {
		if t == "all" {
			opt.TakeAll = true
			continue
		}
		id, err := resource.Parse(t)
		if err != nil {
			return opt, fmt.Errorf("--take: %w, as `nicwright plan` names it, or all", err)
		}
		opt.Take[id] = true
	}
	return opt, nil
}

// Apply plans to bring the host to what a profile wants of it. What an
// interrupted operation left is gone on with: what was before that one is what
// counts. Of a want that was in force before the last boot likewise: a boot takes
// the kernel's part away, and is nothing to go back to.
func (r *Road) Apply(want *profiles.Want, doc journal.Profile, a Allowed) (*Plan, error) {
	saves := *want
	saves.Net.Unsaid = nil // of a saved plan
	want = &saves
	doc.Hash = HashOf(want)
	if open := journal.OpenOne(r.ops); open != nil && open.Profile.Name != doc.Name && !slices.Contains(a.Replace, open.Profile.Name) {
		return nil, interrupted(open, "or say that "+doc.Name+" takes its place (--replace "+open.Profile.Name+")")
	}
	if err := r.othersCard(want, doc.Name, a.Replace); err != nil {
		return nil, err
	}
	opt, err := a.options(doc.Name)
	if err != nil {
		return nil, err
	}
	opt.Also = append(slices.Clone(opt.Also), r.alsoOwned(doc.Name)...)
	op := &journal.Operation{Kind: journal.Apply, Profile: doc, Touched: journal.Touched{}, Replaces: a.Replace}
	before := r.Have.want()
	if goneOn := r.goesOnFrom(doc); goneOn != nil {
		was := goneOn.Before
		if goneOn.Kind != journal.Apply {
			was = goneOn.Want // where a rollback that was interrupted was going
		}
		if err := layDocument(before, was, goneOn.Touched); err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", goneOn.ID, err)
		}
		op.Touched = op.Touched.With(goneOn.Touched)
		if goneOn.Boot != r.Boot {
			op.Touched = r.sinceBoot(op.Touched, before)
		}
		op.Stored, op.Boot = goneOn.Stored, goneOn.Boot
		if goneOn.Open() && goneOn.Kind == journal.Apply && goneOn.Profile.Hash == doc.Hash {
			op.ID, op.Begun, op.Attempts, op.Resumes = goneOn.ID, goneOn.Begun, goneOn.Attempts, goneOn.Resumes
		} else {
			op.Resumes = []string{goneOn.ID}
			op.Undoes = goneOn.Undoes // an interrupted rollback had begun to take those back
		}
	}
	return r.plan(want, before, opt, op, a)
}

// goesOnFrom is the operation whose place an apply takes, or nil.
func (r *Road) goesOnFrom(doc journal.Profile) *journal.Operation {
	if open := journal.OpenOne(r.ops); open != nil {
		return open
	}
	mine := journal.InForce(r.ops, doc.Name)
	if len(mine) == 0 {
		return nil
	}
	last := mine[len(mine)-1]
	if last.Profile.Hash == doc.Hash && last.Boot != r.Boot {
		return last
	}
	return nil
}

// Rollback plans to bring back what was before an operation: before the one that
// was interrupted, to its end if that was a rollback itself; or else before the
// last that is in force; or before the one named, and the later ones of its
// profile with it.
func (r *Road) Rollback(id string, a Allowed) (*Plan, error) {
	open := journal.OpenOne(r.ops)
	switch {
	case id != "":
		return r.rollbackTo(id, open, a)
	case open != nil && open.Kind != journal.Apply:
		return r.goOn(open, a)
	case open != nil:
		return r.back(journal.Rollback, open.Profile, []*journal.Operation{open}, a)
	}
	all := journal.InForce(r.ops, "")
	if len(all) == 0 {
		return nil, fmt.Errorf("there is nothing to roll back to: no operation in %s is in force", r.Journal)
	}
	last := all[len(all)-1]
	return r.back(journal.Rollback, last.Profile, []*journal.Operation{last}, a)
}

// TakeBack plans the next that has to be done to take an operation back that waits
// to be confirmed: what was interrupted since comes first. A nil plan says that it
// is taken back.
func (r *Road) TakeBack(id string) (*Plan, error) {
	op := journal.Find(r.ops, id)
	if op == nil || !op.Waits() {
		return nil, nil
	}
	a := Allowed{Take: op.Confirm.Take}
	if open := journal.OpenOne(r.ops); open != nil {
		return r.Rollback("", a)
	}
	return r.Rollback(id, a)
}

// Operations are those of the journal, oldest first.
func (r *Road) Operations() []*journal.Operation { return r.ops }

func (r *Road) rollbackTo(id string, open *journal.Operation, a Allowed) (*Plan, error) {
	op := journal.Find(r.ops, id)
	switch {
	case op == nil:
		return nil, fmt.Errorf("the journal %s has no operation %q, or several: `nicwright history` lists them", r.Journal, id)
	case open != nil && open.ID != op.ID:
		return nil, interrupted(open)
	case open != nil && open.Kind != journal.Apply:
		return r.goOn(open, a)
	case open != nil:
		return r.back(journal.Rollback, open.Profile, []*journal.Operation{open}, a)
	case !op.InForce():
		return nil, fmt.Errorf("operation %s (%s of %s) is not in force: it was %s", op.ID, op.Kind, op.Profile.Name, howEnded(op))
	}
	mine := journal.InForce(r.ops, op.Profile.Name)
	i := slices.IndexFunc(mine, func(o *journal.Operation) bool { return o.ID == op.ID })
	return r.back(journal.Rollback, op.Profile, mine[i:], a)
}

// interrupted refuses what another operation would be in the way of.
func interrupted(open *journal.Operation, or ...string) error {
	return fmt.Errorf("operation %s (%s of %s) was interrupted: end it first, %s%s",
		open.ID, open.Kind, open.Profile.Name, ways(open), strings.Join(append([]string{""}, or...), ", "))
}

// ways are those in which an interrupted operation is ended.
func ways(open *journal.Operation) string {
	if open.Kind != journal.Apply {
		return "with `nicwright rollback`"
	}
	return "with `nicwright apply -p " + open.Profile.Name + "` or `nicwright rollback`"
}

func howEnded(o *journal.Operation) string {
	switch {
	case o.UndoneBy != "":
		return "taken back by " + o.UndoneBy
	case o.Kind != journal.Apply:
		return "itself a " + string(o.Kind)
	}
	return string(o.Outcome)
}

// Remove plans to take a profile away: what was before the first of its
// operations in force comes back.
func (r *Road) Remove(name string, a Allowed) (*Plan, error) {
	chain := journal.InForce(r.ops, name)
	if open := journal.OpenOne(r.ops); open != nil {
		switch {
		case open.Kind == journal.Remove && open.Profile.Name == name:
			return r.goOn(open, a)
		case open.Kind != journal.Apply || open.Profile.Name != name:
			return nil, interrupted(open)
		}
		chain = append(chain, open)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("profile %q is not in force on this host, says the journal %s: `nicwright history` lists what is", name, r.Journal)
	}
	return r.back(journal.Remove, chain[len(chain)-1].Profile, chain, a)
}

// goOn resumes a rollback or remove.
func (r *Road) goOn(open *journal.Operation, a Allowed) (*Plan, error) {
	want, err := wantOf(open.Want)
	if err != nil {
		return nil, fmt.Errorf("operation %s of the journal: %w", open.ID, err)
	}
	before := r.Have.want()
	if err := layDocument(before, open.Before, open.Touched); err != nil {
		return nil, fmt.Errorf("operation %s of the journal: %w", open.ID, err)
	}
	op := *open
	return r.planBack(want, before, &op, a)
}

// back plans to what was before a chain of operations, oldest first.
func (r *Road) back(kind journal.Kind, profile journal.Profile, chain []*journal.Operation, a Allowed) (*Plan, error) {
	if err := r.leavesLeases(kind, profile.Name, chain, a); err != nil {
		return nil, err
	}
	op := &journal.Operation{Kind: kind, Profile: profile, Touched: journal.Touched{}}
	want := &profiles.Want{}
	for _, o := range slices.Backward(chain) { // what was before the first counts
		if err := layDocument(want, o.Before, o.Touched); err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		op.Touched = op.Touched.With(o.Touched)
		made, err := wantOf(o.Want)
		if err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		if want.Net.Unsaid, err = unsaidBy(o, made, want.Net.Unsaid); err != nil {
			return nil, err
		}
		for uplink, bond := range moves(made) {
			want.Net = want.Net.TakeBack(uplink, bond)
		}
		if o.Open() {
			op.Resumes = append(op.Resumes, o.ID)
		} else {
			op.Undoes = append(op.Undoes, o.ID)
		}
	}
	want.Profile = string(kind) + " of " + profile.Name
	left := r.dropVanished(want, op.Touched)
	before := r.Have.want()
	lay(want, before, op.Touched) // of what an interrupted operation took away, that is before
	plan, err := r.planBack(want, before, op, a)
	if err != nil {
		return nil, err
	}
	plan.Left = append(left, plan.Left...)
	return plan, nil
}

func (r *Road) planBack(want, before *profiles.Want, op *journal.Operation, a Allowed) (*Plan, error) {
	opt, err := a.options(op.Profile.Name)
	if err != nil {
		return nil, err
	}
	opt.Also = append(slices.Clone(opt.Also), r.alsoOwned(op.Profile.Name)...)
	opt.Only = func(id resource.ID) bool { return made(op.Touched, id) }
	opt.Touched = op.Touched.Has
	return r.plan(want, before, opt, op, a)
}

// plan makes the plan and the operation that will be written for it.
func (r *Road) plan(want, before *profiles.Want, opt step.Options, op *journal.Operation, a Allowed) (_ *Plan, err error) {
	if op.Kind == journal.Apply {
		if opt.Made, err = r.putThere(op.Profile.Name); err != nil {
			return nil, err
		}
		if want, err = r.unsay(want, op.Profile.Name, opt); err != nil {
			return nil, err
		}
	}
	full, told := before, r.told(want, op)
	before = told(full)
	if op.Kind != journal.Apply {
		want = told(want)
	}
	if open := journal.OpenOne(r.ops); open != nil && open.Boot == r.Boot {
		before.Net.Again = open.Touched
	}
	leases := r.kept(opt)
	result, filled, err := steps(r.Have, lease.Over(want, leases), before, opt)
	if err != nil {
		return nil, err
	}
	op.Touched = op.Touched.With(touches(result.Steps))
	kept := clone(full)
	for _, d := range domains() {
		d.keep(kept, op.Touched.Has)
	}
	if op.Want, err = document(want); err != nil {
		return nil, err
	}
	if op.Before, err = document(kept); err != nil {
		return nil, err
	}
	if op.Boot != r.Boot {
		op.Stored = nil // the cards have been reset since
	}
	op.Stored = append(slices.Clip(op.Stored), stored(result.Steps)...)
	op.Boot, op.Tool = r.Boot, r.Tool
	// After the last step the rest of the host may have become another: it is nobody's here.
	after := *before
	after.Net = kept.Net
	return &Plan{
		Version: planVersion, Made: time.Now().UTC().Truncate(time.Second), Kind: op.Kind, Profile: op.Profile, Want: want,
		Take: a.Take, Replace: a.Replace, Steps: result.Steps, Left: result.Left, Summary: summary(r.Have, result.Steps),
		before: &after, filled: filled, opt: opt, leases: leases, op: op, ops: r.ops,
	}, nil
}

// Saved plans anew what a saved plan wanted; a *StalePlanError tells that it comes
// out otherwise now.
func (r *Road) Saved(saved *Plan) (*Plan, error) {
	now, err := r.Apply(saved.Want, saved.Profile, Allowed{Take: saved.Take, Replace: saved.Replace})
	if err != nil {
		return nil, err
	}
	return now, saved.holds(now)
}
