// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/lease"
	"github.com/nicwright/nicwright/provision/report"
)

// A lease is a small operation beside those of the journal: it sets one VF, its
// representor and its port of the switch to what its network says, by the steps and
// doers of every operation, and is written down before it begins and when it has come
// to its end. What is in force of a profile has the leases laid over it (lease.Over),
// so that apply, watch and verify hold the host against both.

// observe looks at the host; leased VFs are in use.
func (r *Road) observe(ctx context.Context) (err error) {
	r.holds = nil
	if r.sees != nil {
		r.Have = r.sees()
		r.mark()
		return nil
	}
	if r.Have, r.Snapshot, err = Observe(ctx); err != nil {
		return err
	}
	r.mark()
	return nil
}

// observeAfter looks at the host after steps of a lease: at all that they can have
// changed, and who has a VF; not again at what no step of a lease can change.
func (r *Road) observeAfter(ctx context.Context) (err error) {
	if r.sees != nil || r.Snapshot == nil {
		return r.observe(ctx)
	}
	r.holds = nil
	s, err := snapshot.Again(ctx, r.Snapshot)
	if err != nil {
		return err
	}
	r.Have, r.Snapshot = HostOf(s), s
	r.mark()
	return nil
}

func (r *Road) mark() {
	for _, l := range r.leases.Leases {
		if p := r.Have.Port(l.VF.PF); p != nil && l.VF.VF < len(p.VFs) {
			vf := &p.VFs[l.VF.VF]
			vf.Uses = append(vf.Uses, eswitch.Use{Kind: eswitch.Leased, By: l.Who()})
		}
	}
}

// kept are the leases that an operation leaves as they are: all but those that the
// operator lets be taken.
func (r *Road) kept(opt step.Options) (all []*lease.Lease) {
	if r.leases == nil {
		return nil
	}
	for _, l := range r.leases.Leases {
		if !opt.Takes(resource.OfFunction(l.VF)) {
			all = append(all, l)
		}
	}
	return all
}

// leavesLeases refuses to take a profile away whose networks have leases.
func (r *Road) leavesLeases(kind journal.Kind, profile string, chain []*journal.Operation, a Allowed) error {
	if kind == journal.Rollback && len(journal.InForce(r.ops, profile)) > len(slices.DeleteFunc(slices.Clone(chain), (*journal.Operation).Open)) {
		return nil // an earlier one stays in force
	}
	opt, err := a.options(profile)
	if err != nil {
		return err
	}
	var names []string
	for _, l := range r.kept(opt) {
		if l.Profile == profile {
			names = append(names, l.Who())
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("VFs of profile %s are leased (%s), and nothing of it would be left for them: release them first (nicwright vf release NAME), or say --take all", profile, strings.Join(names, ", "))
}

// inForceOf is what the last operation in force of a profile wants, nil for none.
func (r *Road) inForceOf(profile string) (*profiles.Want, error) {
	all := journal.InForce(r.ops, profile)
	if len(all) == 0 {
		return nil, nil
	}
	last := all[len(all)-1]
	w, err := wantOf(last.Want)
	if err != nil {
		return nil, fmt.Errorf("operation %s of the journal: %w", last.ID, err)
	}
	return w, nil
}

// network finds the network of that name in what is in force; profile may say of which.
func (r *Road) network(name, profile string) (*profiles.Want, profiles.Network, error) {
	var found []*profiles.Want
	var network profiles.Network
	var others []string
	seen := map[string]bool{}
	for _, o := range slices.Backward(journal.InForce(r.ops, profile)) {
		if seen[o.Profile.Name] {
			continue
		}
		seen[o.Profile.Name] = true
		w, err := wantOf(o.Want)
		if err != nil {
			return nil, network, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		w.Profile = o.Profile.Name
		for _, n := range w.Networks {
			if n.Name == name {
				found, network = append(found, w), n
			} else {
				others = append(others, n.Name)
			}
		}
	}
	switch {
	case len(found) == 1:
		return found[0], network, nil
	case len(found) > 1:
		return nil, network, fmt.Errorf("several profiles in force have a network %s (%s and %s): say which with -p", name, found[0].Profile, found[1].Profile)
	case len(seen) == 0:
		return nil, network, fmt.Errorf("no profile is in force here, says the journal %s, and so there is no network %s: write it into `networks:` of a profile and apply that", r.Journal, name)
	case len(others) == 0:
		others = []string{"none"}
	}
	slices.Sort(others)
	return nil, network, fmt.Errorf("what is in force has no network %s (it has: %s): write it into `networks:` of the profile and apply that", name, strings.Join(others, ", "))
}

// plans are the steps that bring one VF to what a want says of it.
func (r *Road) plans(vf pci.Function, want *profiles.Want, opt step.Options) ([]step.Step, *profiles.Want, error) {
	before := r.told(want, &journal.Operation{Kind: journal.Apply})(r.Have.want())
	result, filled, err := steps(r.Have, want, before, opt)
	if err != nil {
		return nil, nil, err
	}
	if n := slices.IndexFunc(result.Left, func(l step.Left) bool { return leavesVF(l.Resource, vf) }); n >= 0 {
		return nil, nil, fmt.Errorf("%s: %s", result.Left[n].Resource, result.Left[n].Reason)
	}
	return result.Steps, filled, nil
}

// leavesVF tells whether it is the VF, its netdevs or its port of the switch.
func leavesVF(id resource.ID, vf pci.Function) bool {
	return lease.IsPort(id, vf) || id.Function == vf && id.Kind != resource.SwitchPort && id.Kind != resource.BridgePort
}

// reach does steps, looks again, and fails where some are left.
func (r *Road) reach(ctx context.Context, vf pci.Function, want *profiles.Want, opt step.Options, all []step.Step, filled *profiles.Want) error {
	if len(all) == 0 {
		return nil
	}
	if err := r.act(ctx, ctx, all, filled, func(report.Done) {}); err != nil {
		return err
	}
	if err := r.observeAfter(ctx); err != nil {
		return fmt.Errorf("looking at the host after the last step: %w", err)
	}
	left, _, err := r.plans(vf, want, opt)
	if err != nil {
		return fmt.Errorf("looking at the host after the last step: %w", err)
	}
	if len(left) > 0 {
		return &NotConvergedError{Left: left}
	}
	return nil
}

// set brings a leased VF to what its lease says; the document has it as being set, with
// what was before.
func (r *Road) set(ctx context.Context, base *profiles.Want, l *lease.Lease) error {
	as := *l
	as.State = lease.Leased
	want, opt := lease.Over(lease.Only(base, l.VF), []*lease.Lease{&as}), l.Options(false)
	all, filled, err := r.plans(l.VF, want, opt)
	if err != nil {
		return err
	}
	before := r.Have.want()
	if err := layDocument(before, l.Before, orEmpty(l.Touched)); err != nil {
		return fmt.Errorf("the lease %s: %w", l.Name, err)
	}
	l.Touched = journal.Touched{}.With(touches(all)).With(orEmpty(l.Touched))
	for _, d := range domains() {
		d.keep(before, l.Touched.Has)
	}
	if l.Before, err = document(before); err != nil {
		return err
	}
	if err := r.writeLeases(); err != nil {
		return err
	}
	if err := r.reach(ctx, l.VF, want, opt, all, filled); err != nil {
		return err
	}
	l.State, r.holds = lease.Leased, l
	return r.writeLeases()
}

func orEmpty(t journal.Touched) journal.Touched {
	if t == nil {
		return journal.Touched{}
	}
	return t
}

func (r *Road) writeLeases() error { return lease.Dir(r.Journal).Write(r.leases) }

// clear takes a lease back: the VF is what the profile says of it and, where that says
// nothing, what it was before. force: although somebody has the VF.
func (r *Road) clear(ctx context.Context, l *lease.Lease, force bool) error {
	p := r.Have.Port(l.VF.PF)
	if p == nil || l.VF.VF >= len(p.VFs) { // with the VF all has gone that was set
		r.leases.Drop(l.Name)
		return r.writeLeases()
	}
	if holders := holdersOf(p.VFs[l.VF.VF], l.Driver()); len(holders) > 0 && !force {
		return fmt.Errorf("%s, leased as %s, is in use (%s): stop that first, or say --force", l.VF, l.Who(), strings.Join(holders, ", "))
	}
	base, err := r.inForceOf(l.Profile)
	if err != nil {
		return err
	}
	want, err := backOf(base, l)
	if err != nil {
		return err
	}
	opt := l.Options(true)
	opt.Take = map[resource.ID]bool{resource.OfFunction(l.VF): true}
	all, filled, err := r.plans(l.VF, want, opt)
	if err != nil {
		return err
	}
	if l.State == lease.Leased { // a kill from here on is gone on with
		l.State = lease.Clearing
		if err := r.writeLeases(); err != nil {
			return err
		}
	}
	if err := r.reach(ctx, l.VF, want, opt, all, filled); err != nil {
		return fmt.Errorf("taking back %s, leased as %s: %w", l.VF, l.Who(), err)
	}
	r.leases.Drop(l.Name)
	return r.writeLeases()
}

// backOf is what a VF is to be when its lease ends.
func backOf(base *profiles.Want, l *lease.Lease) (*profiles.Want, error) {
	was, err := wantOf(l.Before)
	if err != nil {
		return nil, fmt.Errorf("the lease %s: %w", l.Name, err)
	}
	if base == nil {
		base = &profiles.Want{}
	}
	want, before := lease.Only(base, l.VF), lease.Only(was, l.VF)
	f := want.Ports[l.VF.PF].Functions[l.VF.VF].Over(before.Ports[l.VF.PF].Functions[l.VF.VF])
	want.Ports = map[pci.Address]eswitch.PortSpec{l.VF.PF: {Functions: map[int]eswitch.FunctionSpec{l.VF.VF: f}}}
	if o, had := before.Offload[l.VF]; had {
		if _, says := want.Offload[l.VF]; !says {
			want.Offload = map[pci.Function]crypto.Spec{l.VF: o}
		}
	}
	if t, had := before.Tuning[l.VF]; had {
		want.Tuning = tuning.Over(want.Tuning, map[pci.Function]tuning.Want{l.VF: t})
	}
	if len(want.OVS.Bridges) == 0 {
		want.OVS = &ovs.Spec{Bridges: before.OVS.Bridges}
		return want, nil
	}
	for i, b := range want.OVS.Bridges { // of the VF's port alone
		for _, was := range before.OVS.Bridges {
			if was.Name == b.Name {
				want.OVS.Bridges[i].Ports = []ovs.Port{b.Ports[0].Back(was.Ports[0], l.Touched[resource.OfSwitchPort(b.Name, l.VF.String())])}
			}
		}
	}
	if len(want.Bridges) == 0 {
		want.Bridges = before.Bridges
	}
	return want, nil
}

// holdersOf are those who use a VF, in words, but for its being leased, and bound to
// the driver of its lease.
func holdersOf(vf eswitch.VF, driver string) (all []string) {
	for _, u := range vf.Uses {
		if u.Kind != eswitch.Leased && (u.Kind != eswitch.UserSpace || u.By != driver) {
			all = append(all, u.String())
		}
	}
	return all
}

// Settle takes back what kills left half, and leases whose process has ended. What
// cannot be taken back stays in the document, and its VF is not given out.
func (r *Road) Settle(ctx context.Context) (names []string, err error) {
	var errs []error
	for _, l := range slices.Clone(r.leases.Leases) {
		if l.State == lease.Leased && !l.Stale(r.Boot) {
			continue
		}
		if err := r.clear(ctx, l, false); err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, l.Name)
	}
	return names, errors.Join(errs...)
}

// Leases are those of the document.
func (r *Road) Leases() []*lease.Lease { return r.leases.Leases }

// settled refuses to lease over an operation that may take VFs away.
func (r *Road) settled() error {
	if open := journal.OpenOne(r.ops); open != nil {
		return interrupted(open)
	}
	for _, o := range journal.Waiting(r.ops) {
		return fmt.Errorf("operation %s (apply of %s) waits to be confirmed, and takes VFs back if it is not: nicwright confirm, then lease", o.ID, o.Profile.Name)
	}
	return nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
