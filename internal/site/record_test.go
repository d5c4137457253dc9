// SPDX-License-Identifier: Apache-2.0

package site

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/sysfs"
)

func TestRecordReadsBack(t *testing.T) {
	want := []record{
		{Function: pci.VF("0001:3b:00.0", 1), Up: true, MTU: 9000, Master: 7, Addresses: []string{"192.0.2.77/24"}},
		{Function: pci.VF("0001:3b:00.0", 2), MTU: 1500},
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parse([]byte("{")); err == nil {
		t.Error("half a record was read")
	}
	if _, err := parse([]byte(`[{"up":true}]`)); err == nil {
		t.Error("a record of no VF was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"function":"pci/0001:3b:00.0/vf/1","up":true,"mtu":9000}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := parse(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(records)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again); err != nil {
			t.Errorf("%s was read, and %s was not: %v", b, again, err)
		}
	})
}

// A function that has ceased to be, or has no driver, has nothing to be put back.
func TestGone(t *testing.T) {
	root := t.TempDir()
	const pf = "0000:3b:00.0"
	devices := filepath.Join(root, "bus/pci/devices")
	for _, d := range []string{pf, "0000:3b:00.2", "0000:3b:00.3"} {
		if err := os.MkdirAll(filepath.Join(devices, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		pf + "/virtfn0": "../0000:3b:00.2", pf + "/virtfn1": "../0000:3b:00.3",
		"0000:3b:00.2/driver": "../../../drivers/mlx5_core", pf + "/driver": "../../../drivers/mlx5_core",
	} {
		if err := os.Symlink(to, filepath.Join(devices, name)); err != nil {
			t.Fatal(err)
		}
	}
	for f, want := range map[pci.Function]bool{
		pci.PF(pf): false, pci.VF(pf, 0): false, pci.VF(pf, 1): true, pci.VF(pf, 2): true,
		pci.PF("0000:5e:00.0"): true, pci.VF("0000:5e:00.0", 0): true, pci.VF("netdevsim/netdevsim7", 0): true,
	} {
		got, err := (record{Function: f}).gone(sysfs.FS{Root: root})
		if err != nil || got != want {
			t.Errorf("%s is gone: %t, %v; want %t", f, got, err, want)
		}
	}
}
