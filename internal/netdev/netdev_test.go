// SPDX-License-Identifier: Apache-2.0

package netdev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// tree is a sysfs of a PF with a VF and two SFs, number 88 and 89, as mlx5 shows
// them from Linux 6.12 on: with Ethernet parts below PF, VF and SFs.
func tree(t *testing.T) sysfs.FS {
	t.Helper()
	root := t.TempDir()
	link := func(to, name string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	const pfDir, vfDir = "devices/pci0000:3a/0000:3b:00.0", "devices/pci0000:3a/0000:3b:00.2"
	for _, d := range []string{pfDir + "/mlx5_core.eth.0", vfDir + "/mlx5_core.eth.1", pfDir + "/mlx5_core.sf.2/mlx5_core.eth.2", pfDir + "/mlx5_core.sf.3/mlx5_core.eth.3"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
		link("../../../"+d, "bus/auxiliary/devices/"+filepath.Base(d))
	}
	for name, number := range map[string]string{"2": "88", "3": "89"} {
		d := pfDir + "/mlx5_core.sf." + name
		link("../../../"+d, "bus/auxiliary/devices/"+filepath.Base(d))
		if err := os.WriteFile(filepath.Join(root, d, "sfnum"), []byte(number+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link("../../../"+pfDir, "bus/pci/devices/0000:3b:00.0")
	link("../../../"+vfDir, "bus/pci/devices/0000:3b:00.2")
	link("../0000:3b:00.2", pfDir+"/virtfn0")
	link("../0000:3b:00.0", vfDir+"/physfn")
	return sysfs.FS{Root: root}
}

const pf = pci.Address("0000:3b:00.0")

func port(bus, name string, flavour devlink.Flavour, netdev string, index int) devlink.Port {
	return devlink.Port{Device: devlink.Device{Bus: bus, Name: name}, Flavour: flavour, Netdev: netdev, Ifindex: index}
}

func texts(links []Link) map[string]string {
	got := map[string]string{}
	for _, l := range links {
		got[l.Name] = l.ID().String()
	}
	return got
}

func TestAScalableFunctionIsNotItsPF(t *testing.T) {
	rep := port("pci", string(pf), devlink.FlavourPCIVF, "rep0", 12)
	sfRep := port("pci", string(pf), devlink.FlavourPCISF, "sfrep", 13)
	sfRep.SF = 88
	foreign := sfRep
	foreign.Netdev, foreign.External = "dpu", true
	for name, c := range map[string]struct {
		ports []devlink.Port
		links []rtlink.Link
		want  map[string]string
	}{
		"before Linux 6.5: the SF's instance hangs below the PF": {
			ports: []devlink.Port{
				port("auxiliary", "mlx5_core.sf.2", devlink.FlavourVirtual, "sf0", 9),
				port("pci", string(pf), devlink.FlavourPhysical, "uplink", 2),
			},
			want: map[string]string{"uplink": "pci/0000:3b:00.0/netdev", "sf0": "pci/0000:3b:00.0/sf/88/netdev"},
		},
		"from 6.12 on: all have parts": {
			ports: []devlink.Port{
				port("auxiliary", "mlx5_core.eth.3", devlink.FlavourVirtual, "sf1", 10),
				port("auxiliary", "mlx5_core.eth.2", devlink.FlavourVirtual, "sf0", 9),
				port("auxiliary", "mlx5_core.eth.1", devlink.FlavourVirtual, "vf", 11),
				port("auxiliary", "mlx5_core.eth.0", devlink.FlavourPhysical, "uplink", 2), rep, sfRep, foreign,
			},
			want: map[string]string{
				"uplink": "pci/0000:3b:00.0/netdev", "vf": "pci/0000:3b:00.0/vf/0/netdev", "rep0": "pci/0000:3b:00.0/vf/0/representor",
				"sf0": "pci/0000:3b:00.0/sf/88/netdev", "sf1": "pci/0000:3b:00.0/sf/89/netdev", "sfrep": "pci/0000:3b:00.0/sf/88/representor",
			},
		},
		"without devlink ports: by the parent": {
			links: []rtlink.Link{
				{Index: 9, Name: "sf0", ParentBus: "auxiliary", Parent: "mlx5_core.sf.2"},
				{Index: 2, Name: "uplink", ParentBus: "pci", Parent: string(pf)},
				{Index: 11, Name: "vf", ParentBus: "pci", Parent: "0000:3b:00.2"},
			},
			want: map[string]string{"uplink": "pci/0000:3b:00.0/netdev", "vf": "pci/0000:3b:00.0/vf/0/netdev"},
		},
		"an SF that went away meanwhile": {
			ports: []devlink.Port{port("auxiliary", "mlx5_core.sf.7", devlink.FlavourVirtual, "gone", 9)},
			want:  map[string]string{},
		},
	} {
		got, err := From(c.ports, c.links, tree(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, texts(got)); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
		if len(got) > 0 && (got[0].Name != "uplink" || got[0].SF != nil) {
			t.Errorf("%s: first is %+v", name, got[0])
		}
	}
}

func TestFinderLooksOnceForAll(t *testing.T) {
	looks, index := 0, 5
	all := []Link{{Name: "r0", Function: pci.VF(pf, 0), Representor: true}, {Name: "r1", Function: pci.VF(pf, 1), Representor: true}}
	f := Finder{Look: func(context.Context) ([]Link, error) {
		looks++
		for i := range all {
			all[i].Index = index + i
		}
		return all, nil
	}}
	for n := range 2 {
		if l, err := f.Representor(t.Context(), pci.VF(pf, n)); err != nil || l.Index != index+n {
			t.Errorf("VF %d: %+v, %v", n, l, err)
		}
	}
	if looks != 1 {
		t.Errorf("it looked %d times", looks)
	}
	if _, err := f.OfFunction(t.Context(), pci.VF(pf, 0)); !errors.Is(err, ErrNone) || looks != 2 {
		t.Errorf("one that is not there: %v after %d looks", err, looks)
	}
	index = 50
	var seen []int
	err := f.With(t.Context(), pci.VF(pf, 1), true, func(l Link) error {
		seen = append(seen, l.Index)
		if l.Index < 50 {
			return unix.ENODEV
		}
		return nil
	})
	if d := cmp.Diff([]int{6, 51}, seen); err != nil || d != "" {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
}
