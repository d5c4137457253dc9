// SPDX-License-Identifier: Apache-2.0

// Package bond owns the kernel bond over a card's uplinks and the VF LAG that
// the card makes of it. What hangs on the bond and its members (addresses, routes,
// VLANs) is hostnet's, which goes by the effects of the steps here.
package bond

import (
	"errors"
	"fmt"
	"slices"
)

// Spec is one bond. A field that is not set is left alone. The options have the
// kernel's names (Documentation/networking/bonding.rst).
type Spec struct {
	// Name of the bond's netdev, 1..15 bytes.
	Name string `yaml:"name" json:"name" jsonschema:"required,minLength=1,maxLength=15,pattern=^[^/:\\s]+$"`
	// Mode as in Documentation/networking/bonding.rst: balance-rr, active-backup, balance-xor,
	// broadcast, 802.3ad, balance-tlb, balance-alb.
	Mode *string `yaml:"mode,omitempty" json:"mode,omitempty" jsonschema:"enum=balance-rr,enum=active-backup,enum=balance-xor,enum=broadcast,enum=802.3ad,enum=balance-tlb,enum=balance-alb"`
	// XmitHashPolicy chooses the member for a packet; TLS offload needs layer3+4.
	XmitHashPolicy *string `yaml:"xmit_hash_policy,omitempty" json:"xmit_hash_policy,omitempty" jsonschema:"enum=layer2,enum=layer3+4,enum=layer2+3,enum=encap2+3,enum=encap3+4,enum=vlan+srcmac"`
	// LACPRate: slow asks the partner for a LACPDU every 30 s, fast every 1 s.
	LACPRate *string `yaml:"lacp_rate,omitempty" json:"lacp_rate,omitempty" jsonschema:"enum=slow,enum=fast"`
	// LACPActive: on sends LACPDUs by itself, off answers only. 802.3ad only.
	LACPActive *string `yaml:"lacp_active,omitempty" json:"lacp_active,omitempty" jsonschema:"enum=on,enum=off"`
	// ADSelect is what makes an aggregator the active one.
	ADSelect *string `yaml:"ad_select,omitempty" json:"ad_select,omitempty" jsonschema:"enum=stable,enum=bandwidth,enum=count,enum=actor_port_prio"`
	// ADActorSysPrio is the priority of the system in LACPDUs. 802.3ad only.
	ADActorSysPrio *int `yaml:"ad_actor_sys_prio,omitempty" json:"ad_actor_sys_prio,omitempty" jsonschema:"minimum=1,maximum=65535"`
	// ADUserPortKey is the upper ten bits of the port key in LACPDUs. 802.3ad only.
	ADUserPortKey *int `yaml:"ad_user_port_key,omitempty" json:"ad_user_port_key,omitempty" jsonschema:"minimum=0,maximum=1023"`
	// MinLinks is how many links an 802.3ad bond needs for a carrier.
	MinLinks *int `yaml:"min_links,omitempty" json:"min_links,omitempty" jsonschema:"minimum=0"`
	// Miimon is the link check interval in milliseconds, 0 = off.
	Miimon *int `yaml:"miimon,omitempty" json:"miimon,omitempty" jsonschema:"minimum=0,maximum=10000"`
	// UpDelay is how long a link has to be up before it is used, in milliseconds, a multiple of miimon.
	UpDelay *int `yaml:"updelay,omitempty" json:"updelay,omitempty" jsonschema:"minimum=0"`
	// DownDelay is how long a link has to be down before it is not used, likewise.
	DownDelay *int `yaml:"downdelay,omitempty" json:"downdelay,omitempty" jsonschema:"minimum=0"`
	// PeerNotifDelay is the time between two announcements after a failover, likewise.
	PeerNotifDelay *int `yaml:"peer_notif_delay,omitempty" json:"peer_notif_delay,omitempty" jsonschema:"minimum=0"`
	// NumPeerNotif is how many gratuitous ARPs and neighbour advertisements announce a failover.
	NumPeerNotif *int `yaml:"num_peer_notif,omitempty" json:"num_peer_notif,omitempty" jsonschema:"minimum=0,maximum=255"`
	// ResendIGMP is how many IGMP reports are sent after a failover.
	ResendIGMP *int `yaml:"resend_igmp,omitempty" json:"resend_igmp,omitempty" jsonschema:"minimum=0,maximum=255"`
	// FailOverMAC says whose MAC address an active-backup bond has.
	FailOverMAC *string `yaml:"fail_over_mac,omitempty" json:"fail_over_mac,omitempty" jsonschema:"enum=none,enum=active,enum=follow"`
	// Primary is the member that is used whenever it has a link, "" for none; of active-backup,
	// balance-tlb and balance-alb. In a profile CARD/PORT; resolved, as in Members.
	Primary *string `yaml:"primary,omitempty" json:"primary,omitempty"`
	// MTU in bytes, of the bond and all its members.
	MTU *int `yaml:"mtu,omitempty" json:"mtu,omitempty" jsonschema:"minimum=68,maximum=9978"`
	// Up: administratively up; so are then its members. One with addresses or routes is up.
	Up *bool `yaml:"up,omitempty" json:"up,omitempty"`
	// Members are exactly the uplinks of the bond, [] for none. In a profile CARD/PORT; resolved,
	// the PF's PCI address.
	Members []string `yaml:"members,omitzero" json:"members,omitzero"`
	// LAG asks that the card reports a VF LAG active over this bond.
	LAG *bool `yaml:"lag,omitempty" json:"lag,omitempty" jsonschema:"description=the card has to report its VF LAG active over this bond"`
	// TakeFrom is the master (a bridge of the kernel, say) that the bond itself may be taken out of.
	TakeFrom *string `yaml:"take-from,omitempty" json:"take-from,omitempty" jsonschema:"description=the bridge or other master that the bond may be taken out of"`
	// TakeAddresses: addresses and routes of an uplink that goes into the bond move to the bond.
	TakeAddresses *bool `yaml:"take-addresses,omitempty" json:"take-addresses,omitempty" jsonschema:"description=addresses and routes of an uplink that goes into the bond move to the bond"`

	// TakeFromOf is, by member, the master that it may be taken out of: the take-from of its port.
	TakeFromOf map[string]string `yaml:"-" json:"take-from-of,omitempty"`
	// Owner is whose mark a bond that is made again gets; "": the operation's.
	Owner string `yaml:"-" json:"owner,omitempty"`
	// Filled: nobody asked for this bond, it is here so that the plan leaves it as it was.
	Filled bool `yaml:"-" json:"-"`
}

// Validate finds what the types and the schema cannot: fields that exclude one
// another.
func (s Spec) Validate() error {
	var errs []error
	if s.Mode != nil {
		for _, a := range attributes {
			if _, set := get(a.spec(&s)); set && !a.in(*s.Mode) {
				errs = append(errs, fmt.Errorf("bond %s: %s is set, but mode is %s: only %s has it: change mode, or leave %s out",
					s.Name, a.name, *s.Mode, words(a.modes, "and"), a.name))
			}
		}
		if s.LAG != nil && *s.LAG {
			errs = append(errs, lagMode(s.Name, *s.Mode))
		}
	}
	if s.Miimon != nil {
		errs = append(errs, delays(s, *s.Miimon))
	}
	if s.LAG != nil && *s.LAG && s.Members != nil && len(s.Members) == 0 {
		errs = append(errs, fmt.Errorf("bond %s: lag is wanted, and no members: the card makes no LAG of a bond without its ports: name them, or leave lag out", s.Name))
	}
	if s.Primary != nil && *s.Primary != "" && s.Members != nil && !slices.Contains(s.Members, *s.Primary) {
		errs = append(errs, fmt.Errorf("bond %s: primary is %s, which is not among its members: name one of them", s.Name, *s.Primary))
	}
	if s.takes() && s.Up != nil && !*s.Up {
		errs = append(errs, fmt.Errorf("bond %s: up is false, and take-addresses is true: nothing can be reached by addresses of a bond that is down: leave one of them out", s.Name))
	}
	return errors.Join(errs...)
}

// takes tells whether addresses of members go to the bond, which has to be up for that.
func (s Spec) takes() bool { return s.TakeAddresses != nil && *s.TakeAddresses }

// delays refuses what the kernel would round (drivers/net/bonding/bond_options.c,
// _bond_option_delay_set).
func delays(s Spec, miimon int) error {
	var errs []error
	for _, a := range attributes {
		text, set := get(a.spec(&s))
		if !a.perMiimon || !set {
			continue
		}
		switch ms := atoi(text); {
		case ms == 0:
		case miimon == 0:
			errs = append(errs, fmt.Errorf("bond %s: %s is %d, and miimon is 0: without link checks there is no delay: set miimon, or leave %s out", s.Name, a.name, ms, a.name))
		case ms%miimon != 0:
			errs = append(errs, fmt.Errorf("bond %s: %s is %d, which is no multiple of miimon (%d): the kernel would make it %d: say that, or another multiple",
				s.Name, a.name, ms, miimon, ms-ms%miimon))
		}
	}
	return errors.Join(errs...)
}

// ProofSpec is the proof of a bond: its partner, its aggregator, its hash, its
// LAG in the card.
type ProofSpec struct {
	// Require: holds makes it an obligation; unset: it is tried and reported.
	Require *string `yaml:"require,omitempty" json:"require,omitempty" jsonschema:"enum=holds"`
	// Failover: take each link down in turn, and look whether traffic goes on. It costs the traffic of
	// others a moment, so it is done only where this is set.
	Failover bool `yaml:"failover,omitempty" json:"failover,omitempty"`
}
