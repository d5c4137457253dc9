// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"testing"

	"github.com/mdlayher/netlink"
)

type listedBit struct {
	index uint32
	value bool
}

func verbose(t testing.TB, size uint32, noMask bool, bits ...listedBit) []byte {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	ae.Flag(bitsetNoMask, noMask)
	ae.Uint32(bitsetSize, size)
	ae.Nested(bitsetBits, func(nae *netlink.AttributeEncoder) error {
		for _, b := range bits {
			nae.Nested(bitsetBitsBit, func(nae *netlink.AttributeEncoder) error {
				nae.Uint32(bitIndex, b.index)
				nae.String(bitName, "a-name")
				nae.Flag(bitValue, b.value)
				return nil
			})
		}
		return nil
	})
	return encode(t, ae)
}

func compact(t testing.TB, size uint32, value, mask []byte) []byte {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	ae.Uint32(bitsetSize, size)
	if value != nil {
		ae.Bytes(bitsetValue, value)
	}
	if mask != nil {
		ae.Bytes(bitsetMask, mask)
	}
	return encode(t, ae)
}

func encode(t testing.TB, ae *netlink.AttributeEncoder) []byte {
	t.Helper()
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseBitset(t *testing.T) {
	for _, c := range []struct {
		name        string
		data        []byte
		value, mask []uint32 // the bits
	}{
		{"compact without a mask speaks of all bits", compact(t, 3, []byte{5, 0, 0, 0}, nil), []uint32{0, 2}, []uint32{0, 1, 2}},
		{"compact with a mask", compact(t, 40, []byte{1, 0, 0, 0, 0x80, 0, 0, 0}, []byte{3, 0, 0, 0, 0x80, 0, 0, 0}), []uint32{0, 39}, []uint32{0, 1, 39}},
		{"verbose without a mask: what is listed is set", verbose(t, 64, true, listedBit{7, false}, listedBit{63, false}), []uint32{7, 63}, nil},
		{"verbose with a mask: what is listed is masked", verbose(t, 64, false, listedBit{7, false}, listedBit{33, true}), []uint32{33}, []uint32{7, 33}},
		{"nothing at all", nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := parseBitset(c.data)
			if err != nil {
				t.Fatal(err)
			}
			check := func(what string, want []uint32, got func(uint32) bool) {
				set := map[uint32]bool{}
				for _, i := range want {
					set[i] = true
				}
				for i := range uint32(70) {
					if got(i) != set[i] {
						t.Errorf("%s: bit %d is %t", what, i, got(i))
					}
				}
			}
			check("value", c.value, b.has)
			if c.mask != nil {
				check("mask", c.mask, b.masked)
			}
		})
	}
}

func TestParseBitsetRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"a value shorter than the size": compact(t, 33, []byte{1, 0, 0, 0}, nil),
		"a mask longer than the size":   compact(t, 3, []byte{1, 0, 0, 0}, make([]byte, 8)),
		"a bit beyond the size":         verbose(t, 4, false, listedBit{4, true}),
		"a size out of this world":      compact(t, 1<<31, []byte{}, nil),
		"attributes cut short":          {8, 0, 2, 0, 1},
	} {
		if b, err := parseBitset(data); err == nil {
			t.Errorf("%s was read as %+v", name, b)
		}
	}
}

func FuzzParseBitset(f *testing.F) {
	f.Add(compact(f, 40, []byte{1, 0, 0, 0, 0x80, 0, 0, 0}, []byte{3, 0, 0, 0, 0x80, 0, 0, 0}))
	f.Add(verbose(f, 64, false, listedBit{7, false}, listedBit{33, true}))
	f.Add(verbose(f, 64, true, listedBit{63, false}))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBitset(data)
		if err != nil {
			return
		}
		for i := b.size; i < b.size+64; i++ { // compact words may carry bits in their last word
			if b.has(i) && i/32 != (b.size-1)/32 {
				t.Errorf("bit %d of %d is set", i, b.size)
			}
		}
	})
}
