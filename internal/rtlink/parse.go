// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

var errShort = errors.New("the kernel's message is shorter than its format")

// The library's own parser indexes attributes without looking at their length
// and leaves IFLA_BOND_AD_INFO out, hence this one.
func parse(m []byte) (Link, error) {
	if len(m) < unix.SizeofIfInfomsg {
		return Link{}, errShort
	}
	info := nl.DeserializeIfInfomsg(m)
	l := Link{
		Index:   int(info.Index),
		Up:      info.Flags&unix.IFF_UP != 0,
		Carrier: info.Flags&unix.IFF_LOWER_UP != 0,
	}
	var linkInfo, properties, families []byte
	err := each(m[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(v)
		case unix.IFLA_IFALIAS:
			l.Alias = unix.ByteSliceToString(v)
		case unix.IFLA_MTU:
			l.MTU = number(v)
		case unix.IFLA_MAX_MTU:
			l.MaxMTU = number(v)
		case unix.IFLA_MASTER:
			l.Master = number(v)
		case unix.IFLA_PROP_LIST:
			properties = v
		case unix.IFLA_PROMISCUITY:
			l.Promisc = number(v)
		case unix.IFLA_CARRIER_CHANGES:
			l.CarrierChanges = number(v)
		case unix.IFLA_LINK:
			l.Lower = number(v)
		case unix.IFLA_LINK_NETNSID:
			l.LowerElsewhere = true
		case unix.IFLA_ADDRESS:
			l.MAC = net.HardwareAddr(bytes.Clone(v))
		case unix.IFLA_PERM_ADDRESS:
			l.PermMAC = net.HardwareAddr(bytes.Clone(v))
		case unix.IFLA_TXQLEN:
			l.TxQLen = number(v)
		case unix.IFLA_GROUP:
			l.Group = number(v)
		case unix.IFLA_AF_SPEC:
			families = v
		case unix.IFLA_PARENT_DEV_BUS_NAME:
			l.ParentBus = unix.ByteSliceToString(v)
		case unix.IFLA_PARENT_DEV_NAME:
			l.Parent = unix.ByteSliceToString(v)
		case unix.IFLA_PHYS_PORT_NAME:
			l.PhysPortName = unix.ByteSliceToString(v)
		case unix.IFLA_LINKINFO:
			linkInfo = v
		}
	})
	if l.Lower == l.Index || l.LowerElsewhere { // of a netdev below itself, and of one that has an index elsewhere, nothing is said
		l.Lower = 0
	}
	if err == nil {
		err = parseLinkInfo(&l, linkInfo)
	}
	if err == nil {
		err = each(properties, func(kind uint16, v []byte) {
			if kind == unix.IFLA_ALT_IFNAME {
				l.AltNames = append(l.AltNames, unix.ByteSliceToString(v))
			}
		})
	}
	if err == nil {
		err = parseFamilies(&l, families)
	}
	if err != nil {
		return Link{}, fmt.Errorf("netdev %d %q: %w", l.Index, l.Name, err)
	}
	return l, nil
}

// Nested attributes of IFLA_AF_SPEC (include/uapi/linux/if_link.h).
const (
	inetConf  = 1 // IFLA_INET_CONF
	inet6Conf = 2 // IFLA_INET6_CONF
)

func parseFamilies(l *Link, b []byte) error {
	var v4, v6 []byte
	err := each(b, func(kind uint16, v []byte) {
		switch kind {
		case unix.AF_INET:
			v4 = v
		case unix.AF_INET6:
			v6 = v
		}
	})
	if err != nil {
		return err
	}
	if err := each(v4, func(kind uint16, v []byte) {
		if kind == inetConf {
			l.Conf4 = words(v)
		}
	}); err != nil {
		return err
	}
	return each(v6, func(kind uint16, v []byte) {
		if kind == inet6Conf {
			l.Conf6 = words(v)
		}
	})
}

func words(v []byte) []int32 {
	out := make([]int32, 0, len(v)/4)
	for ; len(v) >= 4; v = v[4:] {
		out = append(out, int32(nl.NativeEndian().Uint32(v)))
	}
	return out
}

func parseLinkInfo(l *Link, b []byte) error {
	err := each(b, func(kind uint16, v []byte) {
		switch kind {
		case nl.IFLA_INFO_KIND:
			l.Kind = unix.ByteSliceToString(v)
		case nl.IFLA_INFO_DATA:
			l.Data = bytes.Clone(v)
		case nl.IFLA_INFO_SLAVE_KIND:
			l.SlaveKind = unix.ByteSliceToString(v)
		case nl.IFLA_INFO_SLAVE_DATA:
			l.SlaveData = bytes.Clone(v)
		}
	})
	if err == nil && l.Kind == "bond" {
		l.Bond, err = parseBond(l.Data)
	}
	if err == nil && l.SlaveKind == "bond" {
		l.Slave, err = parseSlave(l.SlaveData)
	}
	return err
}

// each calls f for every attribute in b.
func each(b []byte, f func(kind uint16, value []byte)) error {
	for len(b) >= unix.SizeofRtAttr {
		n := int(nl.NativeEndian().Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return errShort
		}
		f(nl.NativeEndian().Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofRtAttr:n])
		b = b[min((n+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1), len(b)):] // the last one need not be padded
	}
	return nil
}

// number reads an unsigned attribute of 1, 2 or 4 bytes; a value of another
// size is -1, which no attribute here can have.
func number(v []byte) int {
	switch len(v) {
	case 1:
		return int(v[0])
	case 2:
		return int(nl.NativeEndian().Uint16(v))
	case 4:
		return int(nl.NativeEndian().Uint32(v))
	}
	return -1
}
