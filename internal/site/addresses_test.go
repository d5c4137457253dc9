// SPDX-License-Identifier: Apache-2.0

package site

import (
	"math"
	"net/netip"
	"testing"
)

// All addresses are of their pools, differ, and none is a pool's first or last.
func TestAddressesAreOfTheirPools(t *testing.T) {
	first, last := netip.MustParseAddr("198.18.0.0"), netip.MustParseAddr("198.19.255.255")
	for _, host := range []uint32{0, 1, 1<<17 - 6, 1<<17 - 5, 1<<17 - 1, 1 << 17, math.MaxUint32} {
		v4, v6 := addressesOf(4, host, [5]byte{1, 2, 3, 4, 5})
		seen := map[netip.Addr]bool{first: true, last: true}
		for i := range v4 {
			for _, p := range []netip.Prefix{v4[i], v6[i]} {
				if a := p.Addr(); !pool4.Contains(a) && !pool6.Contains(a) || p.Bits() != a.BitLen() || seen[a] {
					t.Errorf("host %d: %s is not one of %s and %s, or there twice", host, p, pool4, pool6)
				}
				seen[p.Addr()] = true
			}
		}
	}
	if _, v6 := addressesOf(1, 0, [5]byte{0xaa, 0xbb, 0xcc, 0xdd, 0xee}); v6[0].String() != "fdaa:bbcc:ddee::1/128" {
		t.Errorf("the network's 40 bits are not in %s", v6[0])
	}
}

// Two hosts that verify in one VLAN at a time do not choose the same.
func TestAddressesAreRandom(t *testing.T) {
	seen := map[netip.Prefix]bool{}
	for range 64 {
		_, v6, err := addresses(2)
		if err != nil {
			t.Fatal(err)
		}
		if seen[v6[0]] {
			t.Errorf("%s twice", v6[0])
		}
		seen[v6[0]] = true
	}
}
