// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"github.com/nicwright/nicwright/internal/step"
)

// driver is what a VF of the wanted ones is to be bound to.
func (d *differ) driver(n int) driver {
	vf, existed := d.vf(n)
	want := d.want.Functions[n].Driver
	autoprobe := d.autoprobe()
	switch {
	case want != nil && *want == noDriver:
		return driver{}
	case want != nil:
		return driver{name: *want}
	case existed && !d.abandoned(vf):
		return driver{vf.Driver, "it was bound to it before"}
	case autoprobe != nil && *autoprobe && d.port.Driver == mlx5:
		return driver{d.port.Driver, "sriov_drivers_autoprobe is on"}
	}
	return driver{}
}

// abandoned tells a VF that an apply made, with autoprobe held off, and was
// killed before it bound it.
func (d *differ) abandoned(vf VF) bool { return vf.Driver == "" && d.interruptedBind() }

// interruptedBind tells a port whose VFs an apply was binding, with autoprobe held off, when it was killed.
func (d *differ) interruptedBind() bool {
	held := d.port.Autoprobe != nil && !*d.port.Autoprobe
	return d.port.Driver == mlx5 && held && d.want.Autoprobe != nil && *d.want.Autoprobe
}

// bind gives every VF the driver it is to have, and autoprobe its last value.
func (d *differ) bind() {
	if d.port.Address.Bus() == "pci" {
		for n := range d.vfs {
			d.bindVF(n)
		}
	}
	final, was := d.autoprobe(), d.port.Autoprobe
	if final != nil && *final && was != nil && (d.holdsAutoprobe() || !*was) {
		d.pf(step.Step{Phase: step.Bind, Attribute: attrAutoprobe, From: step.Text("false"), To: step.Text("true")})
	}
}

func (d *differ) bindVF(n int) {
	vf, existed := d.vf(n)
	to := d.drivers[n]
	now := step.Text(driverName(vf.Driver))
	switch {
	case d.kernelBinds():
		// It has bound what it has a driver for; what it was before, and what is wanted, is seen to.
		if !existed && d.want.Functions[n].Driver == nil {
			return
		}
		now = step.Unknown()
	case d.remade, d.modeMoves, d.quiets(n) != "":
		now = step.Text(noDriver) // removed with the VF, or by quiesce
	}
	target := step.Text(driverName(to.name))
	if target == now && vf.NoNetdev {
		now, to.reason = step.Text(vf.Driver+noNetdev), "it is taken from its driver and given to it again"
	}
	if target == now && vf.Override == vf.Driver && d.interruptedBind() {
		d.add(d.fn(n), step.Step{
			Phase: step.Bind, Attribute: attrDriver, Group: "bind " + string(d.port.Address), Action: step.Change,
			From: step.Text(vf.Driver + byOverride), To: target, Reason: "an interrupted apply left its driver_override",
		})
		return
	}
	if target == now {
		return
	}
	bound := now != step.Text(noDriver) && existed && !d.remade
	if bound {
		if use, inUse := d.inUse(vf); inUse {
			d.left = append(d.left, step.Left{Resource: d.id(n), Attribute: attrDriver, Reason: keeps(d.id(n), use, vf.Driver, driverName(to.name))})
			return
		}
	}
	s := step.Step{
		Phase: step.Bind, Attribute: attrDriver, Group: "bind " + string(d.port.Address),
		From: now, To: target, Action: step.Change, Reason: to.reason,
	}
	if bound {
		s.Effects = d.unbinds(n)
	}
	if d.hasNetdev(n) {
		s.Effects = append(s.Effects, d.netdevAgain(n))
	}
	d.add(d.fn(n), s)
}
