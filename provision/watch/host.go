// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
)

// Host is this host, as a Watch looks at it and repairs it.
type Host struct {
	Journal journal.Dir
	RunDir  string
	Tool    string   // version of nicwright
	Args    []string // of this process, for who finds the lock taken
	Only    string   // the profile that is watched; "": all that are in force
	// Disrupt allows repairs that stop traffic for a moment or more, CutOff those that a default route goes through.
	Disrupt, CutOff bool
}

// lockWait is how long a repair waits for the lock.
const lockWait = 2 * time.Second

// Busy tells whether somebody changes or proves the host.
func (h Host) Busy() (bool, error) { return provision.Held(h.RunDir) }

// inForce are the last operations in force of the profiles that are watched, in their order.
func (h Host) inForce(ops []*journal.Operation) []*journal.Operation {
	var last []*journal.Operation
	for _, o := range journal.InForce(ops, h.Only) {
		last = slices.DeleteFunc(last, func(l *journal.Operation) bool { return l.Profile.Name == o.Profile.Name })
		last = append(last, o)
	}
	return last
}

// plan plans what an operation applied anew.
func plan(road *provision.Road, o *journal.Operation) (*provision.Plan, *profiles.Want, error) {
	want := new(profiles.Want)
	if err := json.Unmarshal(o.Want, want); err != nil {
		return nil, nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
	}
	p, err := road.Apply(want, o.Profile, provision.Allowed{Replace: o.Replaces})
	return p, want, err
}

// Look looks at the host and plans.
func (h Host) Look(ctx context.Context) (Seen, error) {
	road, err := provision.Look(ctx, h.Journal, h.Tool)
	if err != nil {
		return Seen{}, err
	}
	ops := road.Operations()
	seen := Seen{
		Waits: len(journal.Waiting(ops)) > 0, Needs: Always(), Sight: SightOf(road.Have, road.Snapshot.Netdevs),
		Suspects: func(id resource.ID) []string { return suspects(road.Have.Net, id, running("/proc")) },
	}
	if open := journal.OpenOne(ops); open != nil {
		seen.Open = open.ID
	}
	for _, o := range h.inForce(ops) {
		p := Profile{Name: o.Profile.Name, Operation: o.ID, Applied: o.Ended}
		made, want, err := plan(road, o)
		if p.Err = err; err == nil {
			p.Steps = made.Steps
		}
		if want != nil {
			seen.Needs = append(seen.Needs, needs(want)...)
		}
		seen.Profiles = append(seen.Profiles, p)
	}
	return seen, nil
}

// needs are the sources that are of no use to every profile: who routes with BGP has
// thousands of routes that come and go.
func needs(w *profiles.Want) (names []string) {
	if w.OVS != nil {
		names = append(names, Switch)
	}
	for _, r := range w.Flows {
		if of := Flows + " " + r.Bridge; !slices.Contains(names, of) {
			names = append(names, of)
		}
	}
	if len(w.Net.Said) > 0 {
		return append(names, Addresses)
	}
	for _, b := range w.Bonds {
		if b.TakeAddresses != nil && *b.TakeAddresses {
			return append(names, Addresses)
		}
	}
	for _, b := range w.Bridges {
		for _, p := range b.Ports {
			if p.TakeAddresses != nil && *p.TakeAddresses {
				return append(names, Addresses)
			}
		}
	}
	return names
}

// Repair applies a profile in force anew, as `nicwright apply` does, but for the steps
// of some resources. A plan that would stop traffic is refused unless that is allowed.
func (h Host) Repair(ctx context.Context, profile string, leave map[resource.ID]bool) (did Repair, err error) {
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := provision.WaitLock(wait, h.RunDir, h.Args)
	if err != nil {
		return did, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	acts := context.WithoutCancel(ctx) // ctx ends at a step's end, as with apply
	if err := verify.PutBack(acts); err != nil {
		return did, err
	}
	road, err := provision.Look(acts, h.Journal, h.Tool)
	if err != nil {
		return did, err
	}
	in := slices.DeleteFunc(h.inForce(road.Operations()), func(o *journal.Operation) bool { return o.Profile.Name != profile })
	if len(in) == 0 || len(journal.Waiting(road.Operations())) > 0 {
		return did, nil // somebody has decided otherwise meanwhile
	}
	p, _, err := plan(road, in[0])
	if err != nil {
		return did, err
	}
	p.Leave(leave)
	if len(p.Steps) == 0 {
		return did, nil
	}
	if did.Refused, err = h.refuses(road, p); err != nil || did.Refused != "" {
		return did, err
	}
	err = road.Do(acts, ctx, p, func(d report.Done) {
		if d.Err == nil {
			did.Steps = append(did.Steps, d.Step)
		}
	})
	did.Operation = p.Operation().ID
	return did, err
}

// refuses says what of a plan is not allowed, "" for nothing.
func (h Host) refuses(road *provision.Road, p *provision.Plan) (string, error) {
	if all := p.Disrupts(); len(all) > 0 && !h.Disrupt {
		more := ""
		if len(all) > 1 {
			more = fmt.Sprintf(", and %d more", len(all)-1)
		}
		return fmt.Sprintf("that would disrupt what is in use: %s%s; nicwright apply -p %s does it, and watch --repair --yes-disrupt", all[0], more, p.Profile.Name), nil
	}
	if h.CutOff {
		return "", nil
	}
	ways, err := road.Ways(netip.Addr{}) // the default routes: nobody's session is asked for
	if err != nil {
		return "", err
	}
	if cuts := p.Cuts(&road.Have, ways); len(cuts) > 0 {
		return (&provision.CutOffError{Kind: p.Kind, Cuts: cuts}).Error(), nil
	}
	return "", nil
}

// SightOf is what metrics, and top, need of a look.
func SightOf(have provision.Host, netdevs []netdev.Link) Sight {
	s := Sight{VFs: map[pci.Function]int{}, Netdevs: map[int]Netdev{}, OVS: have.Switch != nil && have.Switch.Running}
	for _, c := range have.Cards {
		for _, p := range c.Ports {
			s.VFs[pci.PF(p.Address)] = p.NumVFs
		}
	}
	for _, l := range netdevs {
		if _, card := s.VFs[pci.PF(l.Function.PF)]; !card || l.Representor || l.SF != nil {
			continue
		}
		offloads := false
		for feature, f := range have.Offload[l.Function].Features {
			offloads = offloads || f.Active && feature != "hw-tc-offload"
		}
		s.Netdevs[l.Index] = Netdev{ID: l.ID(), Name: l.Name, Offloads: offloads}
	}
	return s
}
