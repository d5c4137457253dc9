// SPDX-License-Identifier: Apache-2.0

package sysfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/pci"
)

// tree makes a sysfs with a PF, its VFs 0 and 2, and a part of the PF on the
// auxiliary bus.
func tree(t *testing.T) FS {
	t.Helper()
	root := t.TempDir()
	dir := func(p ...string) string {
		d := filepath.Join(append([]string{root}, p...)...)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		return d
	}
	link := func(to, name string) {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	pfDir := dir("devices", "0000:3b:00.0")
	dir("devices", "0000:3b:00.2")
	dir("devices", "0000:3b:00.4")
	dir("bus", "pci", "drivers", "mlx5_core")
	devices := dir("bus", "pci", "devices")
	for _, a := range []string{"0000:3b:00.0", "0000:3b:00.2", "0000:3b:00.4"} {
		link("../../../devices/"+a, filepath.Join(devices, a))
	}
	link("../0000:3b:00.2", filepath.Join(pfDir, "virtfn0"))
	link("../0000:3b:00.4", filepath.Join(pfDir, "virtfn2"))
	link("../0000:3b:00.0", filepath.Join(root, "devices/0000:3b:00.4/physfn"))
	link("../../bus/pci/drivers/mlx5_core", filepath.Join(pfDir, "driver"))
	aux := dir("bus", "auxiliary", "devices")
	link("../../../devices/pci0000:3a/0000:3b:00.0/mlx5_core.eth.0", filepath.Join(aux, "mlx5_core.eth.0"))
	link("../../../devices/pci0000:3a/0000:3b:00.0/mlx5_core.sf.3/mlx5_core.eth.4", filepath.Join(aux, "mlx5_core.eth.4"))
	for name, v := range map[string]string{"sriov_numvfs": "3\n", "vendor": "0x15b3\n", "driver_override": "(null)\n"} {
		if err := os.WriteFile(filepath.Join(pfDir, name), []byte(v), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return FS{Root: root}
}

func TestFunctionsAndTheirVFs(t *testing.T) {
	s := tree(t)
	const pf = pci.Address("0000:3b:00.0")
	vfs, err := s.VFs(pf)
	if d := cmp.Diff([]pci.Address{"0000:3b:00.2", "", "0000:3b:00.4"}, vfs); err != nil || d != "" {
		t.Errorf("VFs: %v (-want +got)\n%s", err, d)
	}
	if got, err := s.PhysFn("0000:3b:00.4"); err != nil || got != pf {
		t.Errorf("PhysFn of a VF: %q, %v", got, err)
	}
	if got, err := s.PhysFn(pf); err != nil || got != "" {
		t.Errorf("PhysFn of a PF: %q, %v", got, err)
	}
	if got, err := s.Driver(pf); err != nil || got != "mlx5_core" {
		t.Errorf("Driver: %q, %v", got, err)
	}
	if got, err := s.Driver("0000:3b:00.2"); err != nil || got != "" {
		t.Errorf("Driver of an unbound VF: %q, %v", got, err)
	}
	if got, err := s.Override(pf); err != nil || got != "" {
		t.Errorf("Override: %q, %v", got, err)
	}
	if n, err := s.Int(pf, "sriov_numvfs"); err != nil || n != 3 {
		t.Errorf("Int: %d, %v", n, err)
	}
	if _, err := s.Int(pf, "sriov_totalvfs"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an attribute that is not there: %v", err)
	}
	if got, err := s.Owner("mlx5_core.eth.0"); err != nil || got != pf {
		t.Errorf("Owner: %q, %v", got, err)
	}
	if got, err := s.Owner("mlx5_core.eth.4"); err != nil || got != "" {
		t.Errorf("Owner of a scalable function's part: %q, %v", got, err)
	}
	if err := s.Write(pf, "sriov_numvfs", "0"); err != nil {
		t.Error(err)
	}
	if err := s.Write(pf, "nothing", "0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("writing an attribute that is not there: %v", err)
	}
}

func vpd(product string, keywords ...string) []byte {
	b := append([]byte{vpdID, byte(len(product)), 0}, product...)
	var ro []byte
	for i := 0; i < len(keywords); i += 2 {
		ro = append(ro, keywords[i]...)
		ro = append(append(ro, byte(len(keywords[i+1]))), keywords[i+1]...)
	}
	b = append(append(b, vpdReadOnly, byte(len(ro)), 0), ro...)
	return append(b, vpdEnd)
}

func TestParseVPD(t *testing.T) {
	good := vpd("ConnectX-6 Dx EN ", "PN", "MCX623106AN-CDAT", "EC", "A1", "SN", "MT2233X00001  ")
	want := VPD{Product: "ConnectX-6 Dx EN", PartNumber: "MCX623106AN-CDAT", Serial: "MT2233X00001"}
	if got, err := ParseVPD(append(good, 0xff, 0xff)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for name, b := range map[string][]byte{
		"cut in a tag": {vpdID, 4}, "cut in a resource": {vpdID, 4, 0, 'a'},
		"a keyword too long": {vpdReadOnly, 4, 0, 'S', 'N', 9, 'x'},
	} {
		if _, err := ParseVPD(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseVPD(f *testing.F) {
	f.Add(vpd("card", "PN", "1", "SN", "2"))
	f.Add([]byte{vpdID, 4})
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ParseVPD(b) })
}

// A driver that stays bound without its netdev is told from one that has made it, wherever that is.
func TestWithoutNet(t *testing.T) {
	s := tree(t)
	part := filepath.Join(s.Dir("0000:3b:00.4"), "mlx5_core.eth.5")
	want := func(want bool, what string) {
		t.Helper()
		if got := s.WithoutNet("0000:3b:00.4"); got != want {
			t.Errorf("%s: %t", what, got)
		}
	}
	want(false, "no part of it makes a netdev, as with enable_eth off")
	if err := os.MkdirAll(part, 0o755); err != nil {
		t.Fatal(err)
	}
	want(true, "the part has no driver")
	if err := os.Symlink("../../../../bus/auxiliary/drivers/mlx5_core.eth", filepath.Join(part, "driver")); err != nil {
		t.Fatal(err)
	}
	want(false, "the part has its driver")
}
