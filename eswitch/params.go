// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// ParamValue is what a devlink param is to be: true or false, a number or a text, as
// the kernel has it, or of one that the kernel has in several configuration modes a
// value by mode. All of them are kept as text.
type ParamValue struct {
	Value  string
	ByMode map[string]string
}

// MarshalJSON is the value as a profile would have it.
func (v ParamValue) MarshalJSON() ([]byte, error) {
	if v.ByMode == nil {
		return paramJSON(v.Value)
	}
	all := map[string]json.RawMessage{}
	for mode, value := range v.ByMode {
		b, err := paramJSON(value)
		if err != nil {
			return nil, err
		}
		all[mode] = b
	}
	return json.Marshal(all)
}

// paramJSON is true, false, a number or a text: which of them the kernel wants, it says itself.
func paramJSON(value string) ([]byte, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if value == "true" || value == "false" || err == nil && strconv.FormatUint(n, 10) == value {
		return []byte(value), nil
	}
	return json.Marshal(value)
}

// UnmarshalJSON reads either form.
func (v *ParamValue) UnmarshalJSON(b []byte) (err error) {
	*v = ParamValue{}
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		v.Value, err = paramText(b)
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	v.ByMode = map[string]string{}
	for mode, value := range all {
		if string(value) == "null" { // taken away by an upper layer
			continue
		}
		if v.ByMode[mode], err = paramText(value); err != nil {
			return err
		}
	}
	return nil
}

func paramText(b []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return "", err
	}
	switch value := value.(type) {
	case bool:
		return strconv.FormatBool(value), nil
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	}
	return "", fmt.Errorf("%s is no value of a devlink param: want true, false, a number or a text", b)
}

// Param is a devlink param of a port's device as observed.
type Param struct {
	// Type is what the kernel takes: bool, u8, u16, u32, u64 or string.
	Type string `json:"type"`
	// Values are by configuration mode: runtime, driverinit (of the next reload of the driver, and most
	// often of the last), permanent (in the card's memory).
	Values map[string]string `json:"values"`
	// Defaults are those that the kernel tells (Linux 6.19).
	Defaults map[string]string `json:"defaults,omitempty"`
}

// The configuration modes, by devlink's names.
const (
	cmodeRuntime    = "runtime"
	cmodeDriverInit = "driverinit"
	cmodePermanent  = "permanent"
)

// paramsOf are the params of a PF's device but for flow_steering_mode, which has a key of its own.
func paramsOf(pf snapshot.PF) map[string]Param {
	all := map[string]Param{}
	for name, p := range pf.Params {
		if name == SteeringParam || len(p.Values) == 0 {
			continue
		}
		is := Param{Type: p.Type(), Values: byMode(p.Values), Defaults: byMode(p.Defaults)}
		all[name] = is
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func byMode(values map[devlink.Cmode]string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	all := map[string]string{}
	for mode, v := range values {
		all[mode.String()] = v
	}
	return all
}

// paramPrefix begins the attributes of steps that are params: "params NAME MODE".
const paramPrefix = "params "

func paramAttribute(name, mode string) string { return paramPrefix + name + " " + mode }

// cutParam is what is said by an attribute of a step that is a param.
func cutParam(attribute string) (name, mode string, is bool) {
	rest, is := strings.CutPrefix(attribute, paramPrefix)
	name, mode, both := strings.Cut(rest, " ")
	return name, mode, is && both
}

// IsPermanentParam tells the attributes of steps that change what is stored in a card, by which it
// does not go before it is reset.
func IsPermanentParam(attribute string) bool {
	_, mode, is := cutParam(attribute)
	return is && mode == cmodePermanent
}

// Param is the value that a port has of a param, by the attribute of a step.
func (p Port) Param(attribute string) step.Value {
	name, mode, _ := cutParam(attribute)
	v, has := p.Params[name].Values[mode]
	if !has {
		return step.Absent()
	}
	return step.Text(v)
}

// paramField is one of the params of a spec. The map is everybody's who has a copy of the
// spec, and is not written to.
type paramField struct {
	at        *map[string]string
	attribute string
}

func (f paramField) get() step.Value {
	if v, is := (*f.at)[f.attribute]; is {
		return step.Text(v)
	}
	return step.Absent()
}

func (f paramField) set(v step.Value) {
	all := maps.Clone(*f.at)
	delete(all, f.attribute)
	if s, ok := v.Get(); ok {
		if all == nil {
			all = map[string]string{}
		}
		all[f.attribute] = s
	}
	if len(all) == 0 {
		all = nil
	}
	*f.at = all
}

// withParams are portAttributes and the params that any of specs names.
func withParams(specs ...*PortSpec) []portAttribute {
	all := portAttributes()
	names := map[string]bool{}
	for _, s := range specs {
		for name := range s.ParamsAs {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, paramOf(name))
	}
	return all
}

// paramOf is a param as an attribute of a PF.
func paramOf(attribute string) portAttribute {
	return portAttribute{
		name: attribute, phase: step.Params, own: true,
		field: func(s *PortSpec) field { return paramField{&s.ParamsAs, attribute} },
		read:  func(p Port) step.Value { return p.Param(attribute) },
		write: (*Doer).writeParams,
	}
}

// paramsAs are all params of a port, by the attributes of steps.
func (p Port) paramsAs() map[string]string {
	all := map[string]string{}
	for name, is := range p.Params {
		for mode, v := range is.Values {
			all[paramAttribute(name, mode)] = v
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// resolveParams are the params that are wanted, by the attributes of steps: what a profile says, in
// the mode that the kernel has for it, and before that what was before, as far as the device has it.
func resolveParams(p Port, w PortSpec) (map[string]string, []error) {
	as := map[string]string{}
	for attribute, v := range w.ParamsAs {
		if !p.Param(attribute).IsAbsent() {
			as[attribute] = v
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(w.Params)) {
		if err := resolveParam(p, name, w.Params[name], as); err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", paramPrefix, name, err))
		}
	}
	return as, errs
}

func resolveParam(p Port, name string, v ParamValue, as map[string]string) error {
	dev := device(p.Address)
	is, has := p.Params[name]
	switch {
	case has:
	case p.DevlinkIn != "":
		return fmt.Errorf("it is wanted, and the port's devlink instance is in %s: move it back (devlink dev reload DEVICE netns 1, said there), or leave it out", p.DevlinkIn)
	case p.ParamsErr != "":
		return fmt.Errorf("it is wanted, and the params of %s cannot be read: %s", dev, p.ParamsErr)
	case len(p.Params) == 0:
		return fmt.Errorf("it is wanted, and the driver (%s) has no params here: leave it out", p.Driver)
	default:
		return fmt.Errorf("it is wanted, and the driver (%s) has no such param here: leave it out; it has %s (devlink dev param show %s)",
			p.Driver, strings.Join(slices.Sorted(maps.Keys(p.Params)), ", "), dev)
	}
	modes := slices.Sorted(maps.Keys(is.Values))
	values := v.ByMode
	if values == nil {
		if len(modes) > 1 {
			return fmt.Errorf("the kernel has it in the modes %s: say which, as in %s: {%s: %s}", strings.Join(modes, " and "), name, modes[0], v.Value)
		}
		values = map[string]string{modes[0]: v.Value}
	}
	for _, mode := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(modes, mode) {
			return fmt.Errorf("it is wanted in the mode %s, and the kernel has it in %s", mode, strings.Join(modes, " and "))
		}
		to, err := devlink.CanonicalParam(is.Type, values[mode])
		if err != nil {
			return fmt.Errorf("%w: the kernel has it as a %s", err, is.Type)
		}
		as[paramAttribute(name, mode)] = to
	}
	return nil
}
