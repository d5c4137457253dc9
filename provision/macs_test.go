// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"testing"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/profiles"
)

// A netdev that somebody gave an address of its own keeps it when it is made again, and one whose VF
// gets another address has that.
func TestTheNetdevOfAVFThatGetsAnotherMAC(t *testing.T) {
	const pf, had, other = pci.Address("0001:3b:00.0"), "02:00:00:00:00:01", "02:00:00:00:00:02"
	id := resource.OfNetdev(pci.VF(pf, 0))
	of := func(mac *string) *profiles.Want {
		return &profiles.Want{
			Ports: map[pci.Address]eswitch.PortSpec{pf: {Functions: map[int]eswitch.FunctionSpec{0: {MAC: mac}}}},
			Net:   hostnet.State{Netdevs: map[resource.ID]hostnet.Netdev{id: {Settings: map[string]string{hostnet.AttrMAC: "32:ff:30:4d:44:8e"}}}},
		}
	}
	for _, tt := range []struct {
		name      string
		was, want *string
		kept      bool
	}{
		{"another", new(had), new(other), false},
		{"the first", new("00:00:00:00:00:00"), new(other), false},
		{"the same", new(had), new(had), true},
		{"none is asked for", new(had), nil, true},
		{"what it had is not known", nil, new(other), true},
	} {
		before := of(tt.was)
		under := withoutMACs(before, of(tt.want))
		if _, kept := under.Net.Netdevs[id].Settings[hostnet.AttrMAC]; kept != tt.kept {
			t.Errorf("%s: the netdev's own address is kept: %t", tt.name, kept)
		}
		if _, there := before.Net.Netdevs[id].Settings[hostnet.AttrMAC]; !there {
			t.Errorf("%s: what was before was changed", tt.name)
		}
	}
}
