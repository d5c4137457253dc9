// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// Domain is the domain's name in steps.
const Domain = "bond"

// State is all bonds of the network namespace, and the uplinks that could go into
// one.
type State struct {
	Bonds   []Bond                 `json:"bonds"` // by name
	Uplinks map[pci.Address]Uplink `json:"uplinks,omitempty"`
}

// Bond is a kernel bond as it is. The options are those of the table in
// attributes.go; what a mode does not have is not set.
type Bond struct {
	Name           string  `json:"name"`
	Index          int     `json:"ifindex,omitempty"`
	Mode           string  `json:"mode"`
	XmitHashPolicy string  `json:"xmit_hash_policy"`
	LACPRate       string  `json:"lacp_rate,omitempty"`
	LACPActive     *string `json:"lacp_active,omitempty"`
	ADSelect       *string `json:"ad_select,omitempty"`
	ADActorSysPrio *int    `json:"ad_actor_sys_prio,omitempty"`
	ADUserPortKey  *int    `json:"ad_user_port_key,omitempty"`
	MinLinks       *int    `json:"min_links,omitempty"`
	Miimon         int     `json:"miimon"` // milliseconds, 0 = off; so are the delays
	UpDelay        *int    `json:"updelay,omitempty"`
	DownDelay      *int    `json:"downdelay,omitempty"`
	PeerNotifDelay *int    `json:"peer_notif_delay,omitempty"`
	NumPeerNotif   *int    `json:"num_peer_notif,omitempty"`
	ResendIGMP     *int    `json:"resend_igmp,omitempty"`
	FailOverMAC    *string `json:"fail_over_mac,omitempty"`
	Primary        *string `json:"primary,omitempty"`      // ID of a member, "" for none
	ARPInterval    int     `json:"arp_interval,omitempty"` // milliseconds; only looked at

	MTU     int    `json:"mtu"` // bytes
	Up      bool   `json:"up"`  // administratively
	Carrier bool   `json:"carrier"`
	Alias   string `json:"alias,omitempty"`
	// Owner is the profile whose mark it carries, "" for none.
	Owner string `json:"owner,omitempty"`
	// Master is the netdev that the bond itself is a port of, and its kind (bridge, openvswitch, ...).
	Master     string `json:"master,omitempty"`
	MasterKind string `json:"master_kind,omitempty"`
	// Members are sorted by ID.
	Members []Member `json:"members"`
	LACP    *LACP    `json:"lacp,omitempty"` // the active aggregator
	LAG     LAG      `json:"lag"`
}

// Member is a netdev in the bond.
type Member struct {
	// ID is the PCI address of the PF whose uplink it is, else "netdev:NAME".
	ID         string `json:"id"`
	Netdev     string `json:"netdev"`
	MTU        int    `json:"mtu,omitempty"` // bytes
	Up         bool   `json:"up"`            // administratively
	Carrier    bool   `json:"carrier"`
	MIIStatus  string `json:"mii_status"` // up, going down, down, going back
	Aggregator int    `json:"aggregator,omitempty"`
	Backup     bool   `json:"backup,omitempty"` // IFLA_BOND_SLAVE_STATE: nothing is sent by it; with LACP, its negotiation has not ended
}

// Uplink is the own netdev of a card's port.
type Uplink struct {
	Netdev string `json:"netdev"`
	Index  int    `json:"ifindex,omitempty"`
	MTU    int    `json:"mtu"` // bytes
	Up     bool   `json:"up"`  // administratively
	// Master is the netdev that it is a port of, and its kind (bridge, bond, team, openvswitch, ...).
	Master     string `json:"master,omitempty"`
	MasterKind string `json:"master_kind,omitempty"`
	// Bridge is, in Open vSwitch, the bridge that it is a port of, and Owner whose mark the port carries.
	Bridge string `json:"bridge,omitempty"`
	Owner  string `json:"owner,omitempty"`
	// Hangs is what it has that a member cannot: global addresses and routes, in words.
	Hangs []string `json:"hangs,omitempty"`
}

// LACP is the active aggregator of an 802.3ad bond (IFLA_BOND_AD_INFO).
type LACP struct {
	Aggregator int    `json:"aggregator"`
	Ports      int    `json:"ports"`
	ActorKey   int    `json:"actor_key"`
	PartnerKey int    `json:"partner_key"`
	PartnerMAC string `json:"partner_mac"` // 00:00:00:00:00:00: no partner has answered
}

// LAG states: see snapshot.LAG.
const (
	LAGActive   = snapshot.LAGActive
	LAGDisabled = snapshot.LAGDisabled
	LAGUnknown  = snapshot.LAGUnknown
	// LAGSwitchdev is the LAG type that joins the eswitches of the ports: a VF LAG.
	LAGSwitchdev = "switchdev"
)

// LAG is what the card says of the LAG that it makes of the bond: active where
// all its members' ports say so.
type LAG struct {
	State       string `json:"state"`                   // active, disabled, unknown
	Type        string `json:"type,omitempty"`          // switchdev, roce, multipath, multiport_eswitch
	PortSelMode string `json:"port_sel_mode,omitempty"` // queue_affinity, hash, ...
	Reason      string `json:"reason,omitempty"`        // why it is unknown
}

// VF tells whether this is an active VF LAG.
func (l LAG) VF() bool { return l.State == LAGActive && l.Type == LAGSwitchdev }

// bond finds a bond by its name, or nil.
func (s State) bond(name string) *Bond {
	i := slices.IndexFunc(s.Bonds, func(b Bond) bool { return b.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Bonds[i]
}

// Has tells whether there is a bond of that name.
func (s State) Has(name string) bool { return s.bond(name) != nil }

// Members are the IDs of a bond's members, none of a bond that is not there.
func (s State) Members(name string) []string {
	if b := s.bond(name); b != nil {
		return b.memberIDs()
	}
	return nil
}

// memberIDs is sorted and never nil: a bond without members is to have none.
func (b Bond) memberIDs() []string {
	ids := make([]string, 0, len(b.Members))
	for _, m := range b.Members {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return ids
}

// netdevPrefix begins the ID of a member that is no card's uplink.
const netdevPrefix = "netdev:"

// memberID is the resource that a member's ID names.
func memberID(id string) resource.ID {
	if name, ok := strings.CutPrefix(id, netdevPrefix); ok {
		return resource.OfLink(name)
	}
	return resource.OfNetdev(pci.PF(pci.Address(id)))
}

// masterID is the resource of a master by its name and kind.
func masterID(name, kind string) resource.ID {
	if kind == "bond" {
		return resource.OfBond(name)
	}
	return resource.OfLink(name)
}

// Specs are all bonds as a profile would say them, fully set: applying them
// brings the bonds back.
func Specs(s State) []Spec {
	var all []Spec
	for _, b := range s.Bonds {
		all = append(all, b.Spec())
	}
	return all
}

// Spec is the bond as a profile would say it. LAG is asked for only where it is
// active, for a LAG that is not cannot be asked for otherwise than by the other
// fields.
func (b Bond) Spec() Spec {
	spec := Spec{Name: b.Name, MTU: &b.MTU, Up: &b.Up, Members: b.memberIDs(), Owner: b.Owner}
	for _, a := range attributes {
		if text, ok := a.of(b); ok {
			set(a.spec(&spec), text)
		}
	}
	if b.LAG.VF() {
		active := true
		spec.LAG = &active
	}
	return spec
}

// of is the attribute's value in a bond, and whether the bond has it.
func (a attribute) of(b Bond) (string, bool) {
	text, ok := get(a.bond(&b))
	return text, ok && a.in(b.Mode)
}
