// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Protocol is that of the routes which nicwright makes (rtm_protocol), 1..255: none that the kernel
// (include/uapi/linux/rtnetlink.h, RTPROT_*), iproute2 (etc/iproute2/rt_protos), FRR (186..199), OVN (84) or Calico (80) has.
const Protocol = 110

// NewAddress is an address that is put on the netdev of an ifindex, as `ip address add` would.
func NewAddress(p netip.Prefix, index int) Entry {
	body := make([]byte, unix.SizeofIfAddrmsg)
	body[0], body[1] = familyOf(p.Addr()), byte(p.Bits())
	binary.NativeEndian.PutUint32(body[4:], uint32(index))
	body = appendAttribute(body, unix.IFA_LOCAL, p.Addr().AsSlice())
	body = appendAttribute(body, unix.IFA_ADDRESS, p.Addr().AsSlice())
	body = appendAttribute(body, ifaFlags, u32s(unix.IFA_F_PERMANENT))
	return made(Address, body)
}

// Way is a route as somebody asks for it. What is zero is left to the kernel.
type Way struct {
	To     netip.Prefix // of length 0: to everywhere
	Via    netip.Addr   // of To's family; none: To is on the link
	Metric int          // 0..2^32-1
	Table  int          // 1..2^32-1, 0 for the main one
	MTU    int          // bytes
}

// NewRoute is a route of Protocol through the netdev of an ifindex.
func NewRoute(w Way, index int) Entry {
	body := make([]byte, unix.SizeofRtMsg)
	table := w.Table
	if table == 0 {
		table = unix.RT_TABLE_MAIN
	}
	body[0], body[1], body[5], body[7] = familyOf(w.To.Addr()), byte(w.To.Bits()), Protocol, unix.RTN_UNICAST
	if body[4] = unix.RT_TABLE_UNSPEC; table < 256 {
		body[4] = byte(table)
	}
	if !w.Via.IsValid() && w.To.Addr().Is4() {
		body[6] = unix.RT_SCOPE_LINK
	}
	body = appendAttribute(body, unix.RTA_TABLE, u32s(uint32(table)))
	if w.To.Bits() > 0 {
		body = appendAttribute(body, unix.RTA_DST, w.To.Masked().Addr().AsSlice())
	}
	if w.Metric > 0 {
		body = appendAttribute(body, unix.RTA_PRIORITY, u32s(uint32(w.Metric)))
	}
	if w.MTU > 0 {
		body = appendAttribute(body, unix.RTA_METRICS|unix.NLA_F_NESTED, appendAttribute(nil, unix.RTAX_MTU, u32s(uint32(w.MTU))))
	}
	if w.Via.IsValid() {
		body = appendAttribute(body, unix.RTA_GATEWAY, w.Via.AsSlice())
	}
	body = appendAttribute(body, unix.RTA_OIF, u32s(uint32(index)))
	return made(Route, body)
}

// made is the entry of a message as it would be read.
func made(kind Kind, body []byte) Entry {
	e, _, _ := parse(kind, body) // it is whole, by its making
	return e
}

func familyOf(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func u32s(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// attr is an attribute of the entry's message, nil where it has none.
func (e Entry) attr(kind uint16) []byte {
	head := families[e.Kind].header
	if len(e.Body) < head {
		return nil
	}
	attrs, err := attributes(e.Body[head:])
	n := slices.IndexFunc(attrs, func(a attribute) bool { return a.kind == kind })
	if err != nil || n < 0 {
		return nil
	}
	return attrs[n].value
}

// MTU is what a route says of the size of packets in bytes, 0 where it leaves that to the netdev.
func (e Entry) MTU() int {
	metrics, err := attributes(e.attr(unix.RTA_METRICS))
	n := slices.IndexFunc(metrics, func(a attribute) bool { return a.kind == unix.RTAX_MTU })
	if e.Kind != Route || err != nil || n < 0 {
		return 0
	}
	return int(u32(metrics[n].value))
}

// Protocol says who made a route (rtm_protocol), 0 for nobody knows.
func (e Entry) Protocol() int {
	if e.Kind != Route || len(e.Body) < unix.SizeofRtMsg {
		return 0
	}
	return int(e.Body[5])
}

// Flags are those of an address (IFA_F_*).
func (e Entry) Flags() uint32 {
	switch v := e.attr(ifaFlags); {
	case e.Kind != Address || len(e.Body) < unix.SizeofIfAddrmsg:
		return 0
	case len(v) == 4:
		return u32(v)
	}
	return uint32(e.Body[2])
}

// Source is the address that a route says its packets are from, or none.
func (e Entry) Source() netip.Addr {
	a, _ := netip.AddrFromSlice(e.attr(unix.RTA_PREFSRC))
	return a
}

// Gateway is that of a route with one, or none.
func (e Entry) Gateway() netip.Addr {
	words := strings.Fields(e.Text)
	for n, w := range words {
		if w == "via" && n+1 < len(words) && words[max(n-1, 0)] != "nexthop" {
			a, _ := netip.ParseAddr(words[n+1])
			return a
		}
	}
	return netip.Addr{}
}

// Rivals tells two routes to one place, of one table and metric: the kernel uses one of them, or both by turns.
func (e Entry) Rivals(o Entry) bool {
	return e.Kind == Route && o.Kind == Route && e.Family == o.Family && slices.Equal(e.place(), o.place())
}

// place is a route's text without by which way it goes.
func (e Entry) place() []string {
	var out []string
	words := strings.Fields(e.Text)
	for n := 0; n < len(words); n++ {
		switch words[n] {
		case "nexthop":
		case "via", "nhid":
			if n++; n < len(words) && (words[n] == "inet6" || words[n] == "the") { // via inet6 fe80::1, via the link
				n++
			}
		case "::/0":
			out = append(out, "default")
		default:
			out = append(out, words[n])
		}
	}
	return out
}
