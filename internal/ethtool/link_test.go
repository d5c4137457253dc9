// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
)

// message encodes attributes.
func message(t testing.TB, f func(*netlink.AttributeEncoder)) []byte {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	f(ae)
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func linkMessage(speed uint32) func(*netlink.AttributeEncoder) {
	return func(ae *netlink.AttributeEncoder) {
		ae.Uint8(linkModesAuto, 1)
		ae.Uint32(linkModesSpeed, speed)
		ae.Uint8(linkModesDuplex, 1)
		ae.Nested(linkModesOurs, func(ae *netlink.AttributeEncoder) error {
			ae.Nested(bitsetBits, func(ae *netlink.AttributeEncoder) error {
				for name, set := range map[string]bool{"FEC_RS": true, "100000baseCR4/Full": true, "Pause": false} {
					ae.Nested(bitsetBitsBit, func(ae *netlink.AttributeEncoder) error {
						ae.String(bitName, name)
						if set {
							ae.Bytes(bitValue, nil)
						}
						return nil
					})
				}
				return nil
			})
			return nil
		})
	}
}

func TestLinkMode(t *testing.T) {
	got, err := parseLink(message(t, linkMessage(100000)))
	want := LinkMode{Speed: 100000, Duplex: "Full", Autoneg: true, Advertised: []string{"100000baseCR4/Full", "FEC_RS"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if got, err = parseLink(message(t, linkMessage(0xffffffff))); got.Speed != 0 || err != nil {
		t.Error(got, err)
	}
}

func TestFEC(t *testing.T) {
	for bit, want := range map[uint32]string{50: "RS", 49: "Off", 99: "bit 99"} {
		active, auto, err := parseFEC(message(t, func(ae *netlink.AttributeEncoder) {
			ae.Uint8(fecAuto, 1)
			ae.Uint32(fecActive, bit)
		}))
		if active != want || !auto || err != nil {
			t.Error(active, auto, err)
		}
	}
}

func TestModule(t *testing.T) {
	eeprom := func(kind byte, vendor, part int) []byte {
		b := make([]byte, 256)
		b[0] = kind
		copy(b[vendor:], "Mellanox        ")
		copy(b[part:], "MCP1600-C002\x00\xff\x1b  ")
		return b
	}
	for _, b := range [][]byte{eeprom(0x11, 148, 168), eeprom(0x03, 20, 40), eeprom(0x18, 129, 148)} {
		if vendor, part := parseModule(b); vendor != "Mellanox" || part != "MCP1600-C002" {
			t.Errorf("%#x: %q, %q", b[0], vendor, part)
		}
	}
	for _, b := range [][]byte{nil, {0x11}, make([]byte, 150)} {
		if vendor, part := parseModule(b); vendor+part != "" {
			t.Errorf("%d bytes: %q, %q", len(b), vendor, part)
		}
	}
}

func FuzzLink(f *testing.F) {
	f.Add(message(f, linkMessage(100000)))
	f.Add([]byte{3, 0x80, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parseLink(b)
		_, _, _ = parseFEC(b)
		_, _ = parseModule(b)
	})
}
