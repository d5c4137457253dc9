// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mdlayher/netlink"
)

// parseBits reads a set: of one whose bits are known, whether each is in it; else by
// the names that the kernel gives its bits.
func (g group) parseBits(data []byte, into Numbers) error {
	set, err := parseBitset(data)
	if err != nil {
		return err
	}
	names := g.known
	if names == nil {
		if names, err = bitNames(data); err != nil {
			return err
		}
	}
	for i, name := range names {
		into[name] = 0
		if set.has(i) {
			into[name] = 1
		}
	}
	return nil
}

// bitNames are the names of the bits of a bitset in the verbose form.
func bitNames(data []byte) (map[uint32]string, error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return nil, fmt.Errorf("reading a bitset: %w", err)
	}
	names := map[uint32]string{}
	one := func(ad *netlink.AttributeDecoder) error {
		index, name := uint32(0), ""
		for ad.Next() {
			switch ad.Type() {
			case bitIndex:
				index = ad.Uint32()
			case bitName:
				name = ad.String()
			}
		}
		if name != "" {
			names[index] = name
		}
		return ad.Err()
	}
	for ad.Next() {
		if ad.Type() != bitsetBits {
			continue
		}
		ad.Nested(func(ad *netlink.AttributeDecoder) error {
			for ad.Next() {
				if ad.Type() == bitsetBitsBit {
					ad.Nested(one)
				}
			}
			return nil
		})
	}
	if err := ad.Err(); err != nil {
		return nil, fmt.Errorf("reading a bitset: %w", err)
	}
	return names, nil
}

// encodeBits asks for the bits of a set: of one whose bits are known for exactly those
// that want has, where it has any of them; else for each by its name.
func (g group) encodeBits(ae *netlink.AttributeEncoder, want Numbers) {
	bit := func(ae *netlink.AttributeEncoder, name func(*netlink.AttributeEncoder), on bool) {
		ae.Nested(bitsetBitsBit, func(ae *netlink.AttributeEncoder) error {
			name(ae)
			ae.Flag(bitValue, on)
			return nil
		})
	}
	if g.known == nil {
		ae.Nested(g.bits, func(ae *netlink.AttributeEncoder) error {
			ae.Nested(bitsetBits, func(ae *netlink.AttributeEncoder) error {
				for _, name := range slices.Sorted(maps.Keys(want)) {
					bit(ae, func(ae *netlink.AttributeEncoder) { ae.String(bitName, name) }, want[name] != 0)
				}
				return nil
			})
			return nil
		})
		return
	}
	ae.Nested(g.bits, func(ae *netlink.AttributeEncoder) error {
		ae.Flag(bitsetNoMask, true)
		ae.Nested(bitsetBits, func(ae *netlink.AttributeEncoder) error {
			for _, index := range slices.Sorted(maps.Keys(g.known)) {
				if want[g.known[index]] != 0 {
					bit(ae, func(ae *netlink.AttributeEncoder) { ae.Uint32(bitIndex, index) }, true)
				}
			}
			return nil
		})
		return nil
	})
}
