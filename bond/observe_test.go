// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink/nl"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// Masters, members, options and LAG of a look; what a mode does not have is not there.
func TestObserve(t *testing.T) {
	sf := uint32(8)
	s := &snapshot.Snapshot{
		Links: []rtlink.Link{
			{Index: 2, Name: "p0", MTU: 9000, Up: true, Carrier: true, Master: 9, Slave: &rtlink.Slave{Active: true, MIIStatus: "up", Aggregator: 1}},
			{Index: 3, Name: "p1", MTU: 1500, Master: 8},
			{Index: 4, Name: "eno1", Master: 9, Slave: &rtlink.Slave{MIIStatus: "down"}},
			{Index: 5, Name: "sf8"},
			{Index: 7, Name: "vmbr0", Kind: "bridge"},
			{Index: 8, Name: "ovs-system", Kind: "openvswitch"},
			{Index: 9, Name: "bond0", Kind: "bond", MTU: 9000, Up: true, Master: 7, Alias: "nicwright:web", Bond: &rtlink.Bond{
				Values: map[uint16]int{
					nl.IFLA_BOND_MODE: 4, nl.IFLA_BOND_XMIT_HASH_POLICY: 1, nl.IFLA_BOND_AD_LACP_RATE: 1, nl.IFLA_BOND_MIIMON: 100, nl.IFLA_BOND_MIN_LINKS: 2,
					nl.IFLA_BOND_FAIL_OVER_MAC: 1, lacpActive: 1,
				},
				AD: &rtlink.ADInfo{Aggregator: 1, Ports: 1, PartnerMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}},
			}},
			{Index: 10, Name: "bond1", Kind: "bond", Alias: "nicwright", Bond: &rtlink.Bond{Values: map[uint16]int{nl.IFLA_BOND_MODE: 1, nl.IFLA_BOND_PRIMARY: 2, nl.IFLA_BOND_ARP_INTERVAL: 50}}},
		},
		Netdevs: []netdev.Link{{Index: 2, Function: pci.PF(port0)}, {Index: 3, Function: pci.PF(port1)}, {Index: 5, Function: pci.PF(port1), SF: &sf}},
		LAG:     map[pci.Address]snapshot.LAG{port0: {State: LAGActive, Type: LAGSwitchdev, PortSelMode: "hash"}},
	}
	s.OVS.Running = true
	s.OVS.Rows = &ovsdb.Database{
		Bridges:    map[string]ovsdb.Columns{"b": {"name": ovsdb.Atom("br-ex"), "ports": ovsdb.UUID("p")}},
		Ports:      map[string]ovsdb.Columns{"p": {"interfaces": ovsdb.UUID("i"), "external_ids": ovsdb.Map(map[string]string{"nicwright": "1"})}},
		Interfaces: map[string]ovsdb.Columns{"i": {"name": ovsdb.Atom("p1")}},
	}
	want := State{
		Bonds: []Bond{
			{
				Name: "bond0", Index: 9, Mode: "802.3ad", XmitHashPolicy: "layer3+4", LACPRate: "fast", LACPActive: ptr("on"), MinLinks: ptr(2), Miimon: 100, MTU: 9000, Up: true,
				Alias: "nicwright:web", Owner: "web", Master: "vmbr0", MasterKind: "bridge",
				Members: []Member{
					{ID: port0, Netdev: "p0", MTU: 9000, Up: true, Carrier: true, MIIStatus: "up", Aggregator: 1},
					{ID: "netdev:eno1", Netdev: "eno1", MIIStatus: "down", Backup: true},
				},
				LACP: &LACP{Aggregator: 1, Ports: 1, PartnerMAC: "02:00:00:00:00:01"}, LAG: LAG{State: LAGActive, Type: LAGSwitchdev, PortSelMode: "hash"},
			},
			{Name: "bond1", Index: 10, Mode: "active-backup", Primary: ptr(port0), ARPInterval: 50, Alias: "nicwright", Owner: step.NoOwner, LAG: LAG{State: LAGDisabled}},
		},
		Uplinks: map[pci.Address]Uplink{
			port0: {Netdev: "p0", Index: 2, MTU: 9000, Up: true, Master: "bond0", MasterKind: "bond"},
			port1: {Netdev: "p1", Index: 3, MTU: 1500, Master: "ovs-system", MasterKind: "openvswitch", Bridge: "br-ex", Owner: step.NoOwner},
		},
	}
	if g, w := inJSON(t, Observe(s)), inJSON(t, want); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}
