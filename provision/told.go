// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"slices"

	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// told makes wants ones without what nobody here told a driver: of all that drivers can be
// told, what want asks for and what the operations that are in force or open, and op, asked
// for or set. What was before has more: who tells a netdev something while it is not there,
// after an interruption, has to know what it had.
func (r *Road) told(want *profiles.Want, op *journal.Operation) func(*profiles.Want) *profiles.Want {
	asks := []map[pci.Function]tuning.Want{}
	if op.Kind == journal.Apply {
		asks = append(asks, want.Tuning)
	}
	touched := []journal.Touched{op.Touched}
	for _, o := range r.ops {
		if !o.InForce() && !o.Open() {
			continue
		}
		touched = append(touched, o.Touched)
		if w, err := wantOf(o.Want); err == nil && o.Kind == journal.Apply { // who lays it tells what is wrong with it
			asks = append(asks, w.Tuning)
		}
	}
	said := func(fn pci.Function, name string) bool {
		asked := func(all map[pci.Function]tuning.Want) bool { _, is := all[fn].Values[name]; return is }
		set := func(t journal.Touched) bool { return slices.Contains(t[resource.OfNetdev(fn)], name) }
		return slices.ContainsFunc(asks, asked) || slices.ContainsFunc(touched, set)
	}
	return func(w *profiles.Want) *profiles.Want {
		out := *w
		out.Tuning = tuning.Only(w.Tuning, said)
		return &out
	}
}

// Set tells whether an operation that is in force has set an attribute.
func (r *Road) Set(id resource.ID, attribute string) bool {
	return slices.ContainsFunc(journal.InForce(r.ops, ""), func(o *journal.Operation) bool {
		return slices.Contains(o.Touched[id], attribute)
	})
}
