// SPDX-License-Identifier: Apache-2.0

// Package sysfs reads and writes what the kernel says of PCI functions below
// /sys: ids, drivers, SR-IOV, vital product data. What it means is left to
// others.
package sysfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// FS is a sysfs. The zero value is the one mounted on /sys.
type FS struct {
	Root string // "" is /sys
}

func (s FS) root() string {
	if s.Root == "" {
		return "/sys"
	}
	return s.Root
}

// Dir is the directory of a device: /sys/bus/pci/devices/0000:3b:00.0.
func (s FS) Dir(a pci.Address) string {
	return filepath.Join(s.root(), "bus", a.Bus(), "devices", a.Device())
}

// Exists tells whether the device is there.
func (s FS) Exists(a pci.Address) bool {
	_, err := os.Stat(s.Dir(a))
	return err == nil
}

// Devices lists the devices of a bus ("pci", "netdevsim"), by address; none if
// the kernel has no such bus.
func (s FS) Devices(bus string) ([]pci.Address, error) {
	entries, err := os.ReadDir(filepath.Join(s.root(), "bus", bus, "devices"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the devices on the %s bus: %w", bus, err)
	}
	var out []pci.Address
	for _, e := range entries {
		name := e.Name()
		if bus != "pci" {
			name = bus + "/" + name
		}
		if a, err := pci.ParseAddress(name); err == nil {
			out = append(out, a)
		}
	}
	return out, nil
}

// String reads an attribute of a device, without the newline. errors.Is(err,
// fs.ErrNotExist) if the device or the attribute is not there.
func (s FS) String(a pci.Address, attr string) (string, error) {
	b, err := os.ReadFile(filepath.Join(s.Dir(a), attr))
	if err != nil {
		return "", fmt.Errorf("reading %s of %s: %w", attr, a, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Int reads a number, decimal or with 0x before it.
func (s FS) Int(a pci.Address, attr string) (int, error) {
	v, err := s.String(a, attr)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s of %s: %q is not a number", attr, a, v)
	}
	return int(n), nil
}

// Write writes an attribute of a device. The kernel does what it means before
// Write returns.
func (s FS) Write(a pci.Address, attr, value string) error {
	return write(filepath.Join(s.Dir(a), attr), value)
}

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("writing %q: %w", value, err)
	}
	// One write: sysfs takes each write as a whole value.
	if _, err := f.WriteString(value); err != nil {
		return errors.Join(fmt.Errorf("writing %q: %w", value, err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %q: %w", value, err)
	}
	return nil
}

// Driver is the name of the driver that the device is bound to, "" for none.
func (s FS) Driver(a pci.Address) (string, error) {
	l, err := os.Readlink(filepath.Join(s.Dir(a), "driver"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the driver of %s: %w", a, err)
	}
	return filepath.Base(l), nil
}

// HasDriver tells whether the kernel has a driver of this name for the bus of a.
func (s FS) HasDriver(a pci.Address, driver string) bool {
	_, err := os.Stat(filepath.Join(s.root(), "bus", a.Bus(), "drivers", driver))
	return err == nil
}

// Bind binds the device to a driver; the driver has probed it when Bind returns.
func (s FS) Bind(a pci.Address, driver string) error {
	return write(filepath.Join(s.root(), "bus", a.Bus(), "drivers", driver, "bind"), a.Device())
}

// Unbind takes the device from its driver.
func (s FS) Unbind(a pci.Address) error {
	return write(filepath.Join(s.Dir(a), "driver", "unbind"), a.Device())
}

// SetOverride sets driver_override: only that driver will take the device; ""
// undoes it.
func (s FS) SetOverride(a pci.Address, driver string) error {
	return s.Write(a, "driver_override", driver+"\n") // a lone newline clears it (drivers/base/driver.c driver_set_override)
}

// Override is the device's driver_override, "" for none.
func (s FS) Override(a pci.Address) (string, error) {
	v, err := s.String(a, "driver_override")
	if v == "(null)" {
		v = ""
	}
	return v, err
}

// VFs lists the addresses of a PF's VFs by index, from its virtfnN links. A VF
// that is not there is "".
func (s FS) VFs(pf pci.Address) ([]pci.Address, error) {
	entries, err := os.ReadDir(s.Dir(pf))
	if err != nil {
		return nil, fmt.Errorf("listing the VFs of %s: %w", pf, err)
	}
	byIndex := map[int]pci.Address{}
	var indexes []int
	for _, e := range entries {
		num, ok := strings.CutPrefix(e.Name(), "virtfn")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(num)
		if err != nil {
			continue
		}
		l, err := os.Readlink(filepath.Join(s.Dir(pf), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went away between the two looks
		}
		if err != nil {
			return nil, fmt.Errorf("reading VF %d of %s: %w", n, pf, err)
		}
		a, err := pci.ParseAddress(filepath.Base(l))
		if err != nil {
			return nil, fmt.Errorf("reading VF %d of %s: %w", n, pf, err)
		}
		byIndex[n] = a
		indexes = append(indexes, n)
	}
	if len(indexes) == 0 {
		return nil, nil
	}
	sort.Ints(indexes)
	out := make([]pci.Address, indexes[len(indexes)-1]+1)
	for n, a := range byIndex {
		out[n] = a
	}
	return out, nil
}

// PhysFn is the PF of a VF, "" if the device is not a VF.
func (s FS) PhysFn(a pci.Address) (pci.Address, error) {
	l, err := os.Readlink(filepath.Join(s.Dir(a), "physfn"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the PF of %s: %w", a, err)
	}
	return pci.ParseAddress(filepath.Base(l))
}
