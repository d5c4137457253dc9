// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Setting is a group of numbers of a netdev that ethtool(8) sets with one option.
type Setting string

// The settings.
const (
	Rings    Setting = "rings"    // descriptors: ethtool -g, -G
	Channels Setting = "channels" // ethtool -l, -L
	Coalesce Setting = "coalesce" // microseconds, frames, 0 or 1: ethtool -c, -C
	Pause    Setting = "pause"    // 0 or 1: ethtool -a, -A
	// FEC and PrivateFlags are sets, of which a number is whether something is in it.
	FEC          Setting = "fec"           // auto, off, rs, baser, llrs: ethtool --show-fec, --set-fec
	PrivateFlags Setting = "private_flags" // by the driver's names: ethtool --show-priv-flags, --set-priv-flags
)

// QueueSettings are those of queues, in the order in which they can be set: channels
// make the rings anew.
var QueueSettings = [...]Setting{Channels, Rings, Coalesce}

// field is one number (include/uapi/linux/ethtool_netlink.h).
type field struct {
	name string
	attr uint16
	most uint16 // the attribute with the most that it can be, 0 for none
	size int    // bytes
}

type group struct {
	get, set uint8
	fields   []field
	bits     uint16            // the attribute with a set, 0 for none
	known    map[uint32]string // the bits of the set; nil: those that the kernel names
}

func (s Setting) group() group {
	switch s {
	case Rings:
		return group{get: 15, set: 16, fields: []field{
			{"rx", 6, 2, 4}, {"rx-mini", 7, 3, 4}, {"rx-jumbo", 8, 4, 4}, {"tx", 9, 5, 4}, {"cqe-size", 12, 0, 4}, {"tx-push", 13, 0, 1},
		}}
	case Channels:
		return group{get: 17, set: 18, fields: []field{{"rx", 6, 2, 4}, {"tx", 7, 3, 4}, {"other", 8, 4, 4}, {"combined", 9, 5, 4}}}
	case Coalesce:
		return group{get: 19, set: 20, fields: []field{
			{"rx-usecs", 2, 0, 4},
			{"rx-frames", 3, 0, 4},
			{"tx-usecs", 6, 0, 4},
			{"tx-frames", 7, 0, 4},
			{"adaptive-rx", 11, 0, 1},
			{"adaptive-tx", 12, 0, 1},
			{"cqe-mode-tx", 24, 0, 1},
			{"cqe-mode-rx", 25, 0, 1},
		}}
	case Pause:
		return group{get: 21, set: 22, fields: []field{{"autoneg", 2, 0, 1}, {"rx", 3, 0, 1}, {"tx", 4, 0, 1}}}
	case FEC:
		return group{get: msgFECGet, set: 30, fields: []field{{"auto", fecAuto, 0, 1}}, bits: 2, known: map[uint32]string{49: "off", 50: "rs", 51: "baser", 74: "llrs"}}
	case PrivateFlags:
		return group{get: 13, set: 14, bits: 2}
	}
	return group{}
}

// Numbers are those of a setting, by ethtool(8)'s names of them; what the driver
// does not have is not among them.
type Numbers map[string]uint32

// String is the numbers in a fixed order: "rx 1024 tx 1024".
func (n Numbers) String() string {
	words := make([]string, 0, len(n))
	for _, name := range slices.Sorted(maps.Keys(n)) {
		words = append(words, fmt.Sprintf("%s %d", name, n[name]))
	}
	return strings.Join(words, " ")
}

// Numbers reads a setting of a netdev by its ifindex, and the most that each may
// be, where the driver says so; nil of a driver without that setting.
func (cl *Client) Numbers(index int, s Setting) (now, most Numbers, err error) {
	g := s.group()
	msgs, err := cl.execute(g.get, g.header(index), netlink.Request)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("reading the %s of the netdev with index %d: %w", s, index, err)
	case len(msgs) == 0:
		return nil, nil, fmt.Errorf("reading the %s of the netdev with index %d: the kernel sent nothing", s, index)
	}
	_, r, err := g.parse(msgs[0].Data)
	return r.Now, r.Most, err
}

// Reading is a setting of a netdev as it is, and the most that each number may be,
// where the driver says so.
type Reading struct {
	Now, Most Numbers
}

// AllNumbers reads a setting of all netdevs whose driver has it, by ifindex, with one
// request; with one for each of indexes where the kernel ends that request at a netdev
// that its driver has detached, as one does that is in reset, or that could not be made
// (net/ethtool/netlink.c, ethnl_ops_begin). Those of them are in detached.
func (cl *Client) AllNumbers(s Setting, indexes []int) (all map[int]Reading, detached []int, err error) {
	g := s.group()
	ae := netlink.NewAttributeEncoder()
	ae.Nested(featuresHeader, func(*netlink.AttributeEncoder) error { return nil })
	msgs, err := cl.execute(g.get, ae, netlink.Request|netlink.Dump)
	if errors.Is(err, unix.ENODEV) {
		return cl.eachNumbers(s, indexes)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the %s of all netdevs: %w", s, err)
	}
	all = map[int]Reading{}
	for _, m := range msgs {
		index, r, err := g.parse(m.Data)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the %s of all netdevs: %w", s, err)
		}
		all[index] = r
	}
	return all, nil, nil
}

// eachNumbers is AllNumbers with a request for each netdev.
func (cl *Client) eachNumbers(s Setting, indexes []int) (all map[int]Reading, detached []int, err error) {
	all = map[int]Reading{}
	for _, i := range indexes {
		now, most, err := cl.Numbers(i, s)
		if errors.Is(err, unix.ENODEV) {
			if _, err := net.InterfaceByIndex(i); err == nil { // it has not gone meanwhile
				detached = append(detached, i)
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if now != nil {
			all[i] = Reading{Now: now, Most: most}
		}
	}
	return all, detached, nil
}

// SetNumbers sets some of a setting's numbers. CAP_NET_ADMIN.
func (cl *Client) SetNumbers(index int, s Setting, want Numbers) error {
	g := s.group()
	ae := g.header(index)
	for _, f := range g.fields {
		v, ok := want[f.name]
		switch {
		case !ok:
		case f.size == 1:
			ae.Uint8(f.attr, uint8(v))
		default:
			ae.Uint32(f.attr, v)
		}
	}
	if g.bits != 0 {
		g.encodeBits(ae, want)
	}
	// The kernel answers with nothing but the acknowledgement.
	if _, err := cl.execute(g.set, ae, netlink.Request|netlink.Acknowledge); err != nil {
		return fmt.Errorf("setting the %s of the netdev with index %d to %s: %w", s, index, want, err)
	}
	return nil
}

// Unlike are those of n that now has, with another value.
func (n Numbers) Unlike(now Numbers) Numbers {
	out := Numbers{}
	for name, v := range n {
		if is, has := now[name]; has && is != v {
			out[name] = v
		}
	}
	return out
}

// header is the first attribute of all these requests.
func (group) header(index int) *netlink.AttributeEncoder {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(featuresHeader, func(nae *netlink.AttributeEncoder) error {
		nae.Uint32(headerDevIndex, uint32(index))
		return nil
	})
	return ae
}

// parse reads an answer, and of which netdev it is.
func (g group) parse(data []byte) (index int, r Reading, err error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return 0, r, err
	}
	r = Reading{Now: Numbers{}, Most: Numbers{}}
	by := map[uint16]uint32{}
	for ad.Next() {
		switch b := ad.Bytes(); {
		case ad.Type() == featuresHeader:
			ad.Nested(func(nad *netlink.AttributeDecoder) error {
				for nad.Next() {
					if nad.Type() == headerDevIndex {
						index = int(nad.Uint32())
					}
				}
				return nil
			})
		case ad.Type() == g.bits && g.bits != 0:
			if err := g.parseBits(b, r.Now); err != nil {
				return 0, r, err
			}
		case len(b) == 1:
			by[ad.Type()] = uint32(b[0])
		case len(b) == 4:
			by[ad.Type()] = ad.Uint32()
		}
	}
	for _, f := range g.fields {
		if v, ok := by[f.attr]; ok {
			r.Now[f.name] = v
		}
		if v, ok := by[f.most]; ok && f.most != 0 {
			r.Most[f.name] = v
		}
	}
	return index, r, ad.Err()
}

// ParseNumbers reads what String wrote.
func ParseNumbers(s string) (Numbers, error) {
	words := strings.Fields(s)
	if len(words)%2 != 0 {
		return nil, fmt.Errorf("%q are no numbers of ethtool: want a name and a number by turns", s)
	}
	n := Numbers{}
	for i := 0; i < len(words); i += 2 {
		v, err := strconv.ParseUint(words[i+1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q are no numbers of ethtool: %w", s, err)
		}
		n[words[i]] = uint32(v)
	}
	return n, nil
}
