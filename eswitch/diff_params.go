// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Params of mlx5 of which it is known when they can be set.
const (
	// Only while the eswitch has no tables: in legacy mode and without VFs (m5/eswitch_offloads.c, esw_port_metadata_set).
	paramMetadata = "params esw_port_metadata runtime"
	// Whether a function has a netdev.
	paramEth = "params enable_eth driverinit"
)

// resolve finds out which params change, and what that takes.
func (d *differ) resolve() {
	d.want.ParamsAs, d.paramErrs = resolveParams(d.port, d.want)
	for _, attribute := range slices.Sorted(maps.Keys(d.want.ParamsAs)) {
		if step.Text(d.want.ParamsAs[attribute]) == d.port.Param(attribute) || attribute == paramMultiport || attribute == paramMetadata {
			continue
		}
		if _, mode, _ := cutParam(attribute); mode == cmodeDriverInit {
			d.reloads = append(d.reloads, attribute)
		} else {
			d.sets = append(d.sets, attribute)
		}
	}
}

// setParam is the step that sets a param.
func (d *differ) setParam(attribute string, from step.Value, to string) step.Step {
	return step.Step{Phase: step.Params, Attribute: attribute, From: from, To: step.Text(to)}
}

// driverInit plans the params for which the driver is reloaded: all of them are set, and then it is, in one act.
func (d *differ) driverInit() {
	for n, attribute := range d.reloads {
		s := d.setParam(attribute, d.port.Param(attribute), d.want.ParamsAs[attribute])
		s.Group, s.Reason = "reload "+string(d.port.Address), "the driver is reloaded for it"
		if len(d.reloads) > 1 {
			s.Reason = "the driver is reloaded, once for all of them"
		}
		if n == 0 {
			s.Effects = d.reloadEffects()
		}
		d.pf(s)
	}
}

// reloadEffects are those of a reload of the PF's driver: its netdev is another afterwards (m5/main.c,
// mlx5_unload_one_devl_locked, without suspend), and VFs have no use of their functions meanwhile.
func (d *differ) reloadEffects() []step.Effect {
	pf := pci.PF(d.port.Address)
	var effects []step.Effect
	if d.port.Netdev != "" {
		effects = append(effects,
			step.Effect{Kind: step.LetGo, On: resource.OfNetdev(pf)},
			step.Effect{Kind: step.Remade, On: resource.OfNetdev(pf), For: step.Apply})
	}
	return append(effects, step.Stop(resource.OfFunction(pf), step.Moment, "all traffic of the port and its VFs"))
}

// atOnce plans the params that are set without a reload.
func (d *differ) atOnce() {
	for _, attribute := range d.sets {
		s := d.setParam(attribute, d.port.Param(attribute), d.want.ParamsAs[attribute])
		if IsPermanentParam(attribute) {
			s.Reason = AfterReset(d.port.Address)
		}
		d.pf(s)
	}
}

// AfterReset says when what is stored in a card holds.
func AfterReset(a pci.Address) string {
	return fmt.Sprintf("it is stored in the card, which goes by it after a reboot of the host or a reset of the firmware (devlink dev reload %s action fw_activate)", device(a))
}

// metadata plans esw_port_metadata in the phase in which the eswitch has no tables.
func (d *differ) metadata() {
	to, changes := d.metadataChanges()
	phase, can := d.metadataPhase()
	switch {
	case !changes:
		return
	case !can: // what was before: a profile that says it is refused
		d.left = append(d.left, step.Left{
			Resource: resource.OfFunction(pci.PF(d.port.Address)), Attribute: paramMetadata,
			Reason: "it was " + to + " before, and it can be changed only while the port has no VFs and is in legacy mode",
		})
		return
	}
	s := d.setParam(paramMetadata, d.port.Param(paramMetadata), to)
	s.Phase = phase
	d.pf(s)
}

func (d *differ) metadataChanges() (to string, changes bool) {
	to, said := d.want.ParamsAs[paramMetadata]
	return to, said && step.Text(to) != d.port.Param(paramMetadata)
}

// metadataPhase is when esw_port_metadata can be set on the way of the plan, if ever.
func (d *differ) metadataPhase() (step.Phase, bool) {
	switch {
	case d.port.NumVFs == 0 && d.port.Mode != switchdev:
		return step.Quiesce, true
	case d.vfs == 0 && d.mode != switchdev:
		return step.Functions, true
	case d.vfs == 0 && d.port.NumVFs == 0:
		return step.Params, true
	}
	return 0, false
}

// paramsPossible says what of the params cannot be, beside what cannot be said of any.
func (d *differ) paramsPossible() []error {
	errs := slices.Clone(d.paramErrs)
	_, said := d.want.Params["esw_port_metadata"]
	if to, changes := d.metadataChanges(); changes && said {
		if _, can := d.metadataPhase(); !can {
			errs = append(errs, fmt.Errorf("params esw_port_metadata: %s wanted, and it can be changed only while the port has no VFs and is in legacy mode: apply vfs: 0 and eswitch-mode: legacy first, or leave it out", to))
		}
	}
	if _, said := d.want.Params["esw_multiport"]; said && d.multi.to == "true" && d.multi.legacy != "" {
		errs = append(errs, fmt.Errorf("params esw_multiport: true wanted, and it takes all ports of the card in switchdev mode, and %s is not to be: set eswitch-mode of it to switchdev, or leave esw_multiport out", d.multi.legacy))
	}
	if len(d.reloads) == 0 {
		return errs
	}
	switch {
	case d.port.NetdevIn != "":
		errs = append(errs, fmt.Errorf("%s: the port's netdev is in %s, and the reload of the driver that this takes would make it again here: move it back (ip link set NETDEV netns 1, said there), or leave it out",
			d.reloading(), d.port.NetdevIn))
	case slices.Contains(d.reloads, paramEth) && d.want.ParamsAs[paramEth] == "false":
		errs = append(errs, errors.New("params enable_eth: false wanted, and a port without it has no netdev, of which nothing else could be said: leave it out"))
	}
	return errs
}

// reloading names the params for which the driver is reloaded.
func (d *differ) reloading() string {
	var names []string
	for _, attribute := range d.reloads {
		name, _, _ := cutParam(attribute)
		names = append(names, name)
	}
	return paramPrefix + strings.Join(names, ", ")
}

// viaLegacy is why a port that is in switchdev goes through legacy mode, "" if it need not.
func (d *differ) viaLegacy() string {
	phase, can := d.metadataPhase()
	_, metadata := d.metadataChanges()
	switch {
	case !d.steering.IsAbsent():
		return attrSteering + " can be changed in legacy mode only"
	case len(d.reloads) > 0:
		return "the driver is reloaded, which puts the eswitch into legacy mode"
	case metadata && can && phase == step.Params:
		return "esw_port_metadata can be changed in legacy mode only"
	}
	return ""
}

// moving is what the VFs and the eswitch are disturbed for, in words.
func (d *differ) moving() string {
	switch {
	case !d.steering.IsAbsent():
		return fmt.Sprintf("%s from %s to %s, which goes through legacy mode,", attrSteering, d.port.Steering, d.steering)
	case len(d.reloads) > 0:
		return d.reloading() + ", for which the driver is reloaded,"
	case d.viaLegacy() != "" && d.mode == d.port.Mode:
		return "params esw_port_metadata, which goes through legacy mode,"
	}
	return fmt.Sprintf("%s from %s to %s", attrMode, d.port.Mode, d.mode)
}
