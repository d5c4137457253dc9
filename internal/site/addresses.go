// SPDX-License-Identifier: Apache-2.0

package site

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Where the addresses of a site are taken from.
var (
	pool4 = netip.MustParsePrefix("198.18.0.0/15") // RFC 2544: for tests of network devices
	pool6 = netip.MustParsePrefix("fd00::/8")      // RFC 4193: 40 random bits make a network one's own
)

// addresses are n of each family, as random as their pools let them be: of IPv4
// n in a row from a random place, of IPv6 n of one random network.
func addresses(n int) (v4, v6 []netip.Prefix, err error) {
	var random [4 + 5]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, nil, fmt.Errorf("making random addresses: %w", err)
	}
	v4, v6 = addressesOf(n, binary.BigEndian.Uint32(random[:4]), [5]byte(random[4:]))
	return v4, v6, nil
}

func addressesOf(n int, host uint32, network [5]byte) (v4, v6 []netip.Prefix) {
	size := uint32(1) << (32 - pool4.Bits())
	base := pool4.Addr().As4()
	// The first and the last of the pool might be taken for a broadcast address, 0 and all ones.
	first := 1 + host%(size-1-uint32(n))
	for i := range uint32(n) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+first+i)
		v4 = append(v4, netip.PrefixFrom(netip.AddrFrom4(a), 32))
		b := pool6.Addr().As16()
		copy(b[1:], network[:])
		b[15] = byte(1 + i)
		v6 = append(v6, netip.PrefixFrom(netip.AddrFrom16(b), 128))
	}
	return v4, v6
}
