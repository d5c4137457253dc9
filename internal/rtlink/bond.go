// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

// Bond is the IFLA_INFO_DATA of a bond.
type Bond struct {
	// Values are the options that are numbers, by IFLA_BOND_* (include/uapi/linux/if_link.h).
	// What they mean is the bond domain's.
	Values map[uint16]int
	AD     *ADInfo // of an 802.3ad bond that has an active aggregator
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
	// OwnMAC is the MAC address that it came with, and has again when it leaves (IFLA_BOND_SLAVE_PERM_HWADDR).
	OwnMAC net.HardwareAddr
	// Actor and Partner are the LACP state bits of both ends (IEEE 802.1AX, 6.4.2.3), nil without 802.3ad.
	Actor, Partner *int
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
	bond := &Bond{Values: map[uint16]int{}}
	var ad []byte
	err := each(b, func(kind uint16, v []byte) {
		switch {
		case kind == nl.IFLA_BOND_AD_INFO:
			ad = v
		case number(v) >= 0:
			bond.Values[kind] = number(v)
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
		case nl.IFLA_BOND_SLAVE_PERM_HWADDR:
			s.OwnMAC = net.HardwareAddr(append([]byte(nil), v...))
		case nl.IFLA_BOND_SLAVE_AD_AGGREGATOR_ID:
			s.Aggregator = number(v)
		case nl.IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE:
			n := number(v)
			s.Actor = &n
		case nl.IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE:
			n := number(v)
			s.Partner = &n
		}
	})
	return s, err
}

// Option is one option of a bond or a bridge to be set.
type Option struct {
	Type  uint16 // IFLA_BOND_*, IFLA_BR_*
	Size  int    // bytes of its value: 1, 2 or 4
	Value int
}

// BondOption is one of a bond.
type BondOption = Option

// encode puts the option into an attribute.
func (o Option) encode() (*nl.RtAttr, error) {
	switch o.Size {
	case 1:
		return nl.NewRtAttr(int(o.Type), []byte{byte(o.Value)}), nil
	case 2:
		return nl.NewRtAttr(int(o.Type), nl.Uint16Attr(uint16(o.Value))), nil
	case 4:
		return nl.NewRtAttr(int(o.Type), nl.Uint32Attr(uint32(o.Value))), nil
	}
	return nil, fmt.Errorf("the option %d has a size of %d bytes, want 1, 2 or 4", o.Type, o.Size)
}

// linkInfo is IFLA_LINKINFO of a kind with nothing but these options: of what is
// not asked for a number would be a change, and some are refused (an ARP interval
// of 0 with EACCES in 802.3ad mode).
func linkInfo(kind string, options []Option) (*nl.RtAttr, error) {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	for _, o := range options {
		a, err := o.encode()
		if err != nil {
			return nil, err
		}
		data.AddChild(a)
	}
	return info, nil
}

// AddBond makes a bond, down, with the options; mtu in bytes, 0 for the kernel's
// own. A bond that is made without a MAC address gets one of udev's, or of its first
// member, whichever is quicker; one that is made with it keeps it.
func AddBond(name string, mtu int, mac net.HardwareAddr, options []BondOption) error {
	return sendBond(newLink(name, mtu, mac), name, "making the bond (RTM_NEWLINK)", options)
}

func newLink(name string, mtu int, mac net.HardwareAddr) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	if mtu != 0 {
		req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(mtu))))
	}
	if len(mac) > 0 {
		req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, mac))
	}
	return req
}

// SetBond changes options of the bond l; what says it for an error.
func SetBond(l Link, options []BondOption, what string) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(l.Index)
	req.AddData(msg)
	return sendBond(req, l.Name, what, options)
}

func sendBond(req *nl.NetlinkRequest, name, what string, options []BondOption) error {
	info, err := linkInfo("bond", options)
	if err == nil {
		req.AddData(info)
		_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	}
	return bondError(what, name, err)
}

func bondError(what, name string, err error) error {
	err = kernel.Wrap(what, name, err)
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return kernel.Remedied(err, "it needs root or CAP_NET_ADMIN in this network namespace, and a mode that has the option")
	case errors.Is(err, unix.EOPNOTSUPP):
		return kernel.Remedied(err, "is the kernel's module bonding there (modprobe bonding)?")
	case errors.Is(err, unix.ENODEV):
		return kernel.Remedied(err, "the netdev went away meanwhile: run apply again")
	}
	return err
}

// HardwareAddr reads a netdev's present MAC address.
func HardwareAddr(l Link) (net.HardwareAddr, error) {
	now, err := netlink.LinkByIndex(l.Index)
	if err != nil {
		return nil, bondError("reading its MAC address", l.Name, err)
	}
	return now.Attrs().HardwareAddr, nil
}

// SetHardwareAddr sets a netdev's MAC address; a bond hands it to its members.
func SetHardwareAddr(l Link, a net.HardwareAddr) error {
	return bondError("setting the MAC address "+a.String(), l.Name, netlink.LinkSetHardwareAddr(device(l), a))
}
