// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func (d *differ) id(n int) resource.ID { return resource.OfFunction(d.fn(n)) }

// hadNetdev tells whether a VF has a netdev now, in whatever namespace.
func (d *differ) hadNetdev(n int) bool {
	vf, ok := d.vf(n)
	return ok && vf.Driver != "" && (vf.Netdev != "" || vf.Driver == d.port.Driver)
}

// hasNetdev tells whether a VF will have one at the end.
func (d *differ) hasNetdev(n int) bool {
	if n >= d.vfs || d.port.Address.Bus() != "pci" {
		return false
	}
	to := d.drivers[n].name
	vf, existed := d.vf(n)
	switch {
	case to == "" && !existed && d.want.Functions[n].Driver == nil:
		return d.kernelBinds()
	case to == "":
		return false
	}
	return to == d.port.Driver || existed && to == vf.Driver && vf.Netdev != ""
}

func (d *differ) netdevAgain(n int) step.Effect {
	return step.Effect{Kind: step.Remade, On: resource.OfNetdev(d.fn(n)), For: step.Apply}
}

// losesNetdev is what becomes of the netdev that a VF has, if it has one.
func (d *differ) losesNetdev(n int) []step.Effect {
	switch {
	case !d.hadNetdev(n):
		return nil
	case d.hasNetdev(n):
		return []step.Effect{d.netdevAgain(n)}
	}
	return []step.Effect{{Kind: step.Gone, On: resource.OfNetdev(d.fn(n)), For: step.ForGood}}
}

// unbinds are the effects of taking a VF from its driver.
func (d *differ) unbinds(n int) []step.Effect {
	span := step.Apply
	if d.drivers[n].name == "" {
		span = step.ForGood
	}
	effects := []step.Effect{{Kind: step.Unbound, On: d.id(n), For: span}}
	effects = append(effects, d.losesNetdev(n)...)
	return append(effects, step.Stop(d.id(n), span, "all traffic of the VF"))
}

// removes are the effects of removing all VFs.
func (d *differ) removes() []step.Effect {
	var effects []step.Effect
	stays := step.ForGood
	for n, vf := range d.port.VFs {
		again := n < d.vfs
		if again {
			stays = step.Apply
		}
		switch {
		case !again:
			effects = append(effects, step.Effect{Kind: step.Gone, On: d.id(n), For: step.ForGood})
		case vf.Driver != "":
			effects = append(effects, step.Effect{Kind: step.Unbound, On: d.id(n), For: step.Apply})
		}
		effects = append(effects, d.losesNetdev(n)...)
		if vf.Representor != nil {
			effects = append(effects, d.losesRepresentor(n))
		}
	}
	return append(effects, step.Stop(resource.OfFunction(pci.PF(d.port.Address)), stays, "all traffic of all VFs of the port"))
}

// makes are the effects of making VFs: netdevs that were not there.
func (d *differ) makes() []step.Effect {
	var effects []step.Effect
	for n := range d.vfs {
		if d.hasNetdev(n) && d.drivers[n].name == "" { // bound by the kernel
			effects = append(effects, d.netdevAgain(n))
		}
		if d.port.Mode == switchdev { // also one that an interrupted apply left without VFs, on its way to legacy: what its ports were in goes
			effects = append(effects, d.losesRepresentor(n))
		}
	}
	return effects
}

func (d *differ) losesRepresentor(n int) step.Effect {
	e := step.Effect{Kind: step.Gone, On: resource.OfRepresentor(d.fn(n)), For: step.ForGood}
	if n < d.vfs && d.mode == switchdev {
		e.Kind, e.For = step.Remade, step.Apply
	}
	return e
}

// moves are the effects of leaving a mode, or of entering it from legacy. mlx5's
// uplink keeps its netdev, with index, addresses, routes, MTU, qdiscs and names;
// rings, channels, coalescing and features go to their defaults (tried on 6.12). The
// driver answers EBUSY while any TC rule is in hardware (mlx5_esw_try_lock), so the
// switch has to let go of the uplink and of every representor.
func (d *differ) moves(from string) []step.Effect {
	pf := pci.PF(d.port.Address)
	effects := []step.Effect{
		{Kind: step.LetGo, On: resource.OfNetdev(pf)},
		{Kind: step.Reset, On: resource.OfNetdev(pf)},
	}
	if from == switchdev {
		for n, vf := range d.port.VFs {
			if vf.Representor != nil && !d.remade {
				effects = append(effects, step.Effect{Kind: step.LetGo, On: resource.OfRepresentor(d.fn(n))}, d.losesRepresentor(n))
			}
		}
	} else {
		for n := range d.vfs {
			effects = append(effects, d.losesRepresentor(n))
		}
	}
	return append(effects, step.Stop(resource.OfFunction(pf), step.Moment, "all traffic of the port and its VFs"))
}
