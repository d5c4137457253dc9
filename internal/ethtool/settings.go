// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"errors"
	"fmt"
	"maps"
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
)

// AllSettings are all of them, in the order in which they can be set: channels
// make the rings anew.
var AllSettings = [...]Setting{Channels, Rings, Coalesce}

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
}

func (s Setting) group() group {
	switch s {
	case Rings:
		return group{15, 16, []field{
			{"rx", 6, 2, 4}, {"rx-mini", 7, 3, 4}, {"rx-jumbo", 8, 4, 4}, {"tx", 9, 5, 4}, {"cqe-size", 12, 0, 4}, {"tx-push", 13, 0, 1},
		}}
	case Channels:
		return group{17, 18, []field{{"rx", 6, 2, 4}, {"tx", 7, 3, 4}, {"other", 8, 4, 4}, {"combined", 9, 5, 4}}}
	case Coalesce:
		return group{19, 20, []field{
			{"rx-usecs", 2, 0, 4},
			{"rx-frames", 3, 0, 4},
			{"tx-usecs", 6, 0, 4},
			{"tx-frames", 7, 0, 4},
			{"adaptive-rx", 11, 0, 1},
			{"adaptive-tx", 12, 0, 1},
			{"cqe-mode-tx", 24, 0, 1},
			{"cqe-mode-rx", 25, 0, 1},
		}}
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
	return g.parse(msgs[0].Data)
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
	// The kernel answers with nothing but the acknowledgement.
	if _, err := cl.execute(g.set, ae, netlink.Request|netlink.Acknowledge); err != nil {
		return fmt.Errorf("setting the %s of the netdev with index %d to %s: %w", s, index, want, err)
	}
	return nil
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

func (g group) parse(data []byte) (now, most Numbers, err error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return nil, nil, err
	}
	by := map[uint16]uint32{}
	for ad.Next() {
		switch b := ad.Bytes(); len(b) {
		case 1:
			by[ad.Type()] = uint32(b[0])
		case 4:
			by[ad.Type()] = ad.Uint32()
		}
	}
	now, most = Numbers{}, Numbers{}
	for _, f := range g.fields {
		if v, ok := by[f.attr]; ok {
			now[f.name] = v
		}
		if v, ok := by[f.most]; ok && f.most != 0 {
			most[f.name] = v
		}
	}
	return now, most, ad.Err()
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
