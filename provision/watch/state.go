// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"maps"
	"time"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

// State is what a Watch knows.
type State struct {
	Started  time.Time
	Looks    uint64    // that came to their end
	Failed   uint64    // looks that failed
	LastLook time.Time // the last that came to its end
	Took     time.Duration
	// Busy: an operation is at work, and nothing is looked at until it has ended.
	Busy        bool
	Interrupted bool
	Profiles    []Profile
	Drifts      map[key]Drift
	// Unknown is why nothing is known, by profile; "" is the whole host.
	Unknown     map[string]string
	Repaired    map[string]uint64 // repairs, by profile
	NotRepaired map[string]uint64 // that failed or were refused
	Fights      map[place]bool
	Sight       Sight

	seen bool // a look has come to its end
}

// Sight is what is kept of a look for metrics.
type Sight struct {
	VFs map[pci.Function]int // by PF
	// Netdevs are those of PFs and VFs in this network namespace, by ifindex.
	Netdevs map[int]Netdev
	OVS     bool // it runs
}

// Netdev is the own netdev of a function.
type Netdev struct {
	ID   resource.ID
	Name string
	// Offloads: the card may do TLS or IPsec for it, so that its counters are worth being read.
	Offloads bool
}

// DriftsByResource counts the attributes that are not as wanted, by profile and resource.
func (s State) DriftsByResource() map[[2]string]int {
	n := map[[2]string]int{}
	for k := range s.Drifts {
		n[[2]string{k.profile, k.resource.String()}]++
	}
	return n
}

// FightsByResource are the resources that are repaired no more, by profile and resource.
func (s State) FightsByResource() [][2]string {
	var all [][2]string
	for p := range s.Fights {
		all = append(all, [2]string{p.profile, p.resource.String()})
	}
	return all
}

// of are the drifts of a profile.
func (s State) of(profile string) map[key]Drift {
	all := maps.Clone(s.Drifts)
	maps.DeleteFunc(all, func(k key, _ Drift) bool { return k.profile != profile })
	return all
}

// looked notes a look.
func (s *State) looked(began, ended time.Time, err error) {
	s.Took = ended.Sub(began)
	if err != nil {
		s.Failed++
		return
	}
	s.Looks++
	s.LastLook = ended
}

// State is what is known now.
func (w *Watch) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Unknown, s.Repaired, s.NotRepaired, s.Fights = maps.Clone(s.Unknown), maps.Clone(s.Repaired), maps.Clone(s.NotRepaired), maps.Clone(s.Fights)
	return s // Drifts, Profiles and Sight are replaced, and never written to
}

func (w *Watch) update(change func(*State)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Unknown == nil {
		w.state.Unknown, w.state.Repaired, w.state.NotRepaired, w.state.Fights = map[string]string{}, map[string]uint64{}, map[string]uint64{}, map[place]bool{}
	}
	change(&w.state)
}
