// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A VF that a machine gets by vfio-pci: the answer has its IOMMU group as the kernel shows it, who
// has the group open holds the VF, and released it is its driver's again.
func TestVFLeaseVFIO(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "leases.yaml")
	witness(t, "modprobe", "-a", "vfio-pci", "vfio_iommu_type1")
	expect(t, exitDone, "apply", "-p", profile)
	a := leased(t, "--network", "tenants", "--vm", "web1", "--driver", "vfio-pci")
	if a.Driver != "vfio-pci" || driverOf(t, a.Address) != "vfio-pci" || vfByIP(t, a.Address).mac() != a.MAC {
		t.Errorf("the VF has the driver %s, ip says %+v, and the answer is %+v", driverOf(t, a.Address), vfByIP(t, a.Address), a)
	}
	to, err := os.Readlink("/sys/bus/pci/devices/" + a.Address + "/iommu_group")
	if err != nil {
		t.Fatal(err)
	}
	group := filepath.Base(to)
	if a.IOMMUGroup == nil || itoa(*a.IOMMUGroup) != group {
		t.Errorf("the answer has the IOMMU group %v, and the kernel %s", a.IOMMUGroup, group)
	}
	if s := states(t)[a.Address]; s.State != "leased" || len(s.HeldBy) != 0 {
		t.Errorf("held by nobody it is listed as %+v", s)
	}
	expect(t, exitDone, "plan", "-p", profile)

	f, err := os.OpenFile("/dev/vfio/"+group, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	}()
	me := "process " + itoa(os.Getpid()) + " ("
	if s := states(t)[a.Address]; s.State != "leased" || len(s.HeldBy) != 1 || !strings.HasPrefix(s.HeldBy[0], me) {
		t.Errorf("held by %s...) it is listed as %+v", me, s)
	}
	if r := expect(t, exitError, "vf", "release", "web1"); !strings.Contains(r.stderr, me) || driverOf(t, a.Address) != "vfio-pci" {
		t.Errorf("released while it is held: %s", r.stderr)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, exitDone, "vf", "release", "web1")
	assertFree(t, a)
	if got, err := os.ReadFile("/sys/bus/pci/devices/" + a.Address + "/driver_override"); err != nil || strings.TrimSpace(string(got)) != "(null)" {
		t.Errorf("released, its driver_override is %q, %v", got, err)
	}
	expect(t, exitDone, "plan", "-p", profile)
	remove(t, profile)
}
