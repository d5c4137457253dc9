// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"

	"github.com/nicwright/nicwright/internal/rtlink"
)

// Attributes of steps that are no options.
const (
	// Present is the attribute of a bond's being there.
	Present     = "bond"
	attrMembers = "members" // IDs with commas between
	attrMTU     = "mtu"     // of the bond, or of a member that does not follow it
	attrUp      = "up"      // likewise
	attrLAG     = "lag"

	AttrMode    = "mode"
	attrMiimon  = "miimon"
	attrPrimary = "primary"
)

const (
	mode8023ad   = "802.3ad"
	activeBackup = "active-backup"
	balanceXOR   = "balance-xor"
	balanceTLB   = "balance-tlb"
	balanceALB   = "balance-alb"
)

// attribute is one option of a bond: all that there is to know of it, after
// include/uapi/linux/if_link.h (IFLA_BOND_*) and the table bond_opts of
// drivers/net/bonding/bond_options.c.
type attribute struct {
	name  string   // the kernel's, and the profile's
	nla   uint16   // IFLA_BOND_*
	size  int      // bytes of its value
	words []string // what the values 0, 1, ... are called; nil: it is a number
	modes []string // those that have it; nil: all

	// The fields that have it, as pointers to *string, *int, string or int.
	spec func(*Spec) any
	bond func(*Bond) any

	down, empty bool // the kernel takes it only while the bond is down (BOND_OPTFLAG_IFDOWN), has no members (_NOSLAVES)
	perMiimon   bool // milliseconds that the kernel counts in miimon: they change with that
	member      bool // its value is a member: it is set when the members are there
}

// attributes are in the order in which they are set: bond_changelink's.
var attributes = []attribute{
	{
		name: AttrMode, nla: nl.IFLA_BOND_MODE, size: 1, down: true, empty: true,
		words: []string{"balance-rr", activeBackup, balanceXOR, "broadcast", mode8023ad, balanceTLB, balanceALB},
		spec:  func(s *Spec) any { return &s.Mode }, bond: func(b *Bond) any { return &b.Mode },
	},
	{
		name: attrMiimon, nla: nl.IFLA_BOND_MIIMON, size: 4,
		spec: func(s *Spec) any { return &s.Miimon }, bond: func(b *Bond) any { return &b.Miimon },
	},
	{
		name: "updelay", nla: nl.IFLA_BOND_UPDELAY, size: 4, perMiimon: true,
		spec: func(s *Spec) any { return &s.UpDelay }, bond: func(b *Bond) any { return &b.UpDelay },
	},
	{
		name: "downdelay", nla: nl.IFLA_BOND_DOWNDELAY, size: 4, perMiimon: true,
		spec: func(s *Spec) any { return &s.DownDelay }, bond: func(b *Bond) any { return &b.DownDelay },
	},
	{
		name: "peer_notif_delay", nla: peerNotifDelay, size: 4, perMiimon: true,
		spec: func(s *Spec) any { return &s.PeerNotifDelay }, bond: func(b *Bond) any { return &b.PeerNotifDelay },
	},
	{
		name: "fail_over_mac", nla: nl.IFLA_BOND_FAIL_OVER_MAC, size: 1, empty: true,
		words: []string{"none", "active", "follow"}, modes: []string{activeBackup},
		spec: func(s *Spec) any { return &s.FailOverMAC }, bond: func(b *Bond) any { return &b.FailOverMAC },
	},
	{
		name: "xmit_hash_policy", nla: nl.IFLA_BOND_XMIT_HASH_POLICY, size: 1,
		words: []string{"layer2", layer34, "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"},
		spec:  func(s *Spec) any { return &s.XmitHashPolicy }, bond: func(b *Bond) any { return &b.XmitHashPolicy },
	},
	{
		name: "resend_igmp", nla: nl.IFLA_BOND_RESEND_IGMP, size: 4,
		spec: func(s *Spec) any { return &s.ResendIGMP }, bond: func(b *Bond) any { return &b.ResendIGMP },
	},
	{
		name: "num_peer_notif", nla: nl.IFLA_BOND_NUM_PEER_NOTIF, size: 1,
		spec: func(s *Spec) any { return &s.NumPeerNotif }, bond: func(b *Bond) any { return &b.NumPeerNotif },
	},
	{
		name: "min_links", nla: nl.IFLA_BOND_MIN_LINKS, size: 4,
		spec: func(s *Spec) any { return &s.MinLinks }, bond: func(b *Bond) any { return &b.MinLinks },
	},
	{
		name: "lacp_rate", nla: nl.IFLA_BOND_AD_LACP_RATE, size: 1, down: true,
		words: []string{"slow", "fast"}, modes: []string{mode8023ad},
		spec: func(s *Spec) any { return &s.LACPRate }, bond: func(b *Bond) any { return &b.LACPRate },
	},
	{
		name: "ad_select", nla: nl.IFLA_BOND_AD_SELECT, size: 1, down: true,
		words: []string{"stable", "bandwidth", "count", "actor_port_prio"},
		spec:  func(s *Spec) any { return &s.ADSelect }, bond: func(b *Bond) any { return &b.ADSelect },
	},
	{
		name: "ad_actor_sys_prio", nla: nl.IFLA_BOND_AD_ACTOR_SYS_PRIO, size: 2, modes: []string{mode8023ad},
		spec: func(s *Spec) any { return &s.ADActorSysPrio }, bond: func(b *Bond) any { return &b.ADActorSysPrio },
	},
	{
		name: "ad_user_port_key", nla: nl.IFLA_BOND_AD_USER_PORT_KEY, size: 2, down: true, modes: []string{mode8023ad},
		spec: func(s *Spec) any { return &s.ADUserPortKey }, bond: func(b *Bond) any { return &b.ADUserPortKey },
	},
	{
		name: "lacp_active", nla: lacpActive, size: 1, down: true,
		words: []string{"off", "on"}, modes: []string{mode8023ad},
		spec: func(s *Spec) any { return &s.LACPActive }, bond: func(b *Bond) any { return &b.LACPActive },
	},
	{
		name: attrPrimary, nla: nl.IFLA_BOND_PRIMARY, size: 4, member: true, modes: []string{activeBackup, balanceTLB, balanceALB},
		spec: func(s *Spec) any { return &s.Primary }, bond: func(b *Bond) any { return &b.Primary },
	},
}

// Options that the library has no name for, or that are only looked at.
const (
	peerNotifDelay = 28 // IFLA_BOND_PEER_NOTIF_DELAY
	lacpActive     = 29 // IFLA_BOND_AD_LACP_ACTIVE
	arpInterval    = nl.IFLA_BOND_ARP_INTERVAL
)

// find is the attribute of a name, or nil.
func find(name string) *attribute {
	i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return nil
	}
	return &attributes[i]
}

// in tells whether a mode has the attribute.
func (a attribute) in(mode string) bool { return a.modes == nil || slices.Contains(a.modes, mode) }

// text is the value n as steps, profiles and ip write it.
func (a attribute) text(n int) string {
	if n >= 0 && n < len(a.words) {
		return a.words[n]
	}
	return strconv.Itoa(n)
}

// option is the value as the kernel takes it. Members are the caller's to resolve.
func (a attribute) option(text string) (rtlink.BondOption, error) {
	o := rtlink.BondOption{Type: a.nla, Size: a.size, Value: slices.Index(a.words, text)}
	if o.Value >= 0 {
		return o, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || a.size < 4 && n >= 1<<(8*a.size) {
		if a.words != nil {
			return o, fmt.Errorf("%s: nothing is called %q: want %s", a.name, text, words(a.words, "or"))
		}
		return o, fmt.Errorf("%s: %q is no number that it can be", a.name, text)
	}
	o.Value = n
	return o, nil
}

// get reads a field of a Spec or Bond as text, and tells whether it is set.
func get(field any) (string, bool) {
	switch f := field.(type) {
	case *string:
		return *f, *f != ""
	case *int:
		return strconv.Itoa(*f), true
	case **string:
		if *f != nil {
			return **f, true
		}
	case **int:
		if *f != nil {
			return strconv.Itoa(**f), true
		}
	}
	return "", false
}

// set writes a field of a Spec or Bond.
func set(field any, text string) {
	switch f := field.(type) {
	case *string:
		*f = text
	case *int:
		*f = atoi(text)
	case **string:
		*f = &text
	case **int:
		n := atoi(text)
		*f = &n
	}
}

// unset empties a field of a Spec.
func unset(field any) {
	switch f := field.(type) {
	case **string:
		*f = nil
	case **int:
		*f = nil
	}
}

// atoi is the number of a text that was made of one.
func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// words is a list in words.
func words(list []string, and string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " " + and + " " + list[len(list)-1]
}
