// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"maps"
	"testing"

	"github.com/mdlayher/netlink"
)

func TestNumbersOnTheWire(t *testing.T) {
	g := Rings.group()
	ae := g.header(7)
	ae.Uint32(2, 8192)
	ae.Uint32(6, 1024)
	ae.Uint32(9, 512)
	ae.Uint8(13, 1)
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	now, most, err := g.parse(b)
	if err != nil || !maps.Equal(now, Numbers{"rx": 1024, "tx": 512, "tx-push": 1}) || !maps.Equal(most, Numbers{"rx": 8192}) {
		t.Errorf("got %v, %v, %v", now, most, err)
	}
	if got := now.String(); got != "rx 1024 tx 512 tx-push 1" {
		t.Errorf("they are %q", got)
	}
	if back, err := ParseNumbers(now.String()); err != nil || !maps.Equal(back, now) {
		t.Errorf("they are read back as %v, %v", back, err)
	}
	for _, bad := range []string{"rx", "rx a", "rx -1"} {
		if n, err := ParseNumbers(bad); err == nil {
			t.Errorf("%q is %v", bad, n)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	ae := netlink.NewAttributeEncoder()
	ae.Uint32(6, 1)
	b, _ := ae.Encode()
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, s := range AllSettings {
			_, _, _ = s.group().parse(b)
		}
	})
}
