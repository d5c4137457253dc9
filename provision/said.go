// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// named are attributes of netdevs: "address 192.0.2.10/24".
type named map[resource.ID][]string

func (n named) has(id resource.ID, attribute string) bool {
	return slices.Contains(n[id], attribute)
}

func (n named) add(id resource.ID, attribute string) {
	if !n.has(id, attribute) {
		n[id] = append(slices.Clone(n[id]), attribute)
		slices.Sort(n[id])
	}
}

func (n named) drop(id resource.ID, attribute string) {
	n[id] = slices.DeleteFunc(slices.Clone(n[id]), func(a string) bool { return a == attribute })
	if len(n[id]) == 0 {
		delete(n, id)
	}
}

// unsay makes a want one that takes away the addresses and routes which the profile's operations
// in force put there, and those of the profiles whose place it took, and that it names no more.
// They carry no mark: the journal knows.
func (r *Road) unsay(want *profiles.Want, name string, opt step.Options) (*profiles.Want, error) {
	out := *want
	if opt.Keep {
		return &out, nil
	}
	ours, err := r.saidBefore(name)
	if err != nil {
		return nil, err
	}
	for id, attributes := range want.Net.Named() {
		for _, a := range attributes {
			ours.drop(id, a)
		}
	}
	if len(ours) > 0 {
		out.Net.Unsaid = ours
	}
	return &out, nil
}

// saidBefore are the addresses and routes that operations put there.
func (r *Road) saidBefore(name string) (named, error) {
	var ops []*journal.Operation
	for _, o := range journal.InForce(r.ops, "") {
		if o.Profile.Name == name || slices.Contains(r.alsoOwned(name), o.Profile.Name) {
			ops = append(ops, o)
		}
	}
	if open := journal.OpenOne(r.ops); open != nil && open.Kind == journal.Apply && open.Profile.Name == name {
		ops = append(ops, open)
	}
	ours := named{}
	for _, o := range ops {
		made, err := wantOf(o.Want)
		if err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		before, err := wantOf(o.Before)
		if err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		says := named(made.Net.Named())
		eachNamed(o.Touched, func(id resource.ID, a string) {
			switch {
			case !says.has(id, a) && o.Open(): // whether it was taken away, nobody knows, and it is not to come back
			case !says.has(id, a): // it was taken away
				ours.drop(id, a)
			case !before.Net.Has(id, a):
				ours.add(id, a)
			}
		})
	}
	return ours, nil
}

// sinceBoot is what an operation of another boot touched without the addresses and routes that are
// there now, which somebody else has put there since; before has them, too.
func (r *Road) sinceBoot(t journal.Touched, before *profiles.Want) journal.Touched {
	if t == nil { // of a version that did not say what it touched, and put none there
		return nil
	}
	out := journal.Touched{}
	for id, attributes := range t {
		out.Add(id, slices.DeleteFunc(slices.Clone(attributes), func(a string) bool { return hostnet.Sayable(a) && r.Have.Net.Has(id, a) })...)
		if len(out[id]) == 0 {
			delete(out, id)
		}
	}
	before.Net = before.Net.Plus(r.Have.Net, t)
	return out
}

// eachNamed goes over the addresses and routes that an operation touched by name.
func eachNamed(t journal.Touched, do func(resource.ID, string)) {
	for _, id := range slices.SortedFunc(maps.Keys(t), resource.Compare) {
		for _, a := range t[id] {
			if hostnet.Sayable(a) {
				do(id, a)
			}
		}
	}
}

// unsaidBy is what has to be taken away where an operation, and later ones that did unsaid, are
// taken back: what it put there. What was there before it, a later one may have taken away.
func unsaidBy(o *journal.Operation, made *profiles.Want, unsaid map[resource.ID][]string) (map[resource.ID][]string, error) {
	before, err := wantOf(o.Before)
	if err != nil {
		return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
	}
	all := named(maps.Clone(unsaid))
	if all == nil {
		all = named{}
	}
	says := named(made.Net.Named())
	eachNamed(o.Touched, func(id resource.ID, a string) {
		switch {
		case before.Net.Has(id, a):
			all.drop(id, a)
		case says.has(id, a):
			all.add(id, a)
		}
	})
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// without is the host without what keeps an uplink or a bond from being a port and is taken away before.
func (h Host) without(unsaid map[resource.ID][]string) Host {
	if len(unsaid) == 0 {
		return h
	}
	left := func(id resource.ID, hangs []string) []string {
		return slices.DeleteFunc(slices.Clone(hangs), func(a string) bool { return slices.Contains(unsaid[id], a) })
	}
	h.Bonds.Uplinks = maps.Clone(h.Bonds.Uplinks)
	for pf, u := range h.Bonds.Uplinks {
		u.Hangs = left(resource.OfNetdev(pci.PF(pf)), u.Hangs)
		h.Bonds.Uplinks[pf] = u
	}
	netdevs := map[resource.ID]bridge.Netdev{}
	for id, n := range h.Bridges.Netdevs {
		n.Hangs = left(id, n.Hangs)
		netdevs[id] = n
	}
	h.Bridges.Netdevs = netdevs
	return h
}
