// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
)

// ETHTOOL_A_BITSET_* and the attributes nested in it
// (include/uapi/linux/ethtool_netlink.h).
const (
	bitsetNoMask = 1
	bitsetSize   = 2
	bitsetBits   = 3
	bitsetValue  = 4
	bitsetMask   = 5

	bitsetBitsBit = 1

	bitIndex = 1
	bitName  = 2
	bitValue = 3
)

// maxBits bounds what is believed of a bitset's size; the kernel has below 100
// features.
const maxBits = 4096

// bitset is an ETHTOOL_A_BITSET: which bits it speaks of (mask) and what they
// are (value). A bitset without a mask speaks of all its bits.
type bitset struct {
	size        uint32
	value, mask []uint32 // 32 bits a word, bit 0 first
}

func (b bitset) has(i uint32) bool    { return bit(b.value, i) }
func (b bitset) masked(i uint32) bool { return bit(b.mask, i) }

func bit(words []uint32, i uint32) bool {
	return i/32 < uint32(len(words)) && words[i/32]&(1<<(i%32)) != 0
}

func setBit(words []uint32, i uint32) { words[i/32] |= 1 << (i % 32) }

// parseBitset reads either form, compact (words) or verbose (a list of bits).
func parseBitset(data []byte) (bitset, error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return bitset{}, fmt.Errorf("reading a bitset: %w", err)
	}
	var (
		b                 bitset
		noMask            bool
		value, mask, bits []byte
	)
	for ad.Next() {
		switch ad.Type() {
		case bitsetNoMask:
			noMask = true
		case bitsetSize:
			b.size = ad.Uint32()
		case bitsetBits:
			bits = ad.Bytes()
		case bitsetValue:
			value = ad.Bytes()
		case bitsetMask:
			mask = ad.Bytes()
		}
	}
	if err := ad.Err(); err != nil {
		return bitset{}, fmt.Errorf("reading a bitset: %w", err)
	}
	if b.size > maxBits {
		return bitset{}, fmt.Errorf("reading a bitset: a size of %d bits is more than the %d that can be", b.size, maxBits)
	}
	words := (b.size + 31) / 32
	if value != nil {
		if b.value, err = parseWords(value, words); err != nil {
			return bitset{}, err
		}
	} else {
		b.value = make([]uint32, words)
	}
	switch {
	case mask != nil:
		if b.mask, err = parseWords(mask, words); err != nil {
			return bitset{}, err
		}
	case value != nil || noMask:
		b.mask = make([]uint32, words)
		for i := range b.size {
			setBit(b.mask, i)
		}
	default:
		b.mask = make([]uint32, words)
	}
	if bits != nil {
		err = b.parseBits(bits, noMask)
	}
	return b, err
}

func parseWords(data []byte, words uint32) ([]uint32, error) {
	if uint32(len(data)) != words*4 {
		return nil, fmt.Errorf("reading a bitset: %d bytes where its size says %d", len(data), words*4)
	}
	w := make([]uint32, words)
	for i := range w {
		w[i] = binary.NativeEndian.Uint32(data[i*4:])
	}
	return w, nil
}

// parseBits reads the verbose form. Without a mask a bit that is listed is set;
// with one, a listed bit is masked and its value is a flag.
func (b *bitset) parseBits(data []byte, noMask bool) error {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return fmt.Errorf("reading a bitset: %w", err)
	}
	for ad.Next() {
		if ad.Type() != bitsetBitsBit {
			continue
		}
		ad.Nested(func(nad *netlink.AttributeDecoder) error {
			index, haveIndex, value := uint32(0), false, noMask
			for nad.Next() {
				switch nad.Type() {
				case bitIndex:
					index, haveIndex = nad.Uint32(), true
				case bitValue:
					value = true
				}
			}
			if !haveIndex {
				return errors.New("a bit without an index")
			}
			if index >= b.size {
				return fmt.Errorf("bit %d of a bitset of %d", index, b.size)
			}
			setBit(b.mask, index)
			if value {
				setBit(b.value, index)
			}
			return nil
		})
	}
	if err := ad.Err(); err != nil {
		return fmt.Errorf("reading a bitset: %w", err)
	}
	return nil
}
