// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"testing"

	"github.com/vishvananda/netlink/nl"

	"github.com/nicwright/nicwright/internal/rtlink"
)

// Only active-backup hands an SA to a member (bond_ipsec_dev of drivers/net/bonding/bond_main.c).
func TestBondMode(t *testing.T) {
	bond := func(values map[uint16]int) rtlink.Link { return rtlink.Link{Bond: &rtlink.Bond{Values: values}} }
	for _, tt := range []struct {
		name    string
		link    rtlink.Link
		mode    string
		refused bool
	}{
		{"no bond", rtlink.Link{}, "", false},
		{"active-backup", bond(map[uint16]int{nl.IFLA_BOND_MODE: 1}), "active-backup", false},
		{"802.3ad", bond(map[uint16]int{nl.IFLA_BOND_MODE: 4}), "802.3ad", true},
		{"a mode of a later kernel", bond(map[uint16]int{nl.IFLA_BOND_MODE: 7}), "(unknown)", true},
		{"it does not say", bond(nil), "(unknown)", true},
	} {
		if mode, refused := bondMode(tt.link); mode != tt.mode || refused != tt.refused {
			t.Errorf("%s: %q, refused %t", tt.name, mode, refused)
		}
	}
}
