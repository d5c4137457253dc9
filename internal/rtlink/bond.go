// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
)

// Bond is the IFLA_INFO_DATA of a bond, in the words of
// Documentation/networking/bonding.rst.
type Bond struct {
	Mode           string
	XmitHashPolicy string
	LACPRate       string
	Miimon         int     // milliseconds, 0 = off
	AD             *ADInfo // of an 802.3ad bond that has an active aggregator
}

// ADInfo is IFLA_BOND_AD_INFO: the active aggregator.
type ADInfo struct {
	Aggregator int
	Ports      int // in the active aggregator
	ActorKey   int
	PartnerKey int
	PartnerMAC net.HardwareAddr // all zero: no partner has answered
}

// Slave is the IFLA_INFO_SLAVE_DATA of a bond's member.
type Slave struct {
	Active     bool   // IFLA_BOND_SLAVE_STATE
	MIIStatus  string // up, going down, down, going back
	Aggregator int    // 802.3ad only
}

// Nested attributes of IFLA_BOND_AD_INFO (include/uapi/linux/if_link.h).
const (
	adAggregator = 1
	adNumPorts   = 2
	adActorKey   = 3
	adPartnerKey = 4
	adPartnerMAC = 5
)

func parseBond(b []byte) (*Bond, error) {
	bond := &Bond{}
	var ad []byte
	err := each(b, func(kind uint16, v []byte) {
		switch kind {
		case nl.IFLA_BOND_MODE:
			bond.Mode = netlink.BondMode(number(v)).String()
		case nl.IFLA_BOND_XMIT_HASH_POLICY:
			bond.XmitHashPolicy = netlink.BondXmitHashPolicy(number(v)).String()
		case nl.IFLA_BOND_AD_LACP_RATE:
			bond.LACPRate = netlink.BondLacpRate(number(v)).String()
		case nl.IFLA_BOND_MIIMON:
			bond.Miimon = number(v)
		case nl.IFLA_BOND_AD_INFO:
			ad = v
		}
	})
	if err != nil || ad == nil {
		return bond, err
	}
	bond.AD = &ADInfo{}
	err = each(ad, func(kind uint16, v []byte) {
		switch kind {
		case adAggregator:
			bond.AD.Aggregator = number(v)
		case adNumPorts:
			bond.AD.Ports = number(v)
		case adActorKey:
			bond.AD.ActorKey = number(v)
		case adPartnerKey:
			bond.AD.PartnerKey = number(v)
		case adPartnerMAC:
			bond.AD.PartnerMAC = net.HardwareAddr(append([]byte(nil), v...))
		}
	})
	return bond, err
}

// linkStates are the BOND_LINK_* values (include/uapi/linux/if_bonding.h), in
// the words of /proc/net/bonding.
var linkStates = [...]string{"up", "going down", "down", "going back"}

func parseSlave(b []byte) (*Slave, error) {
	s := &Slave{}
	err := each(b, func(kind uint16, v []byte) {
		switch kind {
		case nl.IFLA_BOND_SLAVE_STATE:
			s.Active = number(v) == 0
		case nl.IFLA_BOND_SLAVE_MII_STATUS:
			if n := number(v); n >= 0 && n < len(linkStates) {
				s.MIIStatus = linkStates[n]
			}
		case nl.IFLA_BOND_SLAVE_AD_AGGREGATOR_ID:
			s.Aggregator = number(v)
		}
	})
	return s, err
}

// BondOptions are the options of a bond to be set; nil is left alone. The words
// are those of Documentation/networking/bonding.rst.
type BondOptions struct {
	Mode           *string // only while the bond is down and has no members
	XmitHashPolicy *string
	LACPRate       *string // 802.3ad only, while the bond is down
	Miimon         *int    // milliseconds
}

// link makes the library's form, with nothing set that is not to be sent:
// an ARP interval of 0, say, is refused with EACCES in 802.3ad mode.
func (o BondOptions) link(name string, index int) (*netlink.Bond, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index = name, index
	b := netlink.NewLinkBond(attrs)
	if o.Mode != nil {
		m, ok := netlink.StringToBondModeMap[*o.Mode]
		if !ok {
			return nil, fmt.Errorf("%s: no bond mode is called %q", name, *o.Mode)
		}
		b.Mode = m
	}
	if o.XmitHashPolicy != nil {
		p, ok := netlink.StringToBondXmitHashPolicyMap[*o.XmitHashPolicy]
		if !ok {
			return nil, fmt.Errorf("%s: no xmit_hash_policy is called %q", name, *o.XmitHashPolicy)
		}
		b.XmitHashPolicy = p
	}
	if o.LACPRate != nil {
		r, ok := netlink.StringToBondLacpRateMap[*o.LACPRate]
		if !ok {
			return nil, fmt.Errorf("%s: no lacp_rate is called %q", name, *o.LACPRate)
		}
		b.LacpRate = r
	}
	if o.Miimon != nil {
		b.Miimon = *o.Miimon
	}
	return b, nil
}

// AddBond makes a bond.
func AddBond(name string, o BondOptions) error {
	b, err := o.link(name, 0)
	if err != nil {
		return err
	}
	return opError("making the bond (RTM_NEWLINK)", name, netlink.LinkAdd(b))
}

// SetBond changes the options of the bond l.
func SetBond(l Link, o BondOptions, what string) error {
	b, err := o.link(l.Name, l.Index)
	if err != nil {
		return err
	}
	return opError(what, l.Name, netlink.LinkModify(b))
}
