// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

const (
	pf0 = pci.Address("0000:3b:00.0")
	pf1 = pci.Address("0000:3b:00.1")
)

func mlx5PF(a pci.Address, vfs ...snapshot.VF) snapshot.PF {
	return snapshot.PF{
		Address: a, Vendor: "15b3", Device: "101d", Driver: "mlx5_core", TotalVFs: 8, NumVFs: len(vfs), VFs: vfs, HasNet: true, HasDevlink: true,
		Eswitch: devlink.Eswitch{Mode: "switchdev"}, Params: map[string]devlink.Param{SteeringParam: {Values: map[devlink.Cmode]string{devlink.Runtime: "smfs"}}},
	}
}

func TestAPortIsItsOwnNumberAndNotItsPlace(t *testing.T) {
	five := uint32(5)
	for name, c := range map[string]struct {
		s    snapshot.Snapshot
		want map[pci.Address]int
	}{
		"both":             {snapshot.Snapshot{PFs: []snapshot.PF{mlx5PF(pf0), mlx5PF(pf1)}}, map[pci.Address]int{pf0: 0, pf1: 1}},
		"function .0 gone": {snapshot.Snapshot{PFs: []snapshot.PF{mlx5PF(pf1)}}, map[pci.Address]int{pf1: 1}},
		"devlink says more": {
			snapshot.Snapshot{
				PFs: []snapshot.PF{mlx5PF(pf1)}, Links: []rtlink.Link{{Index: 7, Name: "ens1"}}, Netdevs: []netdev.Link{{Name: "ens1", Index: 7, Function: pci.PF(pf1)}},
				Ports: []devlink.Port{{Flavour: devlink.FlavourPhysical, Ifindex: 7, Physical: &five}},
			},
			map[pci.Address]int{pf1: 5},
		},
	} {
		got := map[pci.Address]int{}
		cards := Observe(&c.s)
		for _, p := range cards[0].Ports {
			got[p.Address] = p.Number
		}
		if d := cmp.Diff(c.want, got); len(cards) != 1 || d != "" {
			t.Errorf("%s: %d cards (-want +got)\n%s", name, len(cards), d)
		}
	}
}

func TestASickPortIsThatPortsState(t *testing.T) {
	sick := mlx5PF(pf0)
	sick.Err = errors.New("reading the eswitch: input/output error")
	well := mlx5PF(pf1)
	well.Info = devlink.Info{Serial: "MT1", Running: map[string]string{"fw.version": "22.35"}}
	cards := Observe(&snapshot.Snapshot{PFs: []snapshot.PF{sick, well}})
	if len(cards) != 1 || cards[0].Serial != "MT1" || cards[0].Firmware != "22.35" || len(cards[0].Ports) != 2 {
		t.Fatalf("not one card: %+v", cards)
	}
	if p := cards[0].Ports; p[0].Err == "" || p[1].Err != "" || p[0].DevlinkIn != "" || p[1].Mode != "switchdev" || p[1].Steering != "smfs" {
		t.Errorf("%+v", p)
	}
}

func TestByWhomAVFIsUsed(t *testing.T) {
	sf := uint32(3)
	vfs := []snapshot.VF{
		{Address: "0000:3b:00.2", Driver: "mlx5_core", HasNet: true, Uppers: []string{"br0", "eth10.5"}, Addresses: []string{"192.0.2.1/24"}},
		{Address: "0000:3b:00.3", Driver: "vfio-pci", Holders: []snapshot.Holder{{PID: 7, Name: "qemu", Guest: "web1"}}},
		{Address: "0000:3b:00.4", Driver: "mlx5_core", HasNet: true, Namespace: "the network namespace pod1"},
		{Address: "0000:3b:00.5"},
		{Address: "0000:3b:00.6", Driver: "mlx5_core", HasNet: true},
	}
	s := snapshot.Snapshot{
		PFs: []snapshot.PF{mlx5PF(pf0, vfs...)},
		Links: []rtlink.Link{
			{Index: 2, Name: "ens0", MTU: 1500, Up: true},
			{Index: 9, Name: "br0", Kind: "bridge"},
			{Index: 10, Name: "eth10", Master: 9},
			{Index: 14, Name: "eth14"},
			{Index: 20, Name: "rep0", MTU: 9000},
			{Index: 30, Name: "sf3"},
		},
		Netdevs: []netdev.Link{
			{Index: 2, Function: pci.PF(pf0)},
			{Index: 30, Function: pci.PF(pf0), SF: &sf},
			{Index: 10, Function: pci.VF(pf0, 0)},
			{Index: 14, Function: pci.VF(pf0, 4)},
			{Index: 20, Function: pci.VF(pf0, 0), Representor: true},
			{Index: 99, Function: pci.VF(pf0, 2)},
		},
		Ports: []devlink.Port{
			{Device: devlink.DeviceOf(pf0), Flavour: devlink.FlavourPCIVF, Caps: map[string]bool{attrIPsecCrypto: true}},
			{Device: devlink.DeviceOf(pf0), Flavour: devlink.FlavourPCIVF, VF: 1, External: true, Caps: map[string]bool{attrIPsecCrypto: true}},
			{Device: devlink.DeviceOf(pf0), Flavour: devlink.FlavourPCISF, SF: 3},
		},
	}
	p := Observe(&s)[0].Ports[0]
	want := [][]Use{
		{{Enslaved, "br0"}, {Upper, "eth10.5"}, {Addressed, "192.0.2.1/24"}},
		{{Held, "the virtual machine web1, process 7 (qemu)"}, {UserSpace, "vfio-pci"}},
		{{Elsewhere, "the network namespace pod1"}},
		nil, nil,
	}
	for n, vf := range p.VFs {
		if d := cmp.Diff(want[n], vf.Uses); d != "" {
			t.Errorf("VF %d (-want +got)\n%s", n, d)
		}
	}
	if p.Netdev != "ens0" || p.VFs[0].Representor == nil || !p.VFs[0].Caps[attrIPsecCrypto] || p.VFs[1].Caps != nil || len(p.SFs) != 1 || p.SFs[0] != 3 {
		t.Errorf("%+v", p)
	}
}

func TestAPortInAnotherNamespaceSaysSo(t *testing.T) {
	moved := mlx5PF(pf0)
	moved.Namespace = "the network namespace tenant"
	whole := moved
	whole.HasDevlink, whole.Namespace = false, ""
	other := snapshot.PF{Address: pf0, Driver: "vfio-pci"}
	for name, c := range map[string]struct {
		pf              snapshot.PF
		netdev, devlink string
	}{
		"its netdev":            {moved, "the network namespace tenant", ""},
		"its devlink instance":  {whole, "another network namespace", "another network namespace"},
		"a driver without both": {other, "", ""},
	} {
		p := Observe(&snapshot.Snapshot{PFs: []snapshot.PF{c.pf}})[0].Ports[0]
		if p.NetdevIn != c.netdev || p.DevlinkIn != c.devlink {
			t.Errorf("%s: %q, %q", name, p.NetdevIn, p.DevlinkIn)
		}
	}
}

func TestRulesAndAttributesOfTheSnapshot(t *testing.T) {
	on := true
	pf := mlx5PF(pf0, snapshot.VF{Address: "0000:3b:00.2", Admin: &rtlink.VF{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, VLAN: 5, Trust: &on, LinkState: "auto"}})
	id := resource.OfNetdev(pci.PF(pf0))
	pf.Filters = []snapshot.Filter{{On: id, Netdev: "ens0", Kind: "flower", Pref: 3}, {On: id, Netdev: "ens0", Kind: "flower", Pref: 4}}
	sa := snapshot.Transform{Kind: "SA", Dst: netip.MustParseAddr("192.0.2.2")}
	pf.Transforms = []snapshot.Transform{sa, sa}
	p := Observe(&snapshot.Snapshot{PFs: []snapshot.PF{pf}})[0].Ports[0]
	if p.IPsec != "2 IPsec states and policies are in the card, as the SA to 192.0.2.2" {
		t.Error(p.IPsec)
	}
	if d := cmp.Diff(map[resource.ID]string{id: "a TC rule (flower, pref 3) is at the ingress of ens0"}, p.Busy); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff(&Admin{MAC: "02:00:00:00:00:01", VLAN: 5, Trust: &on, LinkState: "auto"}, p.VFs[0].Admin); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// What Spec says of a port is what the port is: nothing is left to do.
func TestSpecOfAPortIsWhatItIs(t *testing.T) {
	on, off := true, false
	for name, p := range map[string]Port{
		"clean":            {Address: pf0, Driver: "mlx5_core", TotalVFs: 8, Mode: "legacy", InlineMode: "none", EncapMode: "basic", Steering: "dmfs", Autoprobe: &on},
		"netdev elsewhere": {Address: pf0, Driver: "mlx5_core", TotalVFs: 8, Mode: "switchdev", NetdevIn: "another network namespace"},
		"without driver":   {Address: pf0, TotalVFs: 8, Autoprobe: &on},
		"unlike VFs": {
			Address: pf0, Driver: "mlx5_core", Netdev: "ens1", MTU: 1500, TotalVFs: 8, NumVFs: 2, Mode: "switchdev", Autoprobe: &off,
			VFs: []VF{
				{Index: 0, Address: "0000:3b:00.2", Driver: "mlx5_core", Representor: &Representor{Netdev: "a", Up: true, MTU: 1500}, Admin: &Admin{MAC: noMAC, VLAN: 100, VLANProto: "802.1Q", LinkState: "disable"}},
				{Index: 1, Address: "0000:3b:00.3", Representor: &Representor{Netdev: "b", MTU: 1500}},
			},
		},
		"VFs in legacy mode": {
			Address: pf0, Driver: "mlx5_core", Netdev: "ens1", MTU: 1500, TotalVFs: 8, NumVFs: 1, Mode: "legacy",
			VFs: []VF{{Address: "0000:3b:00.2", Driver: "vfio-pci", Uses: []Use{{UserSpace, "vfio-pci"}}, Admin: &Admin{MAC: "02:00:00:00:00:01", VLAN: 100, QoS: 1, VLANProto: "802.1Q", SpoofChk: &on, Trust: &off, LinkState: "enable", MaxTxRate: 5}}},
		},
		"netdevsim": {Address: "netdevsim/netdevsim1", Driver: "netdevsim", TotalVFs: 4, NumVFs: 1, Mode: "legacy", VFs: []VF{{}}},
	} {
		have := []Card{{Ports: []Port{p}}}
		r, err := Diff(have, Specs(have), step.Options{})
		if err != nil || len(r.Steps) != 0 || len(r.Left) != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
