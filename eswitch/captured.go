// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

var usualMTU = step.Text(strconv.Itoa(rtlink.DefaultMTU))

// defaults are what a port has that nobody has changed. Of flow_steering_mode the driver
// chooses by the card, so there is none.
var defaults = map[string]step.Value{
	attrVFs: step.Text("0"), attrAutoprobe: step.Text("true"), attrMode: step.Text(legacy), attrInline: step.Text("none"),
	attrEncap: step.Text("basic"), attrRateGroups: step.Text(NoGroup), AttrMTU: usualMTU, AttrUp: step.Text("false"),
}

// functionDefaults are what a VF has from the start, beside what is fresh of all drivers' (attribute.fresh).
var functionDefaults = map[string]step.Value{
	attrIPsecCrypto: step.Text("false"), attrIPsecPacket: step.Text("false"), attrSpoofChk: step.Text("false"),
	attrRepMTU: usualMTU, attrRepUp: step.Text("false"),
}

// drivers are those that a profile can name.
var drivers = []string{mlx5, "vfio-pci", "mlx5_vfio_pci", noDriver}

// paramDefaults are what params have from the start of which the kernel does not tell it.
var paramDefaults = map[string]string{paramMultiport: "false"}

// capturedParams are the params of a port that are not as they are from the start, where that is known; of the others those
// that an operation in force has set: what the driver chose cannot be told from what somebody has set.
func (p Port) capturedParams(ours func(attribute string) bool) map[string]ParamValue {
	all := map[string]ParamValue{}
	for name, is := range p.Params {
		modes := map[string]string{}
		for mode, v := range is.Values {
			attribute := paramAttribute(name, mode)
			first, known := is.Defaults[mode]
			if !known {
				first, known = paramDefaults[attribute]
			}
			if known && v != first || !known && ours(attribute) {
				modes[mode] = v
			}
		}
		switch {
		case len(modes) == 0:
		case len(is.Values) == 1:
			for _, v := range modes {
				all[name] = ParamValue{Value: v}
			}
		default:
			all[name] = ParamValue{ByMode: modes}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Captured is what of a port a profile would say: what is not as it is from the start, by the names of a profile; ours are
// attributes of the port that an operation in force has set. max_io_eqs
// is not among it, for what the driver chose cannot be told from what somebody has set. The VFs' drivers always are, but for those that no profile can name.
func (p Port) Captured(ours func(attribute string) bool) PortSpec {
	s := p.Spec()
	s.ParamsAs, s.Params = nil, p.capturedParams(ours)
	for _, a := range portAttributes() {
		if f := a.field(&s); f.get() == defaults[a.name] {
			f.set(step.Absent())
		}
	}
	if s.AllRateGroups != nil {
		s.AllRateGroups, s.RateGroups = nil, p.RateGroups
	}
	for n, f := range s.Functions {
		for _, a := range functionAttributes() {
			at := a.field(&f)
			v := at.get()
			if v == a.fresh || v == functionDefaults[a.name] || a.name == attrMaxIOEQs {
				at.set(step.Absent())
			}
		}
		if f.Driver != nil && !slices.Contains(drivers, *f.Driver) {
			f.Driver = nil
		}
		s.Functions[n] = f
	}
	return s
}
