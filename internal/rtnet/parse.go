// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Of include/uapi/linux/if_addr.h, nexthop.h and rtnetlink.h, where x/sys has none.
const (
	ifaFlags      = 8
	ifaProto      = 11
	protoKernelLO = 1
	protoKernelRA = 2
	protoKernelLL = 3

	nhaID    = 1
	nhaGroup = 2 // of struct nexthop_grp: the ID, weights
	nhaOIF   = 5
	nhaFDB   = 11

	sizeofNexthopGrp = 8

	rtaExpires = 23
	rtaNHID    = 30

	rtProtoDHCP = 16
)

// Advertised is the Daemon of what routers advertise: it comes again by itself when
// the link is up, and what was put back would be in its way.
const Advertised = "router advertisements"

// daemons are who else looks after routes, by rtm_protocol (/etc/iproute2/rt_protos).
var daemons = map[uint8]string{
	9: Advertised, 10: "mrtd", 11: "zebra", 12: "bird", 15: "ntk", rtProtoDHCP: "a DHCP client", 17: "mrouted",
	42: "babeld", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
}

// parse makes an Entry of a message; ok is false for what the kernel makes by
// itself, or what is not kept.
func parse(kind Kind, m []byte) (Entry, bool, error) {
	f := families[kind]
	if len(m) < f.header {
		return Entry{}, false, errShort
	}
	attrs, err := attributes(m[f.header:])
	if err != nil {
		return Entry{}, false, err
	}
	by := map[uint16][]byte{}
	for _, a := range attrs {
		by[a.kind] = a.value
	}
	e := Entry{Kind: kind, Family: m[0], Body: slices.Clone(m)}
	var ok bool
	switch kind {
	case Address:
		ok = e.address(by)
	case Neighbour:
		ok = e.neighbour(by)
	case Proxy:
		ok = e.proxy(by)
	case FDB:
		ok = e.fdb(by)
	case Qdisc, Class:
		ok = e.tc(by)
	case Filter:
		ok = e.filter(by)
	case Nexthop:
		ok = e.nexthop(by)
	case Route:
		ok, err = e.route(by)
	}
	return e, ok, err
}

func addr(b []byte) string {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return "?"
	}
	return a.String()
}

// address is struct ifaddrmsg: family, prefixlen, flags, scope, index.
func (e *Entry) address(by map[uint16][]byte) bool {
	e.Index = int(u32(e.Body[4:]))
	flags := uint32(e.Body[2])
	if v := by[ifaFlags]; len(v) == 4 {
		flags = u32(v)
	}
	local := by[unix.IFA_LOCAL]
	if local == nil {
		local = by[unix.IFA_ADDRESS]
	}
	e.Text = addr(local) + "/" + strconv.Itoa(int(e.Body[1]))
	if peer := by[unix.IFA_ADDRESS]; peer != nil && addr(peer) != addr(local) {
		e.Text = addr(local) + " peer " + addr(peer) + "/" + strconv.Itoa(int(e.Body[1]))
	}
	proto := uint8(0)
	if v := by[ifaProto]; len(v) == 1 {
		proto = v[0]
	}
	switch {
	case e.Family == unix.AF_INET6 && flags&unix.IFA_F_TEMPORARY != 0, proto == protoKernelLO, proto == protoKernelLL:
		return false
	case e.Family != unix.AF_INET && e.Family != unix.AF_INET6, e.Body[3] == unix.RT_SCOPE_HOST:
		return false
	case e.Family == unix.AF_INET6 && e.Body[3] == unix.RT_SCOPE_LINK && proto == 0:
		return false // the link's own, of a kernel that does not say so
	case proto == protoKernelRA:
		e.Daemon = Advertised
	case flags&unix.IFA_F_PERMANENT == 0:
		e.Daemon = "a DHCP client"
	}
	return true
}

// neighbour is struct ndmsg: family, pad, ifindex, state, flags, type.
func (e *Entry) neighbour(by map[uint16][]byte) bool {
	e.Index = int(u32(e.Body[4:]))
	e.Text = addr(by[unix.NDA_DST]) + " lladdr " + net.HardwareAddr(by[unix.NDA_LLADDR]).String()
	// Those of bridges are of AF_BRIDGE; a multicast address has one by itself, of a state of its own.
	return (e.Family == unix.AF_INET || e.Family == unix.AF_INET6) && binary.NativeEndian.Uint16(e.Body[ndmState:]) == unix.NUD_PERMANENT
}

// proxy is struct ndmsg with NTF_PROXY.
func (e *Entry) proxy(by map[uint16][]byte) bool {
	e.Index = int(u32(e.Body[4:]))
	e.Text = addr(by[unix.NDA_DST])
	return (e.Family == unix.AF_INET || e.Family == unix.AF_INET6) && e.Body[ndmFlags]&unix.NTF_PROXY != 0
}

// fdb is struct ndmsg of AF_BRIDGE. What is static is NUD_NOARP; the port's own
// address is NUD_PERMANENT, and the netdev's own list has no master
// (net/bridge/br_fdb.c, fdb_to_nud and fdb_fill_info).
func (e *Entry) fdb(by map[uint16][]byte) bool {
	e.Index = int(u32(e.Body[4:]))
	e.Text = net.HardwareAddr(by[unix.NDA_LLADDR]).String()
	if v := by[unix.NDA_VLAN]; len(v) == 2 {
		e.Text += " vlan " + strconv.Itoa(int(binary.NativeEndian.Uint16(v)))
	}
	return e.Family == unix.AF_BRIDGE && by[unix.NDA_MASTER] != nil && len(by[unix.NDA_LLADDR]) > 0 && e.Index != int(u32(by[unix.NDA_MASTER])) &&
		binary.NativeEndian.Uint16(e.Body[ndmState:]) == unix.NUD_NOARP && e.Body[ndmFlags]&(unix.NTF_SELF|unix.NTF_EXT_LEARNED) == 0
}

// nexthop is struct nhmsg: family, scope, protocol, reserved, flags.
func (e *Entry) nexthop(by map[uint16][]byte) bool {
	e.Index = int(u32(by[nhaOIF]))
	e.Text = "id " + strconv.FormatUint(uint64(u32(by[nhaID])), 10)
	if group := members(by[nhaGroup]); len(group) > 0 {
		words := make([]string, len(group))
		for n, id := range group {
			words[n] = strconv.FormatUint(uint64(id), 10)
		}
		e.Text += " group " + strings.Join(words, "/")
	}
	if e.Daemon = daemons[e.Body[2]]; e.Daemon == "" && e.Body[2] == unix.RTPROT_KERNEL {
		return false
	}
	return (e.Index != 0 || by[nhaGroup] != nil) && by[nhaFDB] == nil
}

// members are the nexthop objects of a group, by ID.
func members(group []byte) []uint32 {
	var ids []uint32
	for ; len(group) >= sizeofNexthopGrp; group = group[sizeofNexthopGrp:] {
		ids = append(ids, u32(group))
	}
	return ids
}

// route is struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags.
func (e *Entry) route(by map[uint16][]byte) (bool, error) {
	dst, src, tos, proto, kind := e.Body[1], e.Body[2], e.Body[3], e.Body[5], e.Body[7]
	if e.Family != unix.AF_INET && e.Family != unix.AF_INET6 || kind != unix.RTN_UNICAST || proto == unix.RTPROT_REDIRECT || binary.NativeEndian.Uint32(e.Body[8:])&unix.RTM_F_CLONED != 0 {
		return false, nil
	}
	e.Daemon = daemons[proto]
	words := []string{"default"}
	switch {
	case e.Family == unix.AF_INET6 && dst == 0 && by[unix.RTA_GATEWAY] == nil:
		words[0] = "::/0" // where no gateway tells it from IPv4's
	case dst > 0:
		words[0] = addr(by[unix.RTA_DST]) + "/" + strconv.Itoa(int(dst))
	}
	if src > 0 {
		words = append(words, "from", addr(by[unix.RTA_SRC])+"/"+strconv.Itoa(int(src)))
	}
	e.Index = int(u32(by[unix.RTA_OIF]))
	switch {
	case by[rtaNHID] != nil:
		words = append(words, "nhid", strconv.FormatUint(uint64(u32(by[rtaNHID])), 10))
	case by[unix.RTA_MULTIPATH] != nil:
		hops, err := multipath(by[unix.RTA_MULTIPATH])
		if err != nil {
			return false, err
		}
		// The kernel's order changes when one goes and comes.
		slices.SortFunc(hops, func(a, b hop) int { return cmp.Or(strings.Compare(a.gateway, b.gateway), a.index-b.index) })
		for _, h := range hops {
			words = append(words, "nexthop via", h.gateway)
		}
		if len(hops) > 0 {
			e.Index = hops[0].index
		}
	case by[unix.RTA_GATEWAY] != nil:
		words = append(words, "via", addr(by[unix.RTA_GATEWAY]))
	case len(by[unix.RTA_VIA]) > 2:
		words = append(words, "via inet6", addr(by[unix.RTA_VIA][2:]))
	}
	if v := by[unix.RTA_PRIORITY]; v != nil && (e.Family == unix.AF_INET || u32(v) != 1024) { // 1024 is what IPv6 has where nobody says
		words = append(words, "metric", strconv.FormatUint(uint64(u32(v)), 10))
	}
	table := uint32(e.Body[4])
	if v := by[unix.RTA_TABLE]; v != nil {
		table = u32(v)
	}
	if table != unix.RT_TABLE_MAIN {
		words = append(words, "table", strconv.FormatUint(uint64(table), 10))
	}
	if tos > 0 {
		words = append(words, fmt.Sprintf("tos %#x", tos))
	}
	e.Text = strings.Join(words, " ")
	if proto == unix.RTPROT_KERNEL { // but for those that somebody made in its name (prefixes)
		return false, nil
	}
	return e.Index != 0 || by[rtaNHID] != nil, nil
}

// hop is one struct rtnexthop of RTA_MULTIPATH: len, flags, hops, ifindex.
type hop struct {
	at, end int // of it, in the attribute's value
	index   int
	gateway string
}

func multipath(b []byte) ([]hop, error) {
	var all []hop
	for at := 0; at+unix.SizeofRtNexthop <= len(b); {
		n := int(binary.NativeEndian.Uint16(b[at:]))
		if n < unix.SizeofRtNexthop || at+n > len(b) {
			return nil, errShort
		}
		attrs, err := attributes(b[at+unix.SizeofRtNexthop : at+n])
		if err != nil {
			return nil, err
		}
		h := hop{at: at, end: at + n, index: int(u32(b[at+4:])), gateway: "the link"}
		for _, a := range attrs {
			switch {
			case a.kind == unix.RTA_GATEWAY:
				h.gateway = addr(a.value)
			case a.kind == unix.RTA_VIA && len(a.value) > 2:
				h.gateway = addr(a.value[2:])
			}
		}
		all = append(all, h)
		at += (n + unix.RTNH_ALIGNTO - 1) &^ (unix.RTNH_ALIGNTO - 1)
	}
	return all, nil
}

// Rank is the order in which entries can be put back.
func (e Entry) Rank() int {
	switch e.Kind {
	case Nexthop:
		if e.isGroup() {
			return 2 // after its members
		}
		return 1
	case Address:
		return 0
	case Neighbour, Proxy, BridgeVLAN:
		return 3
	case FDB: // after the VLANs
		return 4
	case Qdisc, Class, Filter: // among themselves by depth
		return 6
	}
	if strings.Contains(e.Text, "via") || strings.Contains(e.Text, "nhid") {
		return 5
	}
	return 4
}

// Order compares entries by it; of qdiscs and classes, the upper ones are first.
func Order(a, b Entry) int {
	if c := a.Rank() - b.Rank(); c != 0 || !a.Kind.OfTC() {
		return c
	}
	return cmp.Compare(a.tcDepth(), b.tcDepth())
}

func (e Entry) isGroup() bool { return e.Kind == Nexthop && strings.Contains(e.Text, " group ") }

// sortEntries sorts what was dumped. Of IPv6 addresses, the kernel tells the newest
// first (net/ipv6/addrconf.c, ipv6_link_dev_addr), and chooses the first where all else
// is equal.
func sortEntries(all []Entry) {
	newest := func(e Entry) bool { return e.Kind == Address && e.Family == unix.AF_INET6 }
	slices.SortStableFunc(all, func(a, b Entry) int {
		if c := Order(a, b); c != 0 || newest(a) == newest(b) {
			return c
		}
		if newest(a) {
			return 1
		}
		return -1
	})
	if from := slices.IndexFunc(all, newest); from >= 0 {
		to := from
		for to < len(all) && newest(all[to]) {
			to++
		}
		slices.Reverse(all[from:to])
	}
}

// resolve says on which netdevs groups of nexthop objects are, and routes by them:
// their messages name objects only. What is on none goes: a route to nowhere.
func resolve(all []Entry) []Entry {
	on := map[uint32][]int{}
	named := func(e Entry, kind uint16) []byte {
		attrs, err := attributes(e.Body[families[e.Kind].header:])
		n := slices.IndexFunc(attrs, func(a attribute) bool { return a.kind == kind })
		if err != nil || n < 0 {
			return nil
		}
		return attrs[n].value
	}
	for n := range all { // objects are before groups are before routes
		e := &all[n]
		var by []uint32
		switch e.Kind {
		case Nexthop:
			by = members(named(*e, nhaGroup))
		case Route:
			if id := named(*e, rtaNHID); id != nil {
				by = []uint32{u32(id)}
			}
		}
		var indexes []int
		for _, id := range by {
			indexes = append(indexes, on[id]...)
		}
		if e.Index == 0 && len(indexes) > 0 { // in the order of the group, whatever the ifindexes
			e.Index, e.Others = indexes[0], indexes[1:]
		}
		if e.Kind == Nexthop && e.Index != 0 {
			on[u32(named(*e, nhaID))] = append([]int{e.Index}, e.Others...)
		}
	}
	return slices.DeleteFunc(all, func(e Entry) bool { return e.Index == 0 })
}
