// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// Diff is the steps from have to want, in a plan whose other steps have the effects. A
// function that will have no netdev here when the plan is done has no steps: what is wanted
// of it is left, with the reason. What the kernel is known to refuse is an error.
func Diff(have map[pci.Function]State, want map[pci.Function]Want, effects step.Effects, _ step.Options) (step.Result, error) {
	functions := slices.SortedFunc(maps.Keys(want), func(a, b pci.Function) int {
		return resource.Compare(resource.OfFunction(a), resource.OfFunction(b))
	})
	var result step.Result
	var errs []error
	becomes := effects.Fates()
	for _, fn := range functions {
		d := differ{fn: fn, state: have[fn], fate: becomes[fn], want: want[fn]}
		if why := snapshot.WithoutNetdev(d.fate, d.state.Netdev, d.state.Absent, "it"); why != "" {
			if names := slices.SortedFunc(maps.Keys(d.want.Values), order); len(names) > 0 {
				result.Left = append(result.Left, step.Left{Resource: resource.OfNetdev(fn), Attribute: strings.Join(names, ", "), Reason: why})
			}
			continue
		}
		names := slices.AppendSeq(slices.Collect(maps.Keys(d.want.Values)), maps.Keys(d.want.Before))
		slices.SortFunc(names, order)
		for _, name := range names {
			s, err := d.step(name)
			if errs = append(errs, err); s != nil {
				result.Steps = append(result.Steps, *s)
			}
		}
	}
	slices.SortStableFunc(result.Steps, func(a, b step.Step) int { return int(a.Phase) - int(b.Phase) })
	return result, errors.Join(errs...)
}

// differ compares one function.
type differ struct {
	fn    pci.Function
	state State
	fate  step.Fate
	want  Want
}

// step is the one of an attribute, or nil.
func (d differ) step(name string) (*step.Step, error) {
	a, known := find(name)
	if !known {
		return nil, fmt.Errorf("%s: the tuning domain has no attribute %q: is the plan from another version of nicwright?", d.fn, name)
	}
	to, asked := d.want.Values[name]
	if !asked {
		to = d.want.Before[name]
	}
	s := step.Step{
		Phase: step.Functions, Domain: Domain, Device: string(d.fn.PF), Group: Domain + " " + string(d.fn.PF),
		Resource: resource.OfNetdev(d.fn), Attribute: name, To: step.Text(to),
	}
	if d.fn.IsVF() { // its netdev comes with its driver
		s.Phase = step.Offload
	}
	is, has := d.state.Values[name]
	fixed, isFixed := d.state.Fixed[name]
	again := d.fate.Last == step.Remade
	switch {
	case again && d.state.Netdev == "":
		s.Reason = "its netdev is made"
	case again:
		s.From, s.Reason = step.Unknown(), "its netdev is made again"
	case d.fate.Reset:
		s.From, s.Reason = step.Unknown(), "the driver's defaults come back"
	case has && is == to, isFixed && fixed == to:
		return nil, nil
	case !asked && (!has || isFixed): // what it is now has it not
		return nil, nil
	case isFixed:
		return nil, fmt.Errorf("%s: %s: %s is wanted, but the driver of %s has it fixed %s (ethtool -k): leave it out of the profile", d.fn, name, to, d.state.Netdev, fixed)
	case !has:
		return nil, fmt.Errorf("%s: %s: %s is wanted, but the driver of %s has no such setting (%s): leave it out of the profile", d.fn, name, to, d.state.Netdev, a.shown())
	default:
		s.From = step.Text(is)
		s.Effects = d.effects(a)
	}
	if err := d.most(a, to, asked); err != nil {
		return nil, err
	}
	if !asked {
		s.Reason = strings.TrimPrefix(s.Reason+", and it was so before", ", and ")
	}
	s.Action = step.ActionOf(s.From, s.To)
	return &s, nil
}

// most refuses what the kernel says is too much. How many channels there can be goes with
// the function's event queues, which a netdev that is made again may have others of.
func (d differ) most(a attribute, to string, asked bool) error {
	most, said := d.state.Most[a.name]
	n, err := strconv.Atoi(to)
	if !said || err != nil || n <= most || !asked || a.setting == ethtool.Channels && d.fate.Last == step.Remade {
		return nil
	}
	return fmt.Errorf("%s: %s: %d is wanted, but the kernel says that %s takes %d at most (%s): lower it", d.fn, a.name, n, d.state.Netdev, most, a.shown())
}

// effects of a change on a netdev that is in use.
func (d differ) effects(a attribute) []step.Effect {
	whose := "all traffic of the VF"
	if !d.fn.IsVF() {
		whose = "all traffic of the port's netdev"
	}
	stop := step.Stop(resource.OfFunction(d.fn), step.Moment, whose)
	switch {
	case a.bounces:
		stop.Whose = "all traffic of the port and its VFs"
		return []step.Effect{{Kind: step.Bounces, On: resource.OfNetdev(d.fn), For: step.Moment}, stop}
	case a.stops || a.setting == ethtool.PrivateFlags:
		return []step.Effect{stop}
	}
	return nil
}

// shown is the command that shows an attribute.
func (a attribute) shown() string {
	switch a.setting {
	case "":
		return "ip -d link show"
	case ethtool.Rings:
		return "ethtool -g"
	case ethtool.Channels:
		return "ethtool -l"
	case ethtool.Coalesce:
		return "ethtool -c"
	case ethtool.Pause:
		return "ethtool -a"
	case ethtool.FEC:
		return "ethtool --show-fec"
	case ethtool.PrivateFlags:
		return "ethtool --show-priv-flags"
	}
	return "ethtool -k"
}
