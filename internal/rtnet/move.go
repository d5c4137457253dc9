// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Flags of a route or nexthop that are asked for; the rest is how it was
// (include/uapi/linux/rtnetlink.h, RTNH_F_ONLINK, RTNH_F_PERVASIVE).
const askedRouteFlags = 4 | 2

// askedNexthopFlags are those of a nexthop object (net/ipv4/nexthop.c, NEXTHOP_VALID_USER_FLAGS).
const askedNexthopFlags = 4

// Flags of an address that are its state and not asked for.
const addressState = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED | unix.IFA_F_OPTIMISTIC

// Of include/uapi/linux/neighbour.h: that a driver has the entry, and NDA_FLAGS_EXT, which may say that it is not to move.
const (
	ntfOffloaded = 1 << 5
	ndaFlagsExt  = 15
)

// userHZ is the unit of times in rta_cacheinfo, per second (include/asm-generic/param.h).
const userHZ = 100

// ofObject are what a route by a nexthop object is told of it for old programs;
// the kernel refuses them beside the object (net/ipv4/fib_semantics.c, fib_create_info).
var ofObject = []uint16{unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH, unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE, unix.RTA_FLOW}

// toldOfNexthops are attributes that the kernel tells and does not take: NHA_GROUPS,
// NHA_MASTER, NHA_RES_BUCKET, NHA_OP_FLAGS and NHA_HW_STATS_USED (net/ipv4/nexthop.c,
// rtm_nh_policy_new).
var toldOfNexthops = []uint16{9, 10, 13, 14, 16}

// moved is the message that makes the entry, with the ifindexes that at says in
// the places of those in it.
func moved(e Entry, at func(index int) (int, error)) ([]byte, error) {
	head := families[e.Kind].header
	if head == 0 || len(e.Body) < head {
		return nil, errShort
	}
	m := mover{e: e, at: at, out: slices.Clone(e.Body[:head])}
	attrs, err := attributes(e.Body[head:])
	if err != nil {
		return nil, err
	}
	if err := m.header(); err != nil {
		return nil, err
	}
	m.htb = e.Kind == Qdisc && slices.ContainsFunc(attrs, func(a attribute) bool {
		return a.kind == nl.TCA_KIND && unix.ByteSliceToString(a.value) == "htb"
	})
	m.byObject = e.Kind == Route && slices.ContainsFunc(attrs, func(a attribute) bool { return a.kind == rtaNHID })
	for _, a := range attrs {
		a.value = slices.Clone(a.value)
		keep, err := m.attribute(&a)
		if err != nil {
			return nil, err
		}
		if keep {
			m.out = appendAttribute(m.out, a.kind|a.flags, a.value)
		}
	}
	return m.out, nil
}

type mover struct {
	e        Entry
	at       func(index int) (int, error)
	out      []byte
	byObject bool // a route by a nexthop object
	htb      bool // a qdisc of that kind
	other    bool // it goes to a netdev of another ifindex
}

// put puts the new ifindex in the place of the old one.
func (m *mover) put(b []byte) error {
	old := int(u32(b))
	n, err := m.at(old)
	if err != nil {
		return err
	}
	m.other = m.other || n != old
	binary.NativeEndian.PutUint32(b, uint32(n))
	return nil
}

func (m *mover) header() error {
	switch m.e.Kind {
	case Address, Neighbour, Proxy, FDB, BridgeVLAN: // struct ifaddrmsg, ndmsg and ifinfomsg have the ifindex in one place
		if m.e.Kind == Address {
			m.out[2] &^= addressState & 0xff
		}
		if m.e.Kind == FDB { // it is the bridge that is asked, and whether the card has it is its own affair
			m.out[ndmFlags] = m.out[ndmFlags]&^ntfOffloaded | unix.NTF_MASTER
		}
		return m.put(m.out[4:])
	case Qdisc, Class, Filter:
		return m.tcHeader()
	case Route:
		binary.NativeEndian.PutUint32(m.out[8:], u32(m.out[8:])&askedRouteFlags)
	case Nexthop:
		m.out[1] = 0 // the scope, which is refused (net/ipv4/nexthop.c, rtm_to_nh_config)
		binary.NativeEndian.PutUint32(m.out[4:], u32(m.out[4:])&askedNexthopFlags)
	}
	return nil
}

// attribute changes one; false leaves it out.
func (m *mover) attribute(a *attribute) (bool, error) {
	switch m.e.Kind {
	case Address:
		return m.ofAddress(a), nil
	case Qdisc, Class: // the rest are figures
		if a.kind == nl.TCA_OPTIONS && m.htb {
			htbVersion(a.value)
		}
		return a.kind == nl.TCA_KIND || a.kind == nl.TCA_OPTIONS, nil
	case FDB:
		return a.kind == unix.NDA_LLADDR || a.kind == unix.NDA_VLAN || a.kind == ndaFlagsExt, nil
	case Nexthop:
		switch {
		case slices.Contains(toldOfNexthops, a.kind):
			return false, nil
		case a.kind == nhaOIF && len(a.value) == 4:
			return true, m.put(a.value)
		}
	case Route:
		return m.ofRoute(a)
	}
	return true, nil
}

func (m *mover) ofAddress(a *attribute) bool {
	switch {
	case a.kind == ifaFlags && len(a.value) == 4:
		binary.NativeEndian.PutUint32(a.value, u32(a.value)&^addressState)
	case a.kind == unix.IFA_LABEL:
		// The kernel makes it of the netdev's name where nobody says it.
		return !m.other && strings.Contains(unix.ByteSliceToString(a.value), ":")
	}
	return true
}

func (m *mover) ofRoute(a *attribute) (bool, error) {
	switch {
	case m.byObject && slices.Contains(ofObject, a.kind):
		return false, nil
	case a.kind == unix.RTA_CACHEINFO:
		// Of struct rta_cacheinfo, only the time that is left is asked for, in an attribute of its own.
		if len(a.value) < 12 || m.e.Family != unix.AF_INET6 || int32(u32(a.value[8:])) <= 0 {
			return false, nil
		}
		a.kind, a.value = rtaExpires, binary.NativeEndian.AppendUint32(nil, max(1, u32(a.value[8:])/userHZ))
	case a.kind == unix.RTA_OIF && len(a.value) == 4:
		return true, m.put(a.value)
	case a.kind == unix.RTA_MULTIPATH:
		hops, err := multipath(a.value)
		if err != nil {
			return false, err
		}
		for _, h := range hops {
			a.value[h.at+2] &= askedRouteFlags
			if err := m.put(a.value[h.at+4:]); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// removal is the message that takes the entry away. Of a nexthop object, nothing but
// its ID may be said (net/ipv4/nexthop.c, rtm_nh_policy_del).
func removal(e Entry) ([]byte, error) {
	body, err := moved(e, func(i int) (int, error) { return i, nil })
	if err != nil || e.Kind != Nexthop {
		return body, err
	}
	attrs, err := attributes(body[sizeofNhMsg:])
	out := make([]byte, sizeofNhMsg)
	for _, a := range attrs {
		if a.kind == nhaID {
			out = appendAttribute(out, a.kind, a.value)
		}
	}
	return out, err
}

// hopByHop are the messages that make an entry of whose message body is. IPv6 keeps
// the hops of a route as routes of their own: some of them may be there.
func hopByHop(e Entry, body []byte) [][]byte {
	head := families[e.Kind].header
	attrs, err := attributes(body[head:])
	n := slices.IndexFunc(attrs, func(a attribute) bool { return a.kind == unix.RTA_MULTIPATH })
	if e.Kind != Route || e.Family != unix.AF_INET6 || err != nil || n < 0 {
		return [][]byte{body}
	}
	hops, err := multipath(attrs[n].value)
	if err != nil {
		return [][]byte{body}
	}
	var all [][]byte
	for _, h := range hops {
		one := slices.Clone(body[:head])
		for i, a := range attrs {
			if i == n {
				a.value = a.value[h.at:h.end]
			}
			one = appendAttribute(one, a.kind|a.flags, a.value)
		}
		all = append(all, one)
	}
	return all
}

// Indexes are the ifindexes of the entry, each once.
func (e Entry) Indexes() []int {
	all := slices.Clone(e.Others)
	if e.Index != 0 {
		all = append(all, e.Index)
	}
	// What cannot be read has none: Add says why.
	_, _ = moved(e, func(i int) (int, error) {
		all = append(all, i)
		return i, nil
	})
	slices.Sort(all)
	return slices.Compact(all)
}
