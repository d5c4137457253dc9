// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"slices"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// effects are those of the steps before, by what they befall.
type effects struct {
	all   map[resource.ID][]step.Effect
	letGo map[resource.ID]bool
	// whole are the PFs of which the uplink has to be let go: then so have the representors, for a rule
	// on any of them keeps the eswitch busy (m5/eswitch.c, mlx5_esw_try_lock).
	whole map[pci.Address]bool
}

func index(all step.Effects) effects {
	e := effects{all: map[resource.ID][]step.Effect{}, letGo: map[resource.ID]bool{}, whole: map[pci.Address]bool{}}
	for _, one := range all {
		e.all[one.On] = append(e.all[one.On], one)
		if one.Kind == step.LetGo {
			e.letGo[one.On] = true
			if f := one.On.Function; f.PF != "" && !f.IsVF() && !one.On.IsSF {
				e.whole[f.PF] = true
			}
		}
	}
	return e
}

func (e effects) has(id resource.ID, kinds ...step.EffectKind) bool {
	return slices.ContainsFunc(e.all[id], func(one step.Effect) bool { return slices.Contains(kinds, one.Kind) })
}

// netdevs are those whose being let go means the port's.
func netdevs(p PortState) []string { return append(append([]string{p.ID}, p.Over...), p.Bonded...) }

// hasToLetGo tells whether the port must be off the switch while the steps before
// are done.
func (e effects) hasToLetGo(p PortState) bool {
	return slices.ContainsFunc(netdevs(p), func(id string) bool {
		if f, err := pci.ParseFunction(id); err == nil && e.whole[f.PF] {
			return true
		}
		return e.letGo[NetdevOf(id)]
	})
}

// on tells whether any of the kinds befalls a netdev of the port itself.
func (e effects) on(p PortState, kinds ...step.EffectKind) bool {
	return slices.ContainsFunc(append([]string{p.ID}, p.Bonded...), func(id string) bool { return e.has(NetdevOf(id), kinds...) })
}

// gone tells whether what an ID stands for ceases to be, and is not made again.
func (e effects) gone(id string) bool {
	n := NetdevOf(id)
	if e.has(n, step.Remade) {
		return false
	}
	if e.has(n, step.Gone) {
		return true
	}
	f, err := pci.ParseFunction(id)
	return err == nil && e.has(resource.OfFunction(f), step.Gone)
}

// leaves tells whether a step before takes the netdev out of its master for good.
func (e effects) leaves(n resource.ID) bool {
	return e.has(n, step.Leaves) && !e.has(n, step.Joins)
}

// joins is what the netdev of an ID goes into, "" for nothing: it cannot be a port
// of Open vSwitch then.
func (e effects) joins(id string) string {
	for _, one := range e.all[NetdevOf(id)] {
		if one.Kind == step.Joins && !one.From.IsZero() {
			return one.From.String()
		}
	}
	return ""
}
