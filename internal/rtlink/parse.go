// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"encoding/binary"
	"errors"
	"fmt"

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
	var linkInfo, properties []byte
	elsewhere := false
	err := each(m[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(v)
		case unix.IFLA_IFALIAS:
			l.Alias = unix.ByteSliceToString(v)
		case unix.IFLA_MTU:
			l.MTU = number(v)
		case unix.IFLA_MASTER:
			l.Master = number(v)
		case unix.IFLA_PARENT_DEV_BUS_NAME:
			l.ParentBus = unix.ByteSliceToString(v)
		case unix.IFLA_PARENT_DEV_NAME:
			l.Parent = unix.ByteSliceToString(v)
		case unix.IFLA_PHYS_PORT_NAME:
			l.PhysPortName = unix.ByteSliceToString(v)
		case unix.IFLA_LINKINFO:
			linkInfo = v
		case unix.IFLA_LINK:
			l.Lower = number(v)
		case unix.IFLA_LINK_NETNSID:
			elsewhere = true
		case unix.IFLA_PROP_LIST:
			properties = v
		}
	})
	if l.Lower == l.Index || elsewhere { // of a netdev below itself, and of one that has an index elsewhere, nothing is said
		l.Lower = 0
	}
	if err == nil {
		err = each(properties, func(kind uint16, v []byte) {
			if kind == unix.IFLA_ALT_IFNAME {
				l.AltNames = append(l.AltNames, unix.ByteSliceToString(v))
			}
		})
	}
	if err == nil {
		err = parseLinkInfo(&l, linkInfo)
	}
	if err != nil {
		return Link{}, fmt.Errorf("netdev %d %q: %w", l.Index, l.Name, err)
	}
	return l, nil
}

func parseLinkInfo(l *Link, b []byte) error {
	var slaveKind string
	var data, slaveData []byte
	err := each(b, func(kind uint16, v []byte) {
		switch kind {
		case nl.IFLA_INFO_KIND:
			l.Kind = unix.ByteSliceToString(v)
		case nl.IFLA_INFO_DATA:
			data = v
		case nl.IFLA_INFO_SLAVE_KIND:
			slaveKind = unix.ByteSliceToString(v)
		case nl.IFLA_INFO_SLAVE_DATA:
			slaveData = v
		}
	})
	if err == nil && l.Kind == "bond" {
		l.Bond, err = parseBond(data)
	}
	if err == nil && slaveKind == "bond" {
		l.Slave, err = parseSlave(slaveData)
	}
	return err
}

// each calls f for every attribute in b. The library's own (nl.ParseRouteAttr) panics
// where the padding of the last one is missing.
func each(b []byte, f func(kind uint16, value []byte)) error {
	for len(b) >= unix.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return errShort
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofRtAttr:n])
		b = b[min(len(b), (n+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
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
