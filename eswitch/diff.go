// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// The attributes of steps: those of PortSpec and FunctionSpec, by their names there.
const (
	attrVFs       = "vfs"
	attrMode      = "eswitch-mode"
	attrInline    = "inline-mode"
	attrEncap     = "encap-mode"
	attrSteering  = "flow_steering_mode"
	attrMTU       = "mtu"
	attrUp        = "up"
	attrAutoprobe = "sriov_drivers_autoprobe"
	attrDriver    = "driver"
	attrRepUp     = "representor-up"
	attrRepMTU    = "representor-mtu"

	steeringParam = "flow_steering_mode"
	domain        = "eswitch"

	legacy    = "legacy"
	switchdev = "switchdev"
	noDriver  = "none"
	mlx5      = "mlx5_core"
)

// Diff is the steps that bring the ports from have to want, ordered within each
// phase, and the functions whose netdevs those steps take away and make again.
// Ports that want does not name are left alone. A want that cannot be is an
// error; all such errors are found at once.
func Diff(have []Card, want map[pci.Address]PortSpec) ([]step.Step, step.Replaced, error) {
	ports := map[pci.Address]Port{}
	for _, c := range have {
		for _, p := range c.Ports {
			ports[p.Address] = p
		}
	}
	addresses := make([]pci.Address, 0, len(want))
	for a := range want {
		addresses = append(addresses, a)
	}
	slices.Sort(addresses)
	replaced := step.Replaced{}
	var steps []step.Step
	var errs []error
	for _, a := range addresses {
		p, ok := ports[a]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: no card on this host has such a port: nicwright show lists those it has", pci.PF(a)))
			continue
		}
		d := differ{port: p, want: want[a], replaced: replaced}
		if err := d.possible(); err != nil {
			errs = append(errs, err)
			continue
		}
		d.diff()
		steps = append(steps, d.steps...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(steps, func(a, b step.Step) int { return int(a.Phase) - int(b.Phase) })
	return steps, replaced, nil
}

// differ makes the steps of one port.
type differ struct {
	port     Port
	want     PortSpec
	steps    []step.Step
	replaced step.Replaced

	vfs       int    // VFs wanted
	mode      string // mode wanted
	remade    bool   // all VFs are made anew
	modeMoves bool   // the mode changes, if only for a while
}

func (d *differ) diff() {
	d.vfs, d.mode = or(d.want.VFs, d.port.NumVFs), or(d.want.Mode, d.port.Mode)
	if d.port.Mode == "" {
		d.mode = "" // no devlink eswitch: legacy is all there is
	}
	d.remade = d.vfs != d.port.NumVFs
	steering := d.want.Steering != nil && *d.want.Steering != d.port.Steering
	// Steering can be changed in legacy mode only: a port that stays in switchdev goes there and back.
	detour := steering && d.port.Mode == switchdev
	d.modeMoves = d.mode != d.port.Mode || detour
	if d.modeMoves {
		d.replaced[pci.PF(d.port.Address).String()] = true
	}
	if d.remade || d.modeMoves {
		for n := range max(d.vfs, d.port.NumVFs) {
			d.replaced[pci.VF(d.port.Address, n).String()] = true
		}
	}
	d.quiesce()
	d.sriov()
	d.params(steering, detour)
	d.eswitch(detour)
	d.functions()
	d.bind()
}

func (d *differ) add(f pci.Function, s step.Step) {
	s.Domain, s.Device, s.Resource = domain, string(d.port.Address), f.String()
	d.steps = append(d.steps, s)
}

func (d *differ) pf(s step.Step) { d.add(pci.PF(d.port.Address), s) }

// quiesce unbinds the VFs that a mode change would pull the eswitch away from.
// Those whose count changes are unbound by the kernel when it removes them.
func (d *differ) quiesce() {
	for _, vf := range d.port.VFs {
		var reason string
		switch {
		case d.modeMoves && !d.remade && vf.Driver != "":
			reason = "a VF must not be bound while its eswitch changes mode"
		case d.quiets(vf.Index):
			reason = "port function attributes are set while the VF has no driver"
		default:
			continue
		}
		d.add(pci.VF(d.port.Address, vf.Index), step.Step{
			Phase: step.Quiesce, Attribute: attrDriver, From: vf.Driver, To: noDriver,
			Disrupts: "all traffic of the VF", Reason: reason,
		})
	}
}

func (d *differ) sriov() {
	final := d.autoprobe()
	off := final != nil && !*final // wanted off for good
	hold := d.holdsAutoprobe()
	if was := d.port.Autoprobe; was != nil && *was && (off || hold) {
		s := step.Step{Phase: step.SRIOV, Attribute: attrAutoprobe, From: "true", To: "false"}
		if !off {
			s.Reason = "the VFs are bound once the eswitch is ready, and not twice"
		}
		d.pf(s)
	}
	if !d.remade {
		return
	}
	from := d.port.NumVFs
	if from != 0 && d.vfs != 0 {
		d.pf(step.Step{
			Phase: step.SRIOV, Attribute: attrVFs, From: strconv.Itoa(from), To: "0",
			Disrupts: "all traffic of all VFs of the port",
			Reason:   "the kernel changes a VF count only through 0",
		})
		from = 0
	}
	s := step.Step{Phase: step.SRIOV, Attribute: attrVFs, From: strconv.Itoa(from), To: strconv.Itoa(d.vfs)}
	if from != 0 {
		s.Disrupts = "all traffic of all VFs of the port"
	}
	d.pf(s)
}

// holdsAutoprobe tells whether autoprobe is off while VFs are made: where it is
// known which driver they will get. VFs of other drivers than mlx5_core need
// not have the PF's (igb, igbvf), and are left to the kernel.
func (d *differ) holdsAutoprobe() bool {
	known := d.want.VF.Driver != nil || d.port.Driver == mlx5
	return d.remade && d.vfs > 0 && known && d.port.Autoprobe != nil
}

func (d *differ) autoprobe() *bool {
	if d.want.Autoprobe != nil {
		return d.want.Autoprobe
	}
	return d.port.Autoprobe
}

const disruptsPort = "all traffic of the port and its VFs"

func (d *differ) params(steering, detour bool) {
	if detour {
		d.pf(step.Step{
			Phase: step.Params, Attribute: attrMode, From: switchdev, To: legacy, Disrupts: disruptsPort,
			Reason: "flow_steering_mode can be changed in legacy mode only",
		})
	}
	if steering {
		d.pf(step.Step{Phase: step.Params, Attribute: attrSteering, From: d.port.Steering, To: *d.want.Steering})
	}
}

func (d *differ) eswitch(detour bool) {
	mode := d.port.Mode
	if detour {
		mode = legacy
	}
	fallsBack := d.remade && d.port.NumVFs > 0 && d.mode == switchdev && d.port.Driver != mlx5
	switch {
	case d.mode == mode && fallsBack:
		d.pf(step.Step{
			Phase: step.Eswitch, Attribute: attrMode, To: d.mode,
			Reason: "the driver may go back to legacy when the last VF is removed",
		})
	case d.mode != mode:
		s := step.Step{Phase: step.Eswitch, Attribute: attrMode, From: mode, To: d.mode, Disrupts: disruptsPort}
		if detour {
			s.Reason = "it was left only to change the steering"
		}
		d.pf(s)
	}
	d.set(step.Eswitch, attrInline, d.port.InlineMode, d.want.InlineMode)
	d.set(step.Eswitch, attrEncap, d.port.EncapMode, d.want.EncapMode)
}

// set plans an attribute of the PF which a mode change makes unknown.
func (d *differ) set(phase step.Phase, attribute, have string, want *string) {
	switch {
	case want == nil:
	case d.modeMoves:
		d.pf(step.Step{Phase: phase, Attribute: attribute, From: have, To: *want, Reason: again})
	case *want != have:
		d.pf(step.Step{Phase: phase, Attribute: attribute, From: have, To: *want})
	}
}

const again = "a change of the eswitch mode makes it unknown"

func (d *differ) functions() {
	d.set(step.Functions, attrMTU, number(d.port.MTU), numberOf(d.want.MTU))
	up := strconv.FormatBool(d.port.Up)
	if d.port.Netdev == "" {
		up = ""
	}
	d.set(step.Functions, attrUp, up, boolOf(d.want.Up))
	if d.mode != switchdev {
		return
	}
	for n := range d.vfs {
		d.planCaps(n)
		mtu, up := "", "" // unknown: the representor is made anew
		if vf, ok := d.vf(n); ok && !d.remade && !d.modeMoves && vf.Representor != nil {
			mtu, up = number(vf.Representor.MTU), strconv.FormatBool(vf.Representor.Up)
		}
		f := pci.VF(d.port.Address, n)
		if to := numberOf(d.want.VF.RepresentorMTU); to != nil && *to != mtu {
			d.add(f, step.Step{Phase: step.Functions, Attribute: attrRepMTU, From: mtu, To: *to})
		}
		if to := boolOf(d.want.VF.RepresentorUp); to != nil && *to != up {
			d.add(f, step.Step{Phase: step.Functions, Attribute: attrRepUp, From: up, To: *to})
		}
	}
}

// bind gives every VF the driver it is to have, and autoprobe its last value.
func (d *differ) bind() {
	final := d.autoprobe()
	if d.port.Address.Bus() == "pci" {
		for n := range d.vfs {
			d.bindVF(n, final)
		}
	}
	was := d.port.Autoprobe
	held := d.holdsAutoprobe()
	if final != nil && *final && was != nil && (held || !*was) {
		d.pf(step.Step{Phase: step.Bind, Attribute: attrAutoprobe, From: "false", To: "true"})
	}
}

func (d *differ) bindVF(n int, autoprobe *bool) {
	vf, existed := d.vf(n)
	now := vf.Driver
	if d.remade || d.modeMoves || d.quiets(n) {
		now = "" // removed with the VF, or by quiesce
	}
	var target, reason string
	switch {
	case d.want.VF.Driver != nil && *d.want.VF.Driver == noDriver:
	case d.want.VF.Driver != nil:
		target = *d.want.VF.Driver
	case existed && !d.abandoned(vf):
		target = vf.Driver
		reason = "it was bound to it before"
	case autoprobe != nil && *autoprobe && d.port.Driver == mlx5:
		target = d.port.Driver
		reason = "sriov_drivers_autoprobe is on"
	}
	if target == now {
		return
	}
	f := pci.VF(d.port.Address, n)
	s := step.Step{Phase: step.Bind, Attribute: attrDriver, From: now, To: target, Reason: reason}
	if s.From == "" {
		s.From = noDriver
	}
	if s.To == "" {
		s.To = noDriver
	}
	if now != "" {
		s.Disrupts = "all traffic of the VF"
	}
	d.replaced[f.String()] = true
	d.add(f, s)
}

// abandoned tells a VF that an apply made, with autoprobe held off, and was
// killed before it bound it.
func (d *differ) abandoned(vf VF) bool {
	held := d.port.Autoprobe != nil && !*d.port.Autoprobe
	return vf.Driver == "" && d.port.Driver == mlx5 && held && d.want.Autoprobe != nil && *d.want.Autoprobe
}

func (d *differ) vf(n int) (VF, bool) {
	if n < len(d.port.VFs) {
		return d.port.VFs[n], true
	}
	return VF{}, false
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func numberOf(p *int) *string {
	if p == nil {
		return nil
	}
	s := strconv.Itoa(*p)
	return &s
}

func boolOf(p *bool) *string {
	if p == nil {
		return nil
	}
	s := strconv.FormatBool(*p)
	return &s
}
