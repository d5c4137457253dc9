// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"sort"
)

// Mark is the IFLA_IFALIAS of the bonds that nicwright made, and alone deletes.
const Mark = "nicwright"

// State is a kernel bond as it is.
type State struct {
	Name string `json:"name"`
	// Mode, XmitHashPolicy and LACPRate as in Documentation/networking/bonding.rst.
	Mode           string `json:"mode"`
	XmitHashPolicy string `json:"xmit_hash_policy"`
	LACPRate       string `json:"lacp_rate,omitempty"` // of an 802.3ad bond
	Miimon         int    `json:"miimon"`              // milliseconds, 0 = off
	MTU            int    `json:"mtu"`                 // bytes
	Up             bool   `json:"up"`                  // administratively
	Carrier        bool   `json:"carrier"`
	Ours           bool   `json:"ours"` // it carries Mark
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
	MIIStatus  string `json:"mii_status"` // up, going down, down, going back
	Aggregator int    `json:"aggregator,omitempty"`
}

// LACP is the active aggregator of an 802.3ad bond (IFLA_BOND_AD_INFO).
type LACP struct {
	Aggregator int    `json:"aggregator"`
	Ports      int    `json:"ports"`
	ActorKey   int    `json:"actor_key"`
	PartnerKey int    `json:"partner_key"`
	PartnerMAC string `json:"partner_mac"` // 00:00:00:00:00:00: no partner has answered
}

// LAG states, as the driver writes them in debugfs, and our own for not knowing.
const (
	LAGActive   = "active"
	LAGDisabled = "disabled"
	LAGUnknown  = "unknown"
	// LAGSwitchdev is the LAG type that joins the eswitches of the ports: a VF LAG.
	LAGSwitchdev = "switchdev"
)

// LAG is what the card says of the LAG it makes of the bond: debugfs
// mlx5/ADDRESS/lag/ (drivers/net/ethernet/mellanox/mlx5/core/lag/debugfs.c).
type LAG struct {
	State       string `json:"state"`                   // active (all members), disabled, unknown
	Type        string `json:"type,omitempty"`          // switchdev, roce, multipath, multiport_eswitch
	PortSelMode string `json:"port_sel_mode,omitempty"` // queue_affinity, hash, ...
	Reason      string `json:"reason,omitempty"`        // why it is unknown
}

// VF tells whether this is an active VF LAG.
func (l LAG) VF() bool { return l.State == LAGActive && l.Type == LAGSwitchdev }

// Spec is the bond as a profile would say it, fully set, so that applying it
// brings the bond back. LAG is asked for only where it is active, for a LAG that
// is not cannot be asked for otherwise than by the other fields.
func (s State) Spec() Spec {
	spec := Spec{
		Name:           s.Name,
		Mode:           &s.Mode,
		XmitHashPolicy: &s.XmitHashPolicy,
		Miimon:         &s.Miimon,
		MTU:            &s.MTU,
		Up:             &s.Up,
		Members:        s.memberIDs(),
	}
	if s.LACPRate != "" {
		spec.LACPRate = &s.LACPRate
	}
	if s.LAG.VF() {
		active := true
		spec.LAG = &active
	}
	return spec
}

// memberIDs is sorted and never nil: a bond without members is to have none.
func (s State) memberIDs() []string {
	ids := make([]string, 0, len(s.Members))
	for _, m := range s.Members {
		ids = append(ids, m.ID)
	}
	sort.Strings(ids)
	return ids
}
