// SPDX-License-Identifier: Apache-2.0

package profiles

import "github.com/nicwright/nicwright/eswitch"

// paramRules are of the devlink params of ports.
func paramRules() []rule {
	return []rule{
		{"NW033", "flow_steering_mode is written once: as a key of the port, or among its params", "", checkSteeringOnce},
		{
			"NW122", "esw_multiport makes one eswitch of all ports of a card: they are in switchdev, and none is in a bond, for that makes a LAG of its own",
			"drivers/net/ethernet/mellanox/mlx5/core/lag/mpesw.c, enable_mpesw", checkMultiport,
		},
	}
}

// param is what a port wants of a param, in any mode; "" where it says nothing.
func param(port *Port, name string) string {
	v, said := port.Params[name]
	if !said {
		return ""
	}
	for _, value := range v.ByMode {
		return value
	}
	return v.Value
}

func checkSteeringOnce(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if _, said := port.Params[eswitch.SteeringParam]; said && port.Steering != nil {
			report(at("params", eswitch.SteeringParam), "%s of %s is written among its params, and as a key of its own", eswitch.SteeringParam, ref)
		}
	})
}

func checkMultiport(p *Profile, report report) {
	const name = "esw_multiport"
	wants := map[string]portRef{} // by card
	p.eachPort(func(ref portRef, port *Port, _ func(...any) Position) {
		if param(port, name) == "true" {
			wants[ref.card] = ref
		}
	})
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		by, wanted := wants[ref.card]
		switch i, b := p.bondOf(ref); {
		case !wanted:
		case param(port, name) == "false":
			report(at("params", name), "%s of %s is false, and that of %s is true", name, ref, by)
		case isSet(port.Mode, "legacy"):
			report(at("eswitch-mode"), "%s of %s is true, and eswitch-mode of %s is legacy", name, by, ref)
		case b != nil:
			report(p.At("bonds", i, "members"), "%s of %s is true, and %s is in %s", name, by, ref, b.Name)
		}
	})
}

// steeringOfParams is the port's spec with flow_steering_mode where the eswitch domain has it.
func steeringOfParams(s eswitch.PortSpec) eswitch.PortSpec {
	v, said := s.Params[eswitch.SteeringParam]
	if !said {
		return s
	}
	mode := v.Value
	if runtime := v.ByMode["runtime"]; runtime != "" {
		mode = runtime
	}
	if s.Steering == nil && mode != "" {
		s.Steering = &mode
	}
	all := map[string]eswitch.ParamValue{}
	for name, v := range s.Params {
		if name != eswitch.SteeringParam {
			all[name] = v
		}
	}
	if s.Params = all; len(all) == 0 {
		s.Params = nil
	}
	return s
}
