// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// Devices are made of the look alone: own netdevs of PFs and VFs, and no
// representors and scalable functions.
func TestDevices(t *testing.T) {
	const pf = pci.Address("0000:3b:00.0")
	sf := uint32(88)
	s := &snapshot.Snapshot{
		PFs: []snapshot.PF{{Address: pf, Driver: mlx5, VFs: []snapshot.VF{{Driver: mlx5}, {Driver: "vfio-pci"}}}},
		Netdevs: []netdev.Link{
			{Name: "p0", Index: 2, Function: pci.PF(pf)},
			{Name: "v0", Index: 3, Function: pci.VF(pf, 0)},
			{Name: "r0", Index: 4, Function: pci.VF(pf, 0), Representor: true},
			{Name: "s88", Index: 5, Function: pci.PF(pf), SF: &sf},
		},
		Links: []rtlink.Link{{Index: 2, Name: "p0", Up: true, Carrier: true}, {Index: 3, Name: "v0", Up: true}},
	}
	offload := func(index int, mode ipsec.Offload) ipsec.State {
		return ipsec.State{Offload: ipsec.OffloadState{Index: index, Mode: mode}}
	}
	got := Devices(s, []ipsec.State{offload(2, ipsec.Crypto), offload(2, ipsec.Packet), offload(0, ipsec.None), offload(3, ipsec.Packet)})
	want := []Device{
		{Function: pci.PF(pf), Netdev: "p0", Index: 2, Driver: mlx5, Up: true, Carrier: true, Features: map[string]Feature{}, States: 2, Packet: 1},
		{Function: pci.VF(pf, 0), Netdev: "v0", Index: 3, Driver: mlx5, Up: true, Features: map[string]Feature{}, States: 1, Packet: 1},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestContexts(t *testing.T) {
	got := contexts(map[string]uint64{"tx_tls_ctx": 7, "tx_tls_del": 3, "rx_tls_del": 1})
	if d := cmp.Diff(map[string]uint64{"tx": 4}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := contexts(map[string]uint64{"tx_tls_ctx": 1, "tx_tls_del": 3}); len(got) > 0 {
		t.Errorf("fewer were made than ended: %v", got)
	}
}
