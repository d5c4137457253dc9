// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// othersCard refuses a second profile for one card or one bond.
func (r *Road) othersCard(want *profiles.Want, name string, replace []string) error {
	given := slices.Clone(replace)
	for _, o := range journal.InForce(r.ops, "") {
		given = append(given, o.Replaces...)
	}
	var errs []error
	told := map[string]bool{}
	for _, o := range journal.InForce(r.ops, "") {
		other := o.Profile.Name
		if other == name || slices.Contains(given, other) || told[other] {
			continue
		}
		theirs, err := wantOf(o.Want)
		if err != nil {
			return fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		if what := shared(want, theirs); what != "" {
			told[other] = true
			errs = append(errs, fmt.Errorf("profile %s is in force for %s (operation %s), and two profiles for one are refused: take it away first (nicwright remove -p %s), or say that %s takes its place (--replace %s)",
				other, what, o.ID, other, name, other))
		}
	}
	return errors.Join(errs...)
}

// shared is what two wants are both about, in words, or "".
func shared(a, b *profiles.Want) string {
	var what []string
	for pf := range a.Ports {
		if _, both := b.Ports[pf]; both {
			what = append(what, "pci/"+string(pf))
		}
	}
	for _, x := range a.Bonds {
		for _, y := range b.Bonds {
			if x.Name == y.Name {
				what = append(what, "bond "+x.Name)
			}
		}
	}
	for _, x := range a.Bridges {
		for _, y := range b.Bridges {
			if x.Name == y.Name {
				what = append(what, "bridge "+x.Name)
			}
		}
	}
	for _, x := range a.VLANs {
		if slices.ContainsFunc(b.VLANs, func(y vlan.Spec) bool { return x.Name == y.Name }) {
			what = append(what, "VLAN "+x.Name)
		}
	}
	slices.Sort(what)
	return strings.Join(what, ", ")
}

// alsoOwned are the profiles whose work a profile has taken over, by its
// operations in force, and the marks of a version that named none.
func (r *Road) alsoOwned(name string) []string {
	var also []string
	for _, o := range journal.InForce(r.ops, name) {
		also = append(also, o.Replaces...)
		if o.Tool == migrated {
			also = append(also, step.NoOwner)
		}
	}
	if open := journal.OpenOne(r.ops); open != nil && open.Tool == migrated {
		also = append(also, step.NoOwner)
	}
	return also
}
