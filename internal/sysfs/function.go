// SPDX-License-Identifier: Apache-2.0

package sysfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// VF is the address of VF number n of a PF, by its virtfnN link alone.
// errors.Is(err, fs.ErrNotExist) when there is none.
func (s FS) VF(pf pci.Address, n int) (pci.Address, error) {
	l, err := os.Readlink(filepath.Join(s.Dir(pf), fmt.Sprintf("virtfn%d", n)))
	if err != nil {
		return "", fmt.Errorf("reading VF %d of %s: %w", n, pf, err)
	}
	return pci.ParseAddress(filepath.Base(l))
}

// HasNet tells whether the driver has made a netdev for the device, in whatever
// network namespace that is: the directory is there for all of them, and what is
// in it is shown by namespace.
func (s FS) HasNet(a pci.Address) bool {
	_, err := os.Stat(filepath.Join(s.Dir(a), "net"))
	return err == nil
}

// WithoutNet tells whether the device's driver could not make its netdev: mlx5_core leaves that to a part of the
// device that it splits off, mlx5_core.eth.N, and stays bound where that part's driver fails
// (drivers/net/ethernet/mellanox/mlx5/core/dev.c, add_adev).
func (s FS) WithoutNet(a pci.Address) bool {
	parts, err := filepath.Glob(filepath.Join(s.Dir(a), "mlx5_core.eth.*"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(parts, func(part string) bool {
		_, err := os.Lstat(filepath.Join(part, "driver"))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// VFIO is the names below /dev/vfio by which a process holds the device: its
// IOMMU group ("12", "noiommu-0") and, where the kernel makes them, its own
// device ("devices/vfio3").
func (s FS) VFIO(a pci.Address) ([]string, error) {
	var names []string
	l, err := os.Readlink(filepath.Join(s.Dir(a), "iommu_group"))
	switch {
	case err == nil:
		n := filepath.Base(l)
		names = append(names, n, "noiommu-"+n)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading the IOMMU group of %s: %w", a, err)
	}
	entries, err := os.ReadDir(filepath.Join(s.Dir(a), "vfio-dev"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the vfio device of %s: %w", a, err)
	}
	for _, e := range entries {
		names = append(names, filepath.Join("devices", e.Name()))
	}
	return names, nil
}

// Uppers are the netdevs on top of a netdev of the device: VLANs, macvlans, its
// master. None of one that has gone.
func (s FS) Uppers(a pci.Address, netdev string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.Dir(a), "net", netdev))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading what is on top of %s: %w", netdev, err)
	}
	var uppers []string
	for _, e := range entries {
		if u, ok := strings.CutPrefix(e.Name(), "upper_"); ok {
			uppers = append(uppers, u)
		}
	}
	return uppers, nil
}

// Speed of a netdev of the device in Mbit/s, 0 where it is not known: while the
// link is down the file cannot be read, or says -1.
func (s FS) Speed(a pci.Address, netdev string) int {
	n, err := s.Int(a, filepath.Join("net", netdev, "speed"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// SimulatedVFs is how many VFs a device of netdevsim can have, from debugfs; where
// that is not mounted NSIM_BUS_DEV_MAX_VFS (drivers/net/netdevsim/netdevsim.h).
func (s FS) SimulatedVFs(a pci.Address) int {
	const builtIn = 4
	b, err := os.ReadFile(filepath.Join(s.root(), "kernel/debug/netdevsim", a.Device(), "max_vfs"))
	if err != nil {
		return builtIn
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return builtIn
	}
	return n
}
