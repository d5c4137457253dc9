// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"encoding/xml"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"libvirt.org/go/libvirtxml"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/provision/lease"
)

func ptr[T any](v T) *T { return &v }

// switchdevVF is a VF for a machine, with a port of the switch.
func switchdevVF(n string) lease.Shown {
	return lease.Shown{
		Name: "web1.tenants", Network: "tenants", VM: "web1", State: "leased", Function: "pci/0000:3b:00.0/vf/" + n, Address: "0000:3b:00." + n,
		PF: "0000:3b:00.0", PFNetdev: "ens1f0np0", PFVFs: 8, ID: "15b3:101e", SubsystemID: "15b3:0016", IOMMUGroup: ptr(42), VFIODevice: "vfio3",
		MAC: "02:00:5e:10:00:06", Driver: "vfio-pci", EswitchMode: "switchdev", VLAN: ptr(100), MaxTxRate: ptr(1000),
		Port: &lease.Port{Bridge: "br-vm", Name: "ens1f0npf0vf" + n, OFPort: 5, VLANs: "access 100", Tag: ptr(100)},
	}
}

func cases() map[string][]lease.Shown {
	legacy := switchdevVF("3")
	legacy.EswitchMode, legacy.Port, legacy.Driver, legacy.Netdev, legacy.IOMMUGroup = "legacy", nil, "mlx5_core", "ens1f0v1", nil
	odd := switchdevVF("4")
	odd.Name, odd.Network = "7 'x' & <y>", "tenants & <co>"
	odd.Port = &lease.Port{Bridge: "br<&>", Tag: ptr(100), Trunks: []int{100, 200}, VLANMode: "native-untagged"}
	native := switchdevVF("6")
	native.Port.VLANs, native.Port.Trunks, native.Port.VLANMode = "native-untagged 100 trunks 100,200", []int{100, 200}, "native-untagged"
	other := switchdevVF("7")
	other.PF, other.PFNetdev, other.Function, other.Address = "0000:3b:00.1", "ens1f1np1", "pci/0000:3b:00.1/vf/0", "0000:3b:01.2"
	return map[string][]lease.Shown{
		"switchdev": {switchdevVF("2")},
		"legacy":    {legacy},
		"odd":       {odd},
		"native":    {native},
		"pool":      {switchdevVF("2"), switchdevVF("3"), switchdevVF("5"), other},
	}
}

// What is written is as the files say; a case that cannot be in a format says why.
func TestFormats(t *testing.T) {
	for name, all := range cases() {
		for _, f := range formats() {
			b, err := Write(f.name, all, Options{Network: all[0].Network, Host: "host1", VMID: 101})
			text := string(b)
			if err != nil {
				text = "error: " + err.Error() + "\n"
			}
			golden.Text(t, filepath.Join("testdata", f.name, name+".txt"), text)
			if err == nil {
				readBack(t, f.name, name, b, all)
			}
		}
	}
}

// readBack reads what was written with another reader, and looks for the addresses.
func readBack(t *testing.T, format, name string, b []byte, all []lease.Shown) {
	t.Helper()
	var err error
	switch format {
	case "libvirt":
		var i libvirtxml.DomainInterface
		if err = i.Unmarshal(string(b)); err == nil && (i.MAC.Address != all[0].MAC || i.Source.Hostdev == nil || (i.VLan != nil) != (all[0].EswitchMode == "legacy")) {
			t.Errorf("%s of %s is read back as %+v", format, name, i)
		}
	case "libvirt-teaming":
		var d libvirtxml.DomainDeviceList
		if err = xml.Unmarshal(b, &d); err == nil && (len(d.Interfaces) != 2 || d.Interfaces[0].MAC.Address != d.Interfaces[1].MAC.Address || d.Interfaces[1].VLan != nil) {
			t.Errorf("%s of %s is read back as %+v", format, name, d.Interfaces)
		}
	case "libvirt-network":
		var n libvirtxml.Network
		if err = n.Unmarshal(string(b)); err == nil && (n.Name != all[0].Network || len(n.Forward.Addresses) != len(all)) {
			t.Errorf("%s of %s is read back as %+v", format, name, n)
		}
	case "cloud-hypervisor", "sriov-device-plugin":
		var v any
		err = json.Unmarshal(b, &v)
	case "incus", "sriov-operator":
		var v any
		err = yaml.NewDecoder(strings.NewReader(string(b))).Decode(&v)
	default:
		for _, s := range all {
			if !strings.Contains(string(b), s.Address) {
				t.Errorf("%s of %s does not name %s:\n%s", format, name, s.Address, b)
			}
		}
	}
	if err != nil {
		t.Errorf("%s of %s cannot be read back: %v\n%s", format, name, err, b)
	}
}

func TestFormatsThatCannotBe(t *testing.T) {
	sim := lease.Shown{Function: "netdevsim/netdevsim1/vf/0"}
	for what, err := range map[string]error{
		"there is no format":    last(Write("xen", []lease.Shown{switchdevVF("2")}, Options{})),
		"is of one VF":          last(Write("libvirt", cases()["pool"], Options{})),
		"has no VF that":        last(Write("nova", nil, Options{Network: "tenants"})),
		"is no PCI function":    last(Write("nova", []lease.Shown{sim}, Options{})),
		"has no port of a":      last(Write("libvirt-teaming", cases()["legacy"], Options{})),
		"--driver vfio-pci":     last(Write("qemu", cases()["legacy"], Options{})),
		"by which a policy":     last(Write("sriov-operator", []lease.Shown{{Address: "0000:3b:00.2", PF: "0000:3b:00.0"}}, Options{})),
		"and has no netdev":     last(Write("incus", []lease.Shown{{Address: "0000:3b:00.2", Driver: "mlx5_core"}}, Options{})),
		"takes it over vfio-pc": last(Write("cloud-hypervisor", cases()["legacy"], Options{})),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v", what, err)
		}
	}
	if all := Names(true); !slices.Contains(all, "nova") || slices.Contains(all, "libvirt") || !strings.Contains(About(), "qemu-iommufd ") {
		t.Errorf("the formats of several VFs are %v", all)
	}
}

func last[T any](_ T, err error) error { return err }
