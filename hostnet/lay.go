// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"maps"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
)

// Lay lays what was before an operation upon s: of the netdevs that over has, over
// counts, but for the addresses and routes that s has besides: each has an operation of its own
// that touched it.
func (s State) Lay(over State) State {
	out := State{Netdevs: maps.Clone(s.Netdevs), Absent: maps.Clone(s.Absent), Move: s.Move, Bridged: s.Bridged, Down: s.Down, Late: s.Late, Told: s.Told}
	if out.Netdevs == nil {
		out.Netdevs = map[resource.ID]Netdev{}
	}
	for id, n := range over.Netdevs {
		n.Items = slices.Clone(n.Items)
		for _, i := range s.Netdevs[id].Items {
			if !n.has(i) && Sayable(i.attribute()) {
				n.Items = append(n.Items, i)
			}
		}
		out.Netdevs[id] = n
	}
	if out.Absent == nil {
		out.Absent = map[resource.ID][]string{}
	}
	maps.Copy(out.Absent, over.Absent)
	return out
}

// Without is s without the items that an operation touched by name: what was before it
// says which of them there were.
func (s State) Without(touched map[resource.ID][]string) State {
	out := s
	out.Netdevs = maps.Clone(s.Netdevs)
	for id, attributes := range touched {
		n, there := out.Netdevs[id]
		if !there {
			continue
		}
		n.Items = slices.DeleteFunc(slices.Clone(n.Items), func(i Item) bool { return slices.Contains(attributes, i.attribute()) })
		out.Netdevs[id] = n
	}
	return out
}

// Plus is s with the addresses and routes of that name that another state has.
func (s State) Plus(from State, named map[resource.ID][]string) State {
	out := s
	out.Netdevs = maps.Clone(s.Netdevs)
	for id, attributes := range named {
		n, there := out.Netdevs[id]
		if !there {
			continue
		}
		n.Items = slices.Clone(n.Items)
		for _, i := range from.Netdevs[id].Items {
			if Sayable(i.attribute()) && slices.Contains(attributes, i.attribute()) && !n.has(i) {
				n.Items = append(n.Items, i)
			}
		}
		out.Netdevs[id] = n
	}
	return out
}

// Named are the attributes of what is said.
func (s State) Named() map[resource.ID][]string {
	all := map[resource.ID][]string{}
	for id, spec := range s.Said {
		items, _ := spec.items(id) // Diff says what is wrong with it
		for _, i := range items {
			all[id] = append(all[id], i.attribute())
		}
	}
	return all
}

// Has tells whether a netdev has an item of that attribute.
func (s State) Has(id resource.ID, attribute string) bool {
	_, has := find(s, id, attribute)
	return has
}

// Sayable tells the attribute of what a profile can say: an address or a route.
func Sayable(attribute string) bool {
	kind, _, isItem := strings.Cut(attribute, " ")
	return isItem && (rtnet.Kind(kind) == rtnet.Address || rtnet.Kind(kind) == rtnet.Route)
}
