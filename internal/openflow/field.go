// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// field is one that a match can have, by its name in ovs-fields(7), in the order in which a match is written.
type field struct {
	name string
	also []string // other names that ovs-fields(7) has for it
	len  int      // bytes
	// oxm is its number in OpenFlow's own class of match fields (7.2.2.7); of those that belong to one protocol
	// above IP, by that.
	oxm  uint8
	by   map[uint16]uint8
	of   notation
	mask bool     // it may have one
	need []uint16 // what dl_type has to be, one of these
}

// notation is how a field's value is written.
type notation int

const (
	number notation = iota
	hexadecimal
	portNumber
	vlanID
	hardware
	address4
	address6
)

// EtherTypes (IEEE 802 numbers) and protocols (IANA) that have a word of their own.
const (
	etherIP   = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58
	protoSCTP  = 132
)

// Places of fields that others depend on.
const (
	fInPort = iota
	fVLAN
	fPCP
	fSource
	fDest
	fType
	fProto
)

var fields = [...]field{
	fInPort: {name: "in_port", len: 4, oxm: 0, of: portNumber},
	fVLAN:   {name: "dl_vlan", len: 2, oxm: 6, of: vlanID, mask: true},
	fPCP:    {name: "dl_vlan_pcp", len: 1, oxm: 7},
	fSource: {name: "dl_src", also: []string{"eth_src"}, len: 6, oxm: 4, of: hardware, mask: true},
	fDest:   {name: "dl_dst", also: []string{"eth_dst"}, len: 6, oxm: 3, of: hardware, mask: true},
	fType:   {name: "dl_type", also: []string{"eth_type"}, len: 2, oxm: 5, of: hexadecimal},
	fProto:  {name: "nw_proto", also: []string{"ip_proto"}, len: 1, oxm: 10, need: []uint16{etherIP, etherIPv6}},
	{name: "nw_src", also: []string{"ip_src"}, len: 4, oxm: 11, of: address4, mask: true, need: []uint16{etherIP}},
	{name: "nw_dst", also: []string{"ip_dst"}, len: 4, oxm: 12, of: address4, mask: true, need: []uint16{etherIP}},
	{name: "ipv6_src", len: 16, oxm: 26, of: address6, mask: true, need: []uint16{etherIPv6}},
	{name: "ipv6_dst", len: 16, oxm: 27, of: address6, mask: true, need: []uint16{etherIPv6}},
	{name: "tp_src", len: 2, by: map[uint16]uint8{protoTCP: 13, protoUDP: 15, protoSCTP: 17}, need: []uint16{etherIP, etherIPv6}},
	{name: "tp_dst", len: 2, by: map[uint16]uint8{protoTCP: 14, protoUDP: 16, protoSCTP: 18}, need: []uint16{etherIP, etherIPv6}},
	{name: "icmp_type", also: []string{"icmpv6_type"}, len: 1, by: map[uint16]uint8{protoICMP: 19, protoICMP6: 29}, need: []uint16{etherIP, etherIPv6}},
	{name: "icmp_code", also: []string{"icmpv6_code"}, len: 1, by: map[uint16]uint8{protoICMP: 20, protoICMP6: 30}, need: []uint16{etherIP, etherIPv6}},
	{name: "arp_op", len: 2, oxm: 21, need: []uint16{etherARP}},
	{name: "arp_spa", len: 4, oxm: 22, of: address4, mask: true, need: []uint16{etherARP}},
	{name: "arp_tpa", len: 4, oxm: 23, of: address4, mask: true, need: []uint16{etherARP}},
	{name: "arp_sha", len: 6, oxm: 24, of: hardware, mask: true, need: []uint16{etherARP}},
	{name: "arp_tha", len: 6, oxm: 25, of: hardware, mask: true, need: []uint16{etherARP}},
}

// words stand for a dl_type, and most for a nw_proto too.
var words = []struct {
	word  string
	ether uint16
	proto uint8 // 0: any
}{
	{"ip", etherIP, 0},
	{"arp", etherARP, 0},
	{"ipv6", etherIPv6, 0},
	{"icmp", etherIP, protoICMP},
	{"tcp", etherIP, protoTCP},
	{"udp", etherIP, protoUDP},
	{"sctp", etherIP, protoSCTP},
	{"icmp6", etherIPv6, protoICMP6},
	{"tcp6", etherIPv6, protoTCP},
	{"udp6", etherIPv6, protoUDP},
	{"sctp6", etherIPv6, protoSCTP},
}

// A tag as OpenFlow has it: 0x1000 says that there is one (OFPVID_PRESENT, 7.2.2.7).
const (
	tagged  = 0x1000
	maxVLAN = 0xfff
	// noTag is how dl_vlan says that there is none.
	noTag = 0xffff
	// anyTag is how a match says that there is some tag, whichever.
	anyTag = "vlan_tci=0x1000/0x1000"
)

func fieldOf(name string) (int, bool) {
	for i, f := range fields {
		if f.name == name {
			return i, true
		}
		for _, n := range f.also {
			if n == name {
				return i, true
			}
		}
	}
	return 0, false
}

// numbered is the field with a number of OpenFlow's class.
func numbered(oxm uint8) (int, bool) {
	for i, f := range fields {
		if f.by == nil && f.oxm == oxm {
			return i, true
		}
		for _, n := range f.by {
			if n == oxm {
				return i, true
			}
		}
	}
	return 0, false
}

// parse reads a value with its mask; what the mask leaves out is 0.
func (f field) parse(s string, port func(string) (uint32, error)) (value, mask string, err error) {
	if f.of == portNumber {
		n, err := portOf(s, port)
		if err == nil && (n == portInPort || n == portNormal) {
			err = fmt.Errorf("nothing comes in at %s", s)
		}
		return string(binary.BigEndian.AppendUint32(nil, n)), "", err
	}
	text, maskText, masked := strings.Cut(s, "/")
	if masked && !f.mask || masked && f.of == vlanID {
		return "", "", fmt.Errorf("%s has no mask", f.name)
	}
	v, err := f.bytes(text)
	if err != nil || !masked {
		return string(v), "", err
	}
	m, err := f.maskBytes(maskText)
	if err != nil {
		return "", "", err
	}
	value, mask = masking(string(v), string(m))
	return value, mask, nil
}

// masking is a value and a mask as a match has them: "" is the mask of all bits. One of none is no field at all.
func masking(value, mask string) (string, string) {
	v, all := []byte(value), true
	for i := range v {
		v[i] &= mask[i]
		all = all && mask[i] == 0xff
	}
	if all {
		mask = ""
	}
	return string(v), mask
}

func (f field) bytes(s string) ([]byte, error) {
	bad := fmt.Errorf("%q is no %s", s, f.name)
	switch f.of {
	case hardware:
		mac, err := net.ParseMAC(s)
		if err != nil || len(mac) != f.len {
			return nil, bad
		}
		return mac, nil
	case address4, address6:
		a, err := netip.ParseAddr(s)
		if err != nil || a.BitLen() != 8*f.len || a.Zone() != "" {
			return nil, bad
		}
		return a.AsSlice(), nil
	}
	n, err := strconv.ParseUint(s, 0, 8*min(f.len, 4))
	if err != nil {
		return nil, bad
	}
	if f.of == vlanID {
		switch {
		case n == noTag:
			n = 0
		case n > maxVLAN:
			return nil, bad
		default:
			n |= tagged
		}
	}
	if f.name == fields[fPCP].name && n > 7 {
		return nil, bad
	}
	return binary.BigEndian.AppendUint64(nil, n)[8-f.len:], nil
}

func (f field) maskBytes(s string) ([]byte, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && f.of != hardware && int(n) <= 8*f.len {
		m := make([]byte, f.len)
		for i := range n {
			m[i/8] |= 0x80 >> (i % 8)
		}
		return m, nil
	}
	return f.bytes(s)
}

// text is a value with its mask as parse reads it.
func (f field) text(value, mask string, port func(uint32) string) string {
	if f.of == portNumber {
		return f.name + "=" + portText(binary.BigEndian.Uint32([]byte(value)), port)
	}
	if f.of == vlanID {
		v := binary.BigEndian.Uint16([]byte(value))
		switch {
		case mask == "\x10\x00" && v == tagged:
			return anyTag
		case mask != "" || v != 0 && v&tagged == 0 || v > tagged|maxVLAN:
			return raw(f.oxm, value, mask)
		case v == 0:
			return fmt.Sprintf("%s=%#x", f.name, noTag)
		}
		return fmt.Sprintf("%s=%d", f.name, v&maxVLAN)
	}
	s := f.name + "=" + f.valueText(value)
	if mask == "" {
		return s
	}
	if n, ok := prefix(mask); ok && (f.of == address4 || f.of == address6) {
		return s + "/" + strconv.Itoa(n)
	}
	return s + "/" + f.valueText(mask)
}

func (f field) valueText(v string) string {
	switch f.of {
	case hardware:
		return net.HardwareAddr(v).String()
	case address4, address6:
		a, _ := netip.AddrFromSlice([]byte(v)) // of 4 or 16 bytes
		return a.String()
	}
	n := uint64(0)
	for i := range len(v) {
		n = n<<8 | uint64(v[i])
	}
	if f.of == hexadecimal {
		return fmt.Sprintf("%#04x", n)
	}
	return strconv.FormatUint(n, 10)
}

// prefix is the length of a mask that has no gap.
func prefix(mask string) (n int, ok bool) {
	for i := range len(mask) * 8 {
		set := mask[i/8]&(0x80>>(i%8)) != 0
		if set && n != i {
			return 0, false
		}
		if set {
			n++
		}
	}
	return n, true
}

// raw is a field that has no name here: its number, its value and its mask, as OpenFlow has them.
func raw(oxm uint8, value, mask string) string {
	s := fmt.Sprintf("oxm%d=%s", oxm, hex.EncodeToString([]byte(value)))
	if mask != "" {
		s += "/" + hex.EncodeToString([]byte(mask))
	}
	return s
}
