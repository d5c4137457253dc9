// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"maps"
	"slices"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Drift is one attribute of a resource that is not as a profile in force wants it: a
// step that an apply would do.
type Drift struct {
	Profile   string
	Resource  resource.ID
	Attribute string
	Have      step.Value
	Want      step.Value
}

// key tells drifts apart.
type key struct {
	profile   string
	resource  resource.ID
	attribute string
}

func (d Drift) key() key { return key{d.Profile, d.Resource, d.Attribute} }

// driftsOf are the drifts that the steps of a plan are there for. An attribute that a
// plan changes twice is one drift, and none where it ends as it is: a VF that is unbound
// on the road and bound again has not drifted.
func driftsOf(profile string, steps []step.Step) map[key]Drift {
	all := map[key]Drift{}
	for _, s := range steps {
		d := Drift{Profile: profile, Resource: s.Resource, Attribute: s.Attribute, Have: s.From, Want: s.To}
		if first, again := all[d.key()]; again {
			d.Have = first.Have
		}
		all[d.key()] = d
	}
	maps.DeleteFunc(all, func(_ key, d Drift) bool { return d.Have == d.Want && !d.Have.IsUnknown() })
	return all
}

// compare gives what a look tells that the one before did not: began, changed and ended,
// in a fixed order.
func compare(before, now map[key]Drift) (events []Event) {
	say := func(k Kind, d Drift) {
		events = append(events, Event{Event: k, Profile: d.Profile, Resource: d.Resource, Attribute: d.Attribute, Have: &d.Have, Want: &d.Want})
	}
	for k, d := range before {
		if _, still := now[k]; !still {
			d.Have = d.Want
			say(Ended, d)
		}
	}
	for k, d := range now {
		was, known := before[k]
		switch {
		case !known:
			say(Began, d)
		case was != d:
			say(Changed, d)
		}
	}
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Profile, b.Profile), resource.Compare(a.Resource, b.Resource), cmp.Compare(a.Attribute, b.Attribute))
	})
	return events
}
