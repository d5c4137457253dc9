// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"strings"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// State is Open vSwitch as its database has it.
type State struct {
	Running bool   `json:"running"`
	Reason  string `json:"reason,omitempty"` // why it is not running, and what to do
	// Unread: ovsdb-server is there and could not be read (Reason), so nobody knows what is in it.
	Unread bool `json:"unread,omitempty"`
	// Stopped is why ovs-vswitchd does not answer, "" where it does.
	Stopped string `json:"stopped,omitempty"`
	Version string `json:"version,omitempty"`
	// Lacks are columns that a profile can name and the database's schema does not have; Schema is its
	// version then.
	Lacks  []string `json:"lacks,omitempty"`
	Schema string   `json:"schema,omitempty"`
	// HWOffload is other_config:hw-offload as configured. After it was set to false the
	// running ovs-vswitchd goes on offloading until it is restarted.
	HWOffload bool `json:"hw-offload"`
	// OffloadUnset: the database says nothing of it, which is false.
	OffloadUnset bool `json:"hw-offload-unset,omitempty"`
	// TCPolicy is other_config:tc-policy, "" where it is not set.
	TCPolicy string        `json:"tc-policy,omitempty"`
	Bridges  []BridgeState `json:"bridges"`
	// Masters are those of netdevs that could be ports, by PortState.ID, where they have one that is
	// not Open vSwitch.
	Masters map[string]Master `json:"masters,omitempty"`
}

// Master is what a netdev is below.
type Master struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // IFLA_INFO_KIND: bridge, bond, team, ...
}

// BridgeState is a bridge; its internal port of the same name is not among
// Ports, which are sorted by ID.
type BridgeState struct {
	Name  string `json:"name"`
	Owner string `json:"owner,omitempty"` // the profile that made it (external_ids:nicwright), "" for somebody else
	// Ours is what version 1 wrote in place of Owner.
	Ours bool `json:"ours,omitempty"`
	// MTU, in bytes, and Up are those of its own netdev, its internal port; 0: it has none. AskedMTU
	// is what the database asks for, 0 for nothing.
	MTU      int         `json:"mtu,omitempty"`
	AskedMTU int         `json:"asked_mtu,omitempty"`
	Up       bool        `json:"up,omitempty"`
	Ports    []PortState `json:"ports"`
	// Away are ports that an operation took off the bridge and has not put back yet: it was interrupted.
	Away []Away `json:"away,omitempty"`
	// Rest is its other columns that hold no reference.
	Rest ovsdb.Columns `json:"rest,omitempty"`
}

// Away is a port that was taken off.
type Away struct {
	ID    string `json:"id"`
	Value string `json:"value"` // as the step that takes it off says it
}

// PortState is one port of a bridge.
type PortState struct {
	Name      string `json:"name"`                // of the row in OVSDB
	Interface string `json:"interface,omitempty"` // the netdev it is on, by the name it had when the port was made
	// ID is what the port stands for: "bond/NAME", pci.Function.String() of a VF (its
	// representor) or a PF (its uplink), or "port/NAME" for anything else.
	ID    string `json:"id"`
	Owner string `json:"owner,omitempty"` // the profile that made it (external_ids:nicwright), "" for somebody else
	// Ours is what version 1 wrote in place of Owner.
	Ours bool `json:"ours,omitempty"`
	// Netdev is the present name of what ID stands for, "" where that is gone. The port works
	// when Interface is that.
	Netdev   string `json:"netdev,omitempty"`
	Tag      *int   `json:"tag,omitempty"`
	Trunks   []int  `json:"trunks,omitempty"`
	VLANMode string `json:"vlan_mode,omitempty"`
	CVLANs   []int  `json:"cvlans,omitempty"`
	// OFPort is the OpenFlow port number: above 0 when it works, -1 when it does not, 0 when
	// ovs-vswitchd has not said yet.
	OFPort int    `json:"ofport"`
	Error  string `json:"error,omitempty"` // Interface.error
	// Bonded are the IDs of the interfaces of a bond that Open vSwitch itself makes.
	Bonded []string `json:"bonded,omitempty"`
	// Over are the IDs of the uplinks below a port that is a kernel bond.
	Over []string `json:"over,omitempty"`
	// Unhooked are the netdevs of the port, or below it, that have lost the ingress qdisc to which
	// ovs-vswitchd hangs its TC rules: nothing that comes in there is offloaded.
	Unhooked []string `json:"unhooked,omitempty"`
	// Mirrors are those that the port is in: they do not outlive its being taken off.
	Mirrors []string `json:"mirrors,omitempty"`
	Rest    *Rest    `json:"rest,omitempty"`
}

// idBond and idPort begin the ID of what has no PCI identity.
const (
	idBond = "bond/"
	idPort = "port/"
)

// NetdevOf is the netdev that an ID of a port stands for.
func NetdevOf(id string) resource.ID {
	if name, ok := strings.CutPrefix(id, idBond); ok {
		return resource.OfBond(name)
	}
	if f, err := pci.ParseFunction(id); err == nil {
		if f.IsVF() {
			return resource.OfRepresentor(f)
		}
		return resource.OfNetdev(f)
	}
	return resource.OfLink(strings.TrimPrefix(id, idPort))
}

// owner also of what version 1 wrote.
func (p PortState) owner() string { return ownerV1(p.Owner, p.Ours) }

func (b BridgeState) owner() string { return ownerV1(b.Owner, b.Ours) }

func ownerV1(owner string, ours bool) string {
	if owner == "" && ours {
		return step.NoOwner
	}
	return owner
}

// value is the port as it would be put back.
func (p PortState) value() value {
	v := value{vlan: p.vlan(), owner: p.owner(), rest: p.Rest}
	if p.OFPort > 0 && len(p.Bonded) == 0 {
		v.ofport = p.OFPort
	}
	return v
}

// carried is for the lines of a plan: the VLANs, and whose it is.
func (p PortState) carried() step.Value {
	return step.Text(value{vlan: p.vlan(), owner: p.owner()}.text())
}

// VLANs is what the port does with VLANs, in words: "access 100", "trunk all",
// "native-untagged 10 trunks 10,100".
func (p PortState) VLANs() string { return p.vlan().means() }
