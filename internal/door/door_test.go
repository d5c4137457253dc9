// SPDX-License-Identifier: Apache-2.0

package door

import (
	"net"
	"net/netip"
	"testing"
)

// One host has many addresses of IPv6, and they count as one.
func TestHousehold(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%lo": "fe80::/64",
	} {
		a := netip.MustParseAddr(address)
		if got := household(net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 1))); got.String() != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
}

// What a stranger sends is printed as one line that steers nothing.
func TestLine(t *testing.T) {
	for text, want := range map[string]string{`plain "text"`: `plain "text"`, "two\nlines": `"two\nlines"`, "\x1b[31m": `"\x1b[31m"`, "\u202e": `"\u202e"`} {
		if got := Line(text); got != want {
			t.Errorf("%q is printed as %s, want %s", text, got, want)
		}
	}
}
