// SPDX-License-Identifier: Apache-2.0

// Package pci names PCI functions: the identity by which nicwright knows ports
// of a card and their VFs. Netdev names change with kernels and eswitch modes;
// these do not.
package pci

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Address is a PCI function's address in sysfs form, "0000:3b:00.0" (domain of
// at least four hexadecimal digits, bus, device, function; lower case); or a
// device of the kernel's netdevsim driver, "netdevsim/netdevsim10", which
// stands in for a PF in tests.
type Address string

var (
	addressPattern   = regexp.MustCompile(`^([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$`)
	simulatedPattern = regexp.MustCompile(`^netdevsim/netdevsim(0|[1-9][0-9]{0,9})$`)
)

// Bus is the kernel's name of the bus the device is on, as in sysfs and
// devlink: "pci" or "netdevsim".
func (a Address) Bus() string {
	if bus, _, ok := strings.Cut(string(a), "/"); ok {
		return bus
	}
	return "pci"
}

// Device is the device's name on its bus: "0000:3b:00.0" or "netdevsim10".
func (a Address) Device() string {
	if _, dev, ok := strings.Cut(string(a), "/"); ok {
		return dev
	}
	return string(a)
}

// ParseAddress accepts "0000:3b:00.0" and the short "3b:00.0" (domain 0), in
// either case, and "netdevsim/netdevsim10".
func ParseAddress(s string) (Address, error) {
	a := strings.ToLower(s)
	if simulatedPattern.MatchString(a) {
		return Address(a), nil
	}
	if strings.Count(a, ":") == 1 {
		a = "0000:" + a
	}
	if !addressPattern.MatchString(a) {
		return "", fmt.Errorf("%q is not a PCI address: want domain:bus:device.function, as in 0000:3b:00.0", s)
	}
	return Address(a), nil
}

// NoVF is the VF index of a Function that is the PF itself.
const NoVF = -1

// Function is a PF, or a VF by its index below its PF. It can be named before
// the VF exists.
type Function struct {
	PF Address
	VF int // 0..126, or NoVF for the PF itself
}

// PF returns the Function that is the PF at a.
func PF(a Address) Function { return Function{PF: a, VF: NoVF} }

// VF returns the Function that is VF number n of the PF at a.
func VF(a Address, n int) Function { return Function{PF: a, VF: n} }

// IsVF tells whether f is a VF.
func (f Function) IsVF() bool { return f.VF != NoVF }

// String is the resource name used in plans: "pci/0000:3b:00.0" or
// "pci/0000:3b:00.0/vf/3". ParseFunction reads it back.
func (f Function) String() string {
	s := f.PF.Bus() + "/" + f.PF.Device()
	if f.IsVF() {
		s += "/vf/" + strconv.Itoa(f.VF)
	}
	return s
}

// MarshalText is String.
func (f Function) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is ParseFunction.
func (f *Function) UnmarshalText(b []byte) error {
	p, err := ParseFunction(string(b))
	if err != nil {
		return err
	}
	*f = p
	return nil
}

// ParseFunction reads what Function.String wrote.
func ParseFunction(s string) (Function, error) {
	rest, ok := strings.CutPrefix(s, "pci/")
	if !ok && !strings.HasPrefix(s, "netdevsim/") {
		return Function{}, fmt.Errorf("%q is not a PCI function: want pci/ADDRESS or pci/ADDRESS/vf/N", s)
	}
	addr, vf, isVF := strings.Cut(rest, "/vf/")
	a, err := ParseAddress(addr)
	if err != nil {
		return Function{}, err
	}
	if !isVF {
		return PF(a), nil
	}
	n, err := strconv.Atoi(vf)
	if err != nil || n < 0 || n > 126 {
		return Function{}, fmt.Errorf("%q: the VF index has to be 0..126", s)
	}
	return VF(a, n), nil
}
