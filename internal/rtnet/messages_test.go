// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attr is one attribute of a message that a test makes.
type attr struct {
	kind  uint16
	value []byte
}

func message(header []byte, attrs ...attr) []byte {
	b := header
	for _, a := range attrs {
		b = appendAttribute(b, a.kind, a.value)
	}
	return b
}

func n32(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

func ip(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

// ifaddrmsg, ndmsg, nhmsg and rtmsg are the headers of include/uapi/linux.
func ifaddrmsg(family, length, flags, scope byte, index uint32) []byte {
	return append([]byte{family, length, flags, scope}, n32(index)...)
}

func ndmsg(family byte, index uint32, state uint16, flags ...byte) []byte {
	b := append([]byte{family, 0, 0, 0}, n32(index)...)
	return append(binary.NativeEndian.AppendUint16(b, state), append(flags, 0)[0], unix.RTN_UNICAST)
}

func nhmsg(family, scope, proto byte, flags uint32) []byte {
	return append([]byte{family, scope, proto, 0}, n32(flags)...)
}

func rtmsg(family, dst, table, proto, kind byte, flags uint32) []byte {
	return append([]byte{family, dst, 0, 0, table, proto, unix.RT_SCOPE_UNIVERSE, kind}, n32(flags)...)
}

func rtnexthop(flags byte, index uint32, gateway string) []byte {
	var attrs []byte
	if gateway != "" {
		attrs = appendAttribute(nil, unix.RTA_GATEWAY, ip(gateway))
	}
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtNexthop+len(attrs)))
	return append(append(append(b, flags, 0), n32(index)...), attrs...)
}

func tcmsg(index, handle, parent, info uint32) []byte {
	return append([]byte{unix.AF_UNSPEC, 0, 0, 0}, n32(index, handle, parent, info)...)
}

func group(ids ...uint32) []byte {
	var b []byte
	for _, id := range ids {
		b = append(b, n32(id, 0)...)
	}
	return b
}

const (
	inet  = unix.AF_INET
	inet6 = unix.AF_INET6
	main  = unix.RT_TABLE_MAIN
	boot  = unix.RTPROT_BOOT
	uni   = unix.RTN_UNICAST
)

// sample is a message and what is to be made of it; no text: it is not kept.
type sample struct {
	kind   Kind
	m      []byte
	text   string
	index  int
	daemon string
}

func samples() map[string]sample {
	lifetimes := attr{unix.IFA_CACHEINFO, n32(3000, 3600, 5, 5)}
	gateway := attr{unix.RTA_GATEWAY, ip("192.0.2.1")}
	oif := attr{unix.RTA_OIF, n32(7)}
	hops := attr{unix.RTA_MULTIPATH, append(rtnexthop(16, 8, "192.0.2.9"), rtnexthop(0, 7, "192.0.2.1")...)}
	mac, bridge := attr{unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1}}, attr{unix.NDA_MASTER, n32(3)}
	flags := func(f uint32) attr { return attr{ifaFlags, n32(f)} }
	return map[string]sample{
		"an address": {
			Address, message(ifaddrmsg(inet, 24, 0x80, 0, 7), attr{unix.IFA_ADDRESS, ip("192.0.2.10")}, attr{unix.IFA_LOCAL, ip("192.0.2.10")}, attr{unix.IFA_LABEL, []byte("eth0\x00")}, flags(0x80)),
			"192.0.2.10/24", 7, "",
		},
		"a peer's": {
			Address, message(ifaddrmsg(inet, 32, 0x80, 0, 7), attr{unix.IFA_ADDRESS, ip("192.0.2.11")}, attr{unix.IFA_LOCAL, ip("192.0.2.10")}, flags(0x80)),
			"192.0.2.10 peer 192.0.2.11/32", 7, "",
		},
		"a second one of a subnet":          {Address, message(ifaddrmsg(inet, 24, 0x81, 0, 7), attr{unix.IFA_LOCAL, ip("192.0.2.12")}, flags(0x81)), "192.0.2.12/24", 7, ""}, // IFA_F_SECONDARY is IFA_F_TEMPORARY
		"a leased one":                      {Address, message(ifaddrmsg(inet, 24, 0, 0, 7), attr{unix.IFA_LOCAL, ip("192.0.2.10")}, lifetimes), "192.0.2.10/24", 7, "a DHCP client"},
		"an IPv6 address":                   {Address, message(ifaddrmsg(inet6, 64, 0xc0, 0, 7), attr{unix.IFA_ADDRESS, ip("2001:db8::10")}, flags(0xc0)), "2001:db8::10/64", 7, ""},
		"an advertised one":                 {Address, message(ifaddrmsg(inet6, 64, 0, 0, 7), attr{unix.IFA_ADDRESS, ip("2001:db8::10")}, attr{ifaProto, []byte{protoKernelRA}}, lifetimes), "2001:db8::10/64", 7, Advertised},
		"a temporary one":                   {Address, message(ifaddrmsg(inet6, 64, unix.IFA_F_TEMPORARY, 0, 7), attr{unix.IFA_ADDRESS, ip("2001:db8::11")}), "", 0, ""},
		"the link's own":                    {Address, message(ifaddrmsg(inet6, 64, 0x80, unix.RT_SCOPE_LINK, 7), attr{unix.IFA_ADDRESS, ip("fe80::1")}, attr{ifaProto, []byte{protoKernelLL}}), "", 0, ""},
		"the link's own, of an old kernel":  {Address, message(ifaddrmsg(inet6, 64, 0x80, unix.RT_SCOPE_LINK, 7), attr{unix.IFA_ADDRESS, ip("fe80::1")}), "", 0, ""},
		"the loopback's":                    {Address, message(ifaddrmsg(inet, 8, 0x80, unix.RT_SCOPE_HOST, 1), attr{unix.IFA_LOCAL, ip("127.0.0.1")}), "", 0, ""},
		"a neighbour":                       {Neighbour, message(ndmsg(inet, 7, unix.NUD_PERMANENT), attr{unix.NDA_DST, ip("192.0.2.1")}, attr{unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1}}), "192.0.2.1 lladdr 02:00:00:00:00:01", 7, ""},
		"a neighbour that was found":        {Neighbour, message(ndmsg(inet, 7, unix.NUD_REACHABLE), attr{unix.NDA_DST, ip("192.0.2.1")}), "", 0, ""},
		"a bridge's forwarding":             {Neighbour, message(ndmsg(unix.AF_BRIDGE, 7, unix.NUD_PERMANENT), attr{unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1}}), "", 0, ""},
		"one that is answered for":          {Proxy, message(ndmsg(inet, 7, 0, unix.NTF_PROXY), attr{unix.NDA_DST, ip("192.0.2.7")}), "192.0.2.7", 7, ""},
		"one that is not":                   {Proxy, message(ndmsg(inet, 7, unix.NUD_REACHABLE), attr{unix.NDA_DST, ip("192.0.2.7")}), "", 0, ""},
		"a bridge's static entry":           {FDB, message(ndmsg(unix.AF_BRIDGE, 7, unix.NUD_NOARP), mac, bridge, attr{unix.NDA_VLAN, []byte{5, 0}}), "02:00:00:00:00:01 vlan 5", 7, ""},
		"a bridge's learned entry":          {FDB, message(ndmsg(unix.AF_BRIDGE, 7, unix.NUD_REACHABLE), mac, bridge), "", 0, ""},
		"a port's own address":              {FDB, message(ndmsg(unix.AF_BRIDGE, 7, unix.NUD_PERMANENT), mac, bridge), "", 0, ""},
		"a netdev's own list":               {FDB, message(ndmsg(unix.AF_BRIDGE, 7, unix.NUD_NOARP, unix.NTF_SELF), mac), "", 0, ""},
		"an entry that a card learned":      {FDB, message(ndmsg(unix.AF_BRIDGE, 7, unix.NUD_NOARP, unix.NTF_EXT_LEARNED), mac, bridge), "", 0, ""},
		"an entry of the bridge itself":     {FDB, message(ndmsg(unix.AF_BRIDGE, 3, unix.NUD_NOARP), mac, bridge), "", 0, ""},
		"a qdisc":                           {Qdisc, message(tcmsg(7, 0x10000, 0xffffffff, 2), attr{nl.TCA_KIND, []byte("htb\x00")}, attr{nl.TCA_OPTIONS, nil}), "htb 1: root", 7, ""},
		"a qdisc on a class":                {Qdisc, message(tcmsg(7, 0x100000, 0x10010, 2), attr{nl.TCA_KIND, []byte("fq\x00")}), "fq 10: parent 1:10", 7, ""},
		"the kernel's qdisc":                {Qdisc, message(tcmsg(7, 0, 0xffffffff, 2), attr{nl.TCA_KIND, []byte("mq\x00")}), "", 0, ""},
		"a place for filters":               {Qdisc, message(tcmsg(7, 0xffff0000, 0xfffffff1, 1), attr{nl.TCA_KIND, []byte("clsact\x00")}), "clsact ffff: parent ffff:fff1", 7, ""},
		"a filter":                          {Filter, message(tcmsg(7, 1, 0xfffffff2, 10<<16|8), attr{nl.TCA_KIND, []byte("flower\x00")}, attr{nl.TCA_CHAIN, n32(3)}), "flower pref 10 handle 0x1 chain 3 ingress", 7, ""},
		"a filter at egress":                {Filter, message(tcmsg(7, 1, 0xfffffff3, 10<<16|8), attr{nl.TCA_KIND, []byte("bpf\x00")}), "bpf pref 10 handle 0x1 egress", 7, ""},
		"a filter on a qdisc":               {Filter, message(tcmsg(7, 0x80000800, 0x10000, 49152<<16|8), attr{nl.TCA_KIND, []byte("u32\x00")}), "u32 pref 49152 handle 0x80000800 parent 1:", 7, ""},
		"a filter of a shared block":        {Filter, message(tcmsg(0xffffffff, 1, 8, 10<<16|8), attr{nl.TCA_KIND, []byte("flower\x00")}), "", 0, ""},
		"a table of rules":                  {Filter, message(tcmsg(7, 0x80000000, 0x10000, 49152<<16|8), attr{nl.TCA_KIND, []byte("u32\x00")}), "", 0, ""},
		"a chain":                           {Filter, message(tcmsg(7, 0, 0xfffffff2, 10<<16|8), attr{nl.TCA_KIND, []byte("flower\x00")}), "", 0, ""},
		"a class":                           {Class, message(tcmsg(7, 0x10010, 0xffffffff, 0), attr{nl.TCA_KIND, []byte("htb\x00")}, attr{nl.TCA_OPTIONS, []byte{0}}), "htb 1:10 root", 7, ""},
		"a class of the kernel's":           {Class, message(tcmsg(7, 0x10001, 0xffffffff, 0), attr{nl.TCA_KIND, []byte("mq\x00")}), "", 0, ""},
		"a nexthop":                         {Nexthop, message(nhmsg(inet, 253, boot, 0), attr{nhaID, n32(5)}, attr{nhaOIF, n32(7)}, attr{6, ip("192.0.2.1")}), "id 5", 7, ""},
		"a group":                           {Nexthop, message(nhmsg(0, 0, 11, 0), attr{nhaID, n32(9)}, attr{nhaGroup, group(5, 6)}), "id 9 group 5/6", 0, "zebra"},
		"a nexthop to nowhere":              {Nexthop, message(nhmsg(inet, 0, boot, 0), attr{nhaID, n32(5)}, attr{4, nil}), "", 0, ""},
		"a tunnel's forwarding":             {Nexthop, message(nhmsg(inet, 0, boot, 0), attr{nhaID, n32(5)}, attr{nhaOIF, n32(7)}, attr{nhaFDB, nil}), "", 0, ""},
		"a route to the link":               {Route, message(rtmsg(inet, 24, main, boot, uni, 0), attr{unix.RTA_DST, ip("198.51.100.0")}, oif), "198.51.100.0/24", 7, ""},
		"a default route":                   {Route, message(rtmsg(inet, 0, main, boot, uni, 0), gateway, oif), "default via 192.0.2.1", 7, ""},
		"of a DHCP client":                  {Route, message(rtmsg(inet, 0, main, rtProtoDHCP, uni, 0), gateway, oif, attr{unix.RTA_PRIORITY, n32(100)}), "default via 192.0.2.1 metric 100", 7, "a DHCP client"},
		"of another table":                  {Route, message(rtmsg(inet, 0, 252, boot, uni, 0), attr{unix.RTA_TABLE, n32(1000)}, gateway, oif), "default via 192.0.2.1 table 1000", 7, ""},
		"IPv6's default, by a gateway":      {Route, message(rtmsg(inet6, 0, main, boot, uni, 0), attr{unix.RTA_GATEWAY, ip("fe80::1")}, oif, attr{unix.RTA_PRIORITY, n32(1024)}), "default via fe80::1", 7, ""},
		"IPv6's default, to the link":       {Route, message(rtmsg(inet6, 0, main, boot, uni, 0), oif, attr{unix.RTA_PRIORITY, n32(1024)}), "::/0", 7, ""},
		"IPv4's default, to the link":       {Route, message(rtmsg(inet, 0, main, boot, uni, 0), oif), "default", 7, ""},
		"IPv4 by IPv6":                      {Route, message(rtmsg(inet, 0, main, boot, uni, 0), attr{unix.RTA_VIA, append([]byte{inet6, 0}, ip("fe80::1")...)}, oif), "default via inet6 fe80::1", 7, ""},
		"an advertised route":               {Route, message(rtmsg(inet6, 0, main, 9, uni, 0), attr{unix.RTA_GATEWAY, ip("fe80::1")}, oif), "default via fe80::1", 7, Advertised},
		"several hops":                      {Route, message(rtmsg(inet, 0, main, boot, uni, 0), hops), "default nexthop via 192.0.2.1 nexthop via 192.0.2.9", 7, ""},
		"by a nexthop object":               {Route, message(rtmsg(inet, 24, main, boot, uni, 0), attr{unix.RTA_DST, ip("198.51.100.0")}, attr{rtaNHID, n32(5)}, gateway, oif), "198.51.100.0/24 nhid 5", 7, ""},
		"by a group":                        {Route, message(rtmsg(inet, 24, main, boot, uni, 0), attr{unix.RTA_DST, ip("198.51.100.0")}, attr{rtaNHID, n32(9)}, hops), "198.51.100.0/24 nhid 9", 0, ""},
		"the kernel's own":                  {Route, message(rtmsg(inet, 24, main, unix.RTPROT_KERNEL, uni, 0), attr{unix.RTA_DST, ip("192.0.2.0")}, oif), "", 0, ""},
		"a local one":                       {Route, message(rtmsg(inet, 32, unix.RT_TABLE_LOCAL, unix.RTPROT_KERNEL, unix.RTN_LOCAL, 0), attr{unix.RTA_DST, ip("192.0.2.10")}, oif), "", 0, ""},
		"to nowhere":                        {Route, message(rtmsg(inet, 24, main, boot, unix.RTN_BLACKHOLE, 0), attr{unix.RTA_DST, ip("198.51.100.0")}), "", 0, ""},
		"a cached one":                      {Route, message(rtmsg(inet6, 128, main, boot, uni, unix.RTM_F_CLONED), attr{unix.RTA_DST, ip("2001:db8::1")}, oif), "", 0, ""},
		"from somewhere, with a tos":        {Route, message([]byte{inet, 24, 8, 0x10, main, boot, 0, uni, 0, 0, 0, 0}, attr{unix.RTA_DST, ip("198.51.100.0")}, attr{unix.RTA_SRC, ip("10.0.0.0")}, oif), "198.51.100.0/24 from 10.0.0.0/8 tos 0x10", 7, ""},
		"a default route with its own name": {Route, message(rtmsg(inet6, 0, main, boot, uni, 0), attr{unix.RTA_MULTIPATH, append(rtnexthop(0, 8, "fe80::2"), rtnexthop(0, 7, "fe80::1")...)}), "::/0 nexthop via fe80::1 nexthop via fe80::2", 7, ""},
	}
}

// port is a port of a bridge with VLANs, as RTM_GETLINK of AF_BRIDGE says it.
func port(index, master uint32, infos ...[2]uint16) []byte {
	var spec []byte
	for _, i := range infos {
		v := binary.NativeEndian.AppendUint16(nil, i[0])
		spec = appendAttribute(spec, bridgeVLANInfo, binary.NativeEndian.AppendUint16(v, i[1]))
	}
	header := make([]byte, unix.SizeofIfInfomsg)
	header[0] = unix.AF_BRIDGE
	binary.NativeEndian.PutUint32(header[4:], index)
	attrs := []attr{{attrAFSpec, spec}}
	if master != 0 {
		attrs = append(attrs, attr{attrMasterOfAPort, n32(master)})
	}
	return message(header, attrs...)
}
