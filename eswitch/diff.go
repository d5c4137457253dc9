// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Diff is the steps that bring the ports from have to want, ordered within each
// phase, each with its effects. Ports that want does not name are left alone, and
// so is what is in use, unless opt takes it. A want that cannot be is an error; all
// such errors are found at once.
func Diff(have []Card, want map[pci.Address]PortSpec, opt step.Options) (step.Result, error) {
	ports := map[pci.Address]Port{}
	for _, c := range have {
		for _, p := range c.Ports {
			ports[p.Address] = p
		}
	}
	var all step.Result
	var errs []error
	var differs []*differ
	for _, a := range slices.Sorted(maps.Keys(want)) {
		w := want[a]
		p, ok := ports[a]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s: no card on this host has such a port: nicwright show lists those it has", pci.PF(a)))
			continue
		case w.isZero():
			continue
		case p.Err != "":
			errs = append(errs, fmt.Errorf("%s: the port cannot be read, and so nothing is planned for it: %s; see the kernel's log (dmesg), and run the same again when nicwright show has no error there", pci.PF(a), p.Err))
			continue
		}
		differs = append(differs, newDiffer(p, w, opt))
	}
	oneMultiport(have, differs)
	for _, d := range differs {
		if err := errors.Join(d.possible(), d.unused()); err != nil {
			errs = append(errs, err)
			continue
		}
		d.diff()
		all.Steps = append(all.Steps, d.steps...)
		all.Left = append(all.Left, d.left...)
	}
	if err := errors.Join(errs...); err != nil {
		return step.Result{}, err
	}
	slices.SortStableFunc(all.Steps, func(a, b step.Step) int { return int(a.Phase) - int(b.Phase) })
	return all, nil
}

// differ makes the steps of one port.
type differ struct {
	port  Port
	want  PortSpec
	opt   step.Options
	steps []step.Step
	left  []step.Left
	told  map[step.Effect]bool // effects that a step before has: each is told once

	vfs       int        // VFs wanted
	mode      string     // mode wanted
	steering  step.Value // steering wanted, absent if it stays
	multi     multiport  // of the card
	reloads   []string   // params that change, for which the driver is reloaded, as attributes
	sets      []string   // those that change without
	paramErrs []error    // what is wrong with what is wanted of them
	detour    bool       // the mode is left for a while, and comes back
	remade    bool       // all VFs are made anew
	modeMoves bool       // the mode changes, if only for a while, or the driver is reloaded
	drivers   []driver   // of the VFs wanted
}

// driver is what a VF is to be bound to, "" for none.
type driver struct {
	name, reason string
}

func newDiffer(p Port, w PortSpec, opt step.Options) *differ {
	d := &differ{port: p, want: w, opt: opt, told: map[step.Effect]bool{}}
	d.vfs, d.mode = or(w.VFs, p.NumVFs), or(w.Mode, p.Mode)
	if p.Mode == "" {
		d.mode = "" // no devlink eswitch: legacy is all there is
	}
	d.remade = d.vfs != p.NumVFs
	if w.AllRateGroups == nil && w.RateGroups != nil {
		all := groupsText(beside(w.RateGroups, p.RateGroups))
		d.want.AllRateGroups = &all
	}
	if w.Steering != nil && *w.Steering != p.Steering {
		d.steering = step.Text(*w.Steering)
	}
	d.resolve()
	// What can be done in legacy mode only: a port that stays in switchdev goes there and back.
	d.detour = d.viaLegacy() != "" && p.Mode == switchdev && d.mode == switchdev
	d.modeMoves = d.mode != p.Mode || d.detour || len(d.reloads) > 0
	for n := range max(d.vfs, 0) {
		d.drivers = append(d.drivers, d.driver(n))
	}
	return d
}

func (d *differ) diff() {
	d.quiesce()
	d.sriov()
	d.params()
	d.eswitch()
	d.functions()
	d.multiportEnds()
	d.bind()
}

func (d *differ) add(f pci.Function, s step.Step) {
	s.Domain, s.Device, s.Resource = Domain, string(d.port.Address), resource.OfFunction(f)
	if s.Action == "" {
		s.Action = step.ActionOf(s.From, s.To)
	}
	s.Effects = slices.DeleteFunc(s.Effects, func(e step.Effect) bool {
		told := d.told[e] && e.Kind != step.Stops
		d.told[e] = true
		return told
	})
	d.steps = append(d.steps, s)
}

func (d *differ) pf(s step.Step) { d.add(pci.PF(d.port.Address), s) }

func (d *differ) fn(n int) pci.Function { return pci.VF(d.port.Address, n) }

func (d *differ) vf(n int) (VF, bool) {
	if n < len(d.port.VFs) {
		return d.port.VFs[n], true
	}
	return VF{}, false
}

// quiesce unbinds the VFs that a mode change would pull the eswitch away from, and
// those of which something is set while they have no driver. Those whose count
// changes are unbound by the kernel when it removes them.
func (d *differ) quiesce() {
	for _, vf := range d.port.VFs {
		var reason string
		switch {
		case vf.Driver == "" || d.remade:
			continue
		case d.modeMoves:
			if reason = "a VF must not be bound while its eswitch changes mode"; len(d.reloads) > 0 {
				reason = "a VF must not be bound while the driver of its PF is reloaded"
			}
		default:
			name := d.quiets(vf.Index)
			if name == "" {
				continue
			}
			reason = name + " is set while the VF has no driver"
		}
		d.add(d.fn(vf.Index), step.Step{
			Phase: step.Quiesce, Attribute: attrDriver, Group: "unbind " + string(d.port.Address),
			From: step.Text(vf.Driver), To: step.Text(noDriver), Reason: reason,
			Effects: d.unbinds(vf.Index),
		})
	}
}

func (d *differ) sriov() {
	final := d.autoprobe()
	off := final != nil && !*final // wanted off for good
	hold := d.holdsAutoprobe()
	if was := d.port.Autoprobe; was != nil && *was && (off || hold) {
		s := step.Step{Phase: step.SRIOV, Attribute: attrAutoprobe, From: step.Text("true"), To: step.Text("false")}
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
			Phase: step.SRIOV, Attribute: attrVFs, From: step.Text(strconv.Itoa(from)), To: step.Text("0"), Action: step.Change,
			Reason: "the kernel changes a VF count only through 0", Effects: d.removes(),
		})
		from = 0
	}
	s := step.Step{Phase: step.SRIOV, Attribute: attrVFs, From: step.Text(strconv.Itoa(from)), To: step.Text(strconv.Itoa(d.vfs))}
	if from != 0 {
		s.Effects = d.removes()
	} else {
		s.Effects = d.makes()
	}
	d.pf(s)
}

// holdsAutoprobe tells whether autoprobe is off while VFs are made: where it is
// known which driver they will get. VFs of other drivers than mlx5_core need
// not have the PF's (igb, igbvf), and are left to the kernel.
func (d *differ) holdsAutoprobe() bool {
	known := true
	for n := range d.vfs {
		known = known && d.want.Functions[n].Driver != nil
	}
	known = known || d.port.Driver == mlx5
	return d.remade && d.vfs > 0 && known && d.port.Autoprobe != nil
}

// kernelBinds tells whether the kernel binds the VFs when it makes them.
func (d *differ) kernelBinds() bool {
	return d.remade && !d.holdsAutoprobe() && d.port.Autoprobe != nil && *d.port.Autoprobe && or(d.want.Autoprobe, true)
}

func (d *differ) autoprobe() *bool {
	if d.want.Autoprobe != nil {
		return d.want.Autoprobe
	}
	return d.port.Autoprobe
}

func (d *differ) params() {
	d.multiportOff()
	if why := d.viaLegacy(); why != "" && d.port.Mode == switchdev {
		s := step.Step{Phase: step.Params, Attribute: attrMode, From: step.Text(switchdev), To: step.Text(legacy), Reason: why, Effects: d.moves(switchdev)}
		d.pf(s)
	}
	d.metadata()
	d.driverInit()
	if !d.steering.IsAbsent() {
		d.pf(step.Step{Phase: step.Params, Attribute: attrSteering, From: word(d.port.Steering), To: d.steering})
	}
	d.atOnce()
}

func (d *differ) eswitch() {
	mode := d.port.Mode
	if d.viaLegacy() != "" && mode == switchdev {
		mode = legacy
	}
	fallsBack := d.remade && d.port.NumVFs > 0 && d.mode == switchdev && d.port.Driver != mlx5
	switch {
	case d.mode == mode && fallsBack:
		d.pf(step.Step{
			Phase: step.Eswitch, Attribute: attrMode, From: step.Unknown(), To: word(d.mode),
			Reason: "the driver may go back to legacy when the last VF is removed",
		})
	case d.mode != mode:
		s := step.Step{Phase: step.Eswitch, Attribute: attrMode, From: word(mode), To: word(d.mode), Effects: d.moves(mode)}
		if d.detour {
			if s.Reason = "it was left only to change the steering"; d.steering.IsAbsent() {
				s.Reason = "it was left only to change the params"
			}
		}
		d.pf(s)
	}
	d.setPort(step.Eswitch)
}

// again is why nobody knows what something is.
func (d *differ) again() string {
	if len(d.reloads) > 0 {
		return "a reload of the driver makes it unknown"
	}
	return "a change of the eswitch mode makes it unknown"
}

// setPort plans the attributes of the PF that belong to a phase.
func (d *differ) setPort(phase step.Phase) {
	for _, a := range portAttributes() {
		to := a.field(&d.want).get()
		if a.own || a.phase != phase || to.IsAbsent() || !a.fits(d.mode) {
			continue
		}
		s := step.Step{Phase: phase, Attribute: a.name, From: a.read(d.port), To: to}
		switch {
		case to == a.fresh && (s.From == to || s.From.IsAbsent()):
			continue
		case s.From.IsAbsent() && a.in != "": // not in this mode
		case a.lost && d.remade:
			s.From, s.Reason = step.Unknown(), "they may go with the last VF"
		case d.modeMoves:
			s.From, s.Reason = step.Unknown(), d.again()
		case s.From == to:
			continue
		}
		if text, ok := to.Get(); ok && a.effects != nil {
			s.Effects = a.effects(pci.PF(d.port.Address), text)
		}
		d.pf(s)
	}
}

func (d *differ) functions() {
	d.setPort(step.Functions)
	for n := range d.vfs {
		want := d.want.Functions[n]
		for _, a := range d.differs(n) {
			s := step.Step{Phase: a.phase, Attribute: a.name, From: d.now(n, a), To: a.field(&want).get()}
			if a.group != "" {
				s.Group = d.fn(n).String() + " " + a.group
			}
			if a.effects != nil {
				s.Effects = a.effects(d.fn(n), s.To.Str())
			}
			if s.From.IsUnknown() {
				s.Reason = "a new count makes the VF anew"
				if !d.remade {
					s.Reason = d.again()
				}
			}
			d.add(d.fn(n), s)
		}
	}
}

// now is what a VF has when the phase functions begins: one that is made anew has
// what the driver gives it, which is not known of all attributes.
func (d *differ) now(n int, a functionAttribute) step.Value {
	vf, existed := d.vf(n)
	switch {
	case !existed:
		return step.Absent()
	case a.lost && (d.remade || d.modeMoves):
		return a.fresh
	case d.remade, d.modeMoves:
		return step.Unknown()
	}
	return a.read(vf)
}

// differs are the attributes that are to be set of a VF, beside its driver.
func (d *differ) differs(n int) []functionAttribute {
	want := d.want.Functions[n]
	vf, existed := d.vf(n)
	var all []functionAttribute
	for _, a := range functionAttributes() {
		to := a.field(&want).get()
		switch {
		case a.own || to.IsAbsent() || !a.fits(d.mode) || to == d.now(n, a):
		case (d.remade || !existed) && to == a.fresh:
		// Nobody set it before, and nobody wants it set: a change of mode does not set it either.
		case existed && d.modeMoves && to == a.fresh && a.read(vf) == a.fresh:
		default:
			all = append(all, a)
		}
	}
	return all
}

// quiets is an attribute for which alone a VF is unbound, "" if there is none.
func (d *differ) quiets(n int) string {
	vf, ok := d.vf(n)
	if !ok || d.remade || d.modeMoves || vf.Driver == "" {
		return ""
	}
	for _, a := range d.differs(n) {
		if a.unbound {
			return a.name
		}
	}
	return ""
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
