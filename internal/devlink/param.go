// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Cmode says when a value of a param holds: enum devlink_param_cmode.
type Cmode uint8

// The configuration modes.
const (
	Runtime    Cmode = 0 // at once
	DriverInit Cmode = 1 // after a reload
	Permanent  Cmode = 2 // after a reset of the device; kept in its flash
)

// String is the mode as the devlink tool prints it.
func (c Cmode) String() string {
	return word([]string{"runtime", "driverinit", "permanent"}, int(c))
}

// Param is a devlink param of a device.
type Param struct {
	Name    string
	Generic bool // defined for all drivers (Documentation/networking/devlink/devlink-params.rst)
	Values  map[Cmode]string
	// Defaults are the values that there were before anybody set one, where the kernel tells (Linux 6.19:
	// of driverinit all, of the others what the driver knows).
	Defaults map[Cmode]string
	kind     uint8
}

// Type is what the kernel takes for the param: u8, u16, u32, u64, string or bool.
func (p Param) Type() string {
	switch p.kind {
	case paramTypeU8:
		return "u8"
	case paramTypeU16:
		return "u16"
	case paramTypeU32:
		return "u32"
	case paramTypeU64:
		return "u64"
	case paramTypeString:
		return "string"
	case paramTypeFlag:
		return "bool"
	}
	return fmt.Sprintf("type(%d)", p.kind)
}

// CanonicalParam is a value as Param.Values has it, of a param of a type as Param.Type
// says it; an error says that the kernel does not take such a value.
func CanonicalParam(kind, value string) (string, error) {
	bits := map[string]int{"u8": 8, "u16": 16, "u32": 32, "u64": 64}[kind]
	switch {
	case bits != 0:
		n, err := strconv.ParseUint(value, 0, bits)
		if err != nil {
			return "", fmt.Errorf("%q is not a number of %d bits", value, bits)
		}
		return strconv.FormatUint(n, 10), nil
	case kind == "bool" && value != "true" && value != "false":
		return "", fmt.Errorf("%q is neither true nor false", value)
	}
	return value, nil
}

// Param reads one param of a device. errors.Is(err, unix.EINVAL) or
// unix.EOPNOTSUPP when the driver has no such param.
func (c *Client) Param(ctx context.Context, dev Device, name string) (Param, error) {
	op := "reading the param " + name
	msgs, err := c.request(ctx, op, dev, cmdParamGet, 0, func(ae *netlink.AttributeEncoder) {
		ae.String(attrParamName, name)
	})
	if err != nil {
		return Param{}, err
	}
	if len(msgs) != 1 {
		return Param{}, newError(op, dev, fmt.Errorf("the kernel answered with %d messages, not one", len(msgs)))
	}
	p, err := parseParam(msgs[0])
	if err != nil {
		return Param{}, newError(op, dev, err)
	}
	return p, nil
}

// Params reads all params of all devices of the network namespace, in one dump. With
// an error there are those that could be understood.
func (c *Client) Params(ctx context.Context) (map[Device][]Param, error) {
	return c.ParamsOf(ctx, Device{})
}

// ParamsOf is Params of one device. A kernel before Linux 6.5 answers with all
// devices: what is there of others is no error.
func (c *Client) ParamsOf(ctx context.Context, of Device) (map[Device][]Param, error) {
	const op = "reading the params"
	msgs, err := c.request(ctx, op, of, cmdParamGet, netlink.Dump, nil)
	if err != nil {
		return nil, err
	}
	all := map[Device][]Param{}
	var errs []error
	for _, m := range msgs {
		dev, err := parseDevice(m)
		var p Param
		if err == nil {
			p, err = parseParam(m)
		}
		if err != nil {
			errs = append(errs, newError(op, dev, err))
			continue
		}
		all[dev] = append(all[dev], p)
	}
	return all, errors.Join(errs...)
}

// parseDevice is the device that a message is about.
func parseDevice(m genetlink.Message) (dev Device, err error) {
	ad, err := netlink.NewAttributeDecoder(m.Data)
	if err != nil {
		return dev, fmt.Errorf("a devlink message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case attrBusName:
			dev.Bus = ad.String()
		case attrDevName:
			dev.Name = ad.String()
		}
	}
	if err := ad.Err(); err != nil {
		return dev, fmt.Errorf("a devlink message: %w", err)
	}
	return dev, nil
}

// SetParam sets a param, written as Param.Values has it: a decimal number,
// true, false, or a string.
func (c *Client) SetParam(ctx context.Context, dev Device, name string, mode Cmode, value string) error {
	op := fmt.Sprintf("setting the param %s to %s", name, value)
	p, err := c.Param(ctx, dev, name) // tells the type
	if err != nil {
		return err
	}
	if _, ok := p.Values[mode]; !ok {
		return newError(op, dev, fmt.Errorf("the driver does not take it in mode %s", mode))
	}
	data, err := p.encode(value)
	if err != nil {
		return newError(op, dev, err)
	}
	_, err = c.request(ctx, op, dev, cmdParamSet, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) {
		ae.String(attrParamName, name)
		ae.Uint8(attrParamType, p.kind)
		ae.Uint8(attrParamValueCmode, uint8(mode))
		data(ae)
	})
	return err
}

func (p Param) encode(value string) (func(*netlink.AttributeEncoder), error) {
	number := func(bits int) (uint64, error) {
		n, err := strconv.ParseUint(value, 0, bits)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number of %d bits", value, bits)
		}
		return n, nil
	}
	switch p.kind {
	case paramTypeU8:
		n, err := number(8)
		return func(ae *netlink.AttributeEncoder) { ae.Uint8(attrParamValueData, uint8(n)) }, err
	case paramTypeU16:
		n, err := number(16)
		return func(ae *netlink.AttributeEncoder) { ae.Uint16(attrParamValueData, uint16(n)) }, err
	case paramTypeU32:
		n, err := number(32)
		return func(ae *netlink.AttributeEncoder) { ae.Uint32(attrParamValueData, uint32(n)) }, err
	case paramTypeU64:
		n, err := number(64)
		return func(ae *netlink.AttributeEncoder) { ae.Uint64(attrParamValueData, n) }, err
	case paramTypeString:
		return func(ae *netlink.AttributeEncoder) { ae.String(attrParamValueData, value) }, nil
	case paramTypeFlag:
		if !slices.Contains([]string{"true", "false"}, value) {
			return nil, fmt.Errorf("%q is neither true nor false", value)
		}
		return func(ae *netlink.AttributeEncoder) { ae.Flag(attrParamValueData, value == "true") }, nil
	}
	return nil, fmt.Errorf("the kernel gives the param a type (%d) that is not known here", p.kind)
}

func parseParam(m genetlink.Message) (Param, error) {
	p := Param{Values: map[Cmode]string{}}
	values, defaults := map[Cmode][]byte{}, map[Cmode][]byte{}
	ad, err := netlink.NewAttributeDecoder(m.Data)
	if err != nil {
		return Param{}, fmt.Errorf("a devlink param message: %w", err)
	}
	for ad.Next() {
		if ad.Type() != attrParam {
			continue
		}
		ad.Nested(func(ad *netlink.AttributeDecoder) error {
			for ad.Next() {
				switch ad.Type() {
				case attrParamName:
					p.Name = ad.String()
				case attrParamGeneric:
					p.Generic = true
				case attrParamType:
					p.kind = ad.Uint8()
				case attrParamValuesList:
					ad.Nested(func(ad *netlink.AttributeDecoder) error {
						for ad.Next() {
							if ad.Type() == attrParamValue {
								ad.Nested(func(ad *netlink.AttributeDecoder) error { return parseParamValue(ad, values, defaults) })
							}
						}
						return ad.Err()
					})
				}
			}
			return ad.Err()
		})
	}
	if err := ad.Err(); err != nil {
		return Param{}, fmt.Errorf("a devlink param message: %w", err)
	}
	for mode, data := range values {
		v, err := p.decode(data)
		if err != nil {
			return Param{}, fmt.Errorf("a devlink param message: %s: %w", p.Name, err)
		}
		p.Values[mode] = v
	}
	for mode, data := range defaults {
		v, err := p.decode(data)
		if p.kind == paramTypeFlag { // a number there, for an absent flag would be no default at all
			v, err = strconv.FormatBool(len(data) > 0 && data[0] != 0), nil
		}
		if err != nil {
			return Param{}, fmt.Errorf("a devlink param message: the default of %s: %w", p.Name, err)
		}
		if p.Defaults == nil {
			p.Defaults = map[Cmode]string{}
		}
		p.Defaults[mode] = v
	}
	return p, nil
}

func parseParamValue(ad *netlink.AttributeDecoder, values, defaults map[Cmode][]byte) error {
	var mode Cmode
	var data, first []byte // nil: absent, which is how a flag says false
	for ad.Next() {
		switch ad.Type() {
		case attrParamValueCmode:
			mode = Cmode(ad.Uint8())
		case attrParamValueData:
			data = append([]byte{}, ad.Bytes()...)
		case attrParamValueDefault:
			first = append([]byte{}, ad.Bytes()...)
		}
	}
	if err := ad.Err(); err != nil {
		return err
	}
	values[mode] = data
	if first != nil {
		defaults[mode] = first
	}
	return nil
}

func (p Param) decode(data []byte) (string, error) {
	sizes := map[uint8]int{paramTypeU8: 1, paramTypeU16: 2, paramTypeU32: 4, paramTypeU64: 8}
	switch p.kind {
	case paramTypeFlag:
		return strconv.FormatBool(data != nil), nil
	case paramTypeString:
		return cString(data), nil
	case paramTypeU8, paramTypeU16, paramTypeU32, paramTypeU64:
		if len(data) != sizes[p.kind] {
			return "", fmt.Errorf("a value of %d bytes where there should be %d", len(data), sizes[p.kind])
		}
		return strconv.FormatUint(nativeUint(data), 10), nil
	}
	return fmt.Sprintf("%x", data), nil
}
