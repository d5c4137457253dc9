// SPDX-License-Identifier: Apache-2.0

package sysfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// Part is whose part a device of the auxiliary bus is.
type Part struct {
	Owner pci.Address // the PCI function; "" of a device that has gone, or is below none
	SF    *uint32     // the number (sfnum) of the scalable function that it is, or is a part of
}

// Part says whose part a device of the auxiliary bus is: mlx5 has had the
// Ethernet part of a function there since Linux 6.5, with a devlink instance of
// its own since 6.12 ("mlx5_core.eth.0"); a scalable function ("mlx5_core.sf.3",
// m5/sf/dev/dev.c) is there itself, and its Ethernet part below it.
func (s FS) Part(auxiliary string) (Part, error) {
	devices := filepath.Join(s.root(), "bus", "auxiliary", "devices")
	l, err := os.Readlink(filepath.Join(devices, auxiliary))
	if errors.Is(err, fs.ErrNotExist) {
		return Part{}, nil
	}
	if err != nil {
		return Part{}, fmt.Errorf("reading whose part %s is: %w", auxiliary, err)
	}
	var p Part
	for dir := filepath.Clean(l); dir != "." && dir != "/" && p.Owner == ""; dir = filepath.Dir(dir) {
		name := filepath.Base(dir)
		if strings.Contains(name, ".sf.") {
			n, err := sfNumber(filepath.Join(devices, name))
			if errors.Is(err, fs.ErrNotExist) {
				return Part{}, nil
			}
			if err != nil {
				return Part{}, fmt.Errorf("reading the number of the scalable function %s: %w", name, err)
			}
			p.SF = &n
			continue
		}
		if a, err := pci.ParseAddress(name); err == nil {
			p.Owner = a
		}
	}
	return p, nil
}

func sfNumber(dir string) (uint32, error) {
	b, err := os.ReadFile(filepath.Join(dir, "sfnum"))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	return uint32(n), err
}

// Owner is the PCI function that a device of the auxiliary bus is part of; "" for
// a scalable function, a part of one, or a device that has gone.
func (s FS) Owner(auxiliary string) (pci.Address, error) {
	p, err := s.Part(auxiliary)
	if err != nil || p.SF != nil {
		return "", err
	}
	return p.Owner, nil
}
