// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// Diff is the steps from have to want, in a plan whose other steps have the
// effects. A function that will have no netdev here when the plan is done has no
// steps: what is wanted of it is left, with the reason. A feature that is fixed
// the other way on a netdev that stays is an error that says why it can be so.
func Diff(have map[pci.Function]State, want map[pci.Function]Spec, effects step.Effects, _ step.Options) (step.Result, error) {
	functions := make([]pci.Function, 0, len(want))
	for fn := range want {
		functions = append(functions, fn)
	}
	slices.SortFunc(functions, func(a, b pci.Function) int {
		return resource.Compare(resource.OfFunction(a), resource.OfFunction(b))
	})
	var result step.Result
	var errs []error
	becomes := effects.Fates()
	for _, fn := range functions {
		spec := want[fn]
		d := differ{fn: fn, state: have[fn], fate: becomes[fn]}
		if why := snapshot.WithoutNetdev(d.fate, d.state.Netdev, d.state.Absent, "its offload switches"); why != "" {
			if names := spec.set(); len(names) > 0 {
				result.Left = append(result.Left, step.Left{Resource: resource.OfNetdev(fn), Attribute: strings.Join(names, ", "), Reason: why})
			}
			continue
		}
		steps, err := d.steps(spec)
		result.Steps, errs = append(result.Steps, steps...), append(errs, err)
	}
	return result, errors.Join(errs...)
}

// differ compares one function.
type differ struct {
	fn    pci.Function
	state State
	fate  step.Fate
}

// steps are those of a function that will have a netdev.
func (d differ) steps(spec Spec) ([]step.Step, error) {
	before := Spec{}
	if spec.Before != nil {
		before = *spec.Before
	}
	var steps []step.Step
	var errs []error
	for _, name := range featureNames {
		on, asked := *spec.field(name), true
		if on == nil {
			on, asked = *before.field(name), false
		}
		if on == nil {
			continue
		}
		s, err := d.step(name, *on, asked)
		if err != nil {
			errs = append(errs, err)
		} else if s != nil {
			steps = append(steps, *s)
		}
	}
	return steps, errors.Join(errs...)
}

// step is the one of a switch, or nil; asked tells that the profile asks for it.
func (d differ) step(name string, on, asked bool) (*step.Step, error) {
	s := step.Step{
		Phase: step.Offload, Domain: Domain, Device: string(d.fn.PF), Group: "offload " + string(d.fn.PF),
		Resource: resource.OfNetdev(d.fn), Attribute: name, To: step.Text(onOff(on)),
	}
	f, known := d.state.Features[name]
	switch {
	case d.fate.Last == step.Remade:
		if s.Reason = "its netdev is made again"; d.state.Netdev == "" {
			s.Reason = "its netdev is made"
		} else {
			s.From = step.Unknown()
		}
	case d.fate.Reset:
		s.From, s.Reason = step.Unknown(), "the driver's defaults come back"
	case known && f.Active == on:
		return nil, nil
	case known && f.Fixed && asked:
		return nil, fmt.Errorf("%s %s: %s is wanted, but it is fixed %s there: %s", d.fn, name, onOff(on), onOff(f.Active), whyFixed(d.fn, name))
	case known && f.Fixed:
		return nil, nil
	case known:
		s.From = step.Text(f.text())
	case asked:
		return nil, fmt.Errorf("%s %s: %s is wanted, and this kernel has no such feature (ethtool -k): leave it out of the profile", d.fn, name, onOff(on))
	default:
		return nil, nil
	}
	if !asked {
		s.Reason = strings.TrimPrefix(s.Reason+", and it was so before", ", and ")
	}
	s.Action = step.ActionOf(s.From, s.To)
	return &s, nil
}

// whyFixed says what is known to fix a feature, and what to do.
func whyFixed(fn pci.Function, name string) string {
	switch {
	case name == featESP:
		return "mlx5 has ESP offload always on or not at all (m5/en_accel/ipsec.c): the kernel's mlx5_core was built without MLX5_EN_IPSEC, or the card has no crypto; leave it out of the profile"
	case (name == featTLSTx || name == featTLSRx) && !fn.IsVF():
		return "an uplink in switchdev cannot offload TLS (NW101: m5/en_main.c mlx5e_fix_uplink_rep_features); put it on the VFs, or stay in legacy mode. In legacy mode: the kernel's mlx5_core was built without MLX5_EN_TLS, or the card has no crypto for this direction"
	case name == featTLSTx || name == featTLSRx:
		return "the kernel's mlx5_core was built without MLX5_EN_TLS (Debian's is), or the card has no crypto for this direction on this function; leave it out of the profile, or use such a kernel"
	}
	return "the driver does not let it be changed; leave it out of the profile"
}
