// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/internal/chain"
)

const layer34 = "layer3+4"

const linkName = "bond"

// of finds the bond that the netdev is a member of, or nil.
func of(have State, netdev string) *Bond {
	for i := range have.Bonds {
		if slices.ContainsFunc(have.Bonds[i].Members, func(m Member) bool { return m.Netdev == netdev }) {
			return &have.Bonds[i]
		}
	}
	return nil
}

// TLSLink is whether the bond over a netdev, if there is one, hands TLS down to
// it: it has to know which member a connection leaves through
// (drivers/net/bonding/bond_main.c, bond_sk_check).
func TLSLink(have State, netdev string) chain.Link {
	b := of(have, netdev)
	switch {
	case b == nil:
		return chain.Held(linkName, netdev+" is in no bond")
	case b.Mode != mode8023ad && b.Mode != balanceXOR:
		return chain.Broke(linkName, fmt.Sprintf("%s is in mode %s, and only 802.3ad and balance-xor hand TLS to their members", b.Name, b.Mode),
			"profile: mode: 802.3ad and xmit_hash_policy: layer3+4 at the bond "+b.Name)
	case b.XmitHashPolicy != layer34:
		return chain.Broke(linkName, fmt.Sprintf("%s chooses its member by %s, and hands TLS to them with layer3+4 only", b.Name, b.XmitHashPolicy),
			"ip link set "+b.Name+" type bond xmit_hash_policy layer3+4", "profile: xmit_hash_policy: layer3+4 at the bond "+b.Name)
	}
	return chain.Held(linkName, fmt.Sprintf("%s is in mode %s with %s", b.Name, b.Mode, b.XmitHashPolicy))
}

// IPsecLink is whether the bond over a netdev, if there is one, hands IPsec
// states down to it (bond_main.c, bond_ipsec_dev).
func IPsecLink(have State, netdev string) chain.Link {
	b := of(have, netdev)
	switch {
	case b == nil:
		return chain.Held(linkName, netdev+" is in no bond")
	case b.Mode != activeBackup:
		return chain.Broke(linkName, fmt.Sprintf("%s is in mode %s, and only active-backup hands IPsec to its members: a state on %s is refused with ENODEV", b.Name, b.Mode, b.Name),
			"profile: mode: active-backup at the bond "+b.Name, "or use IPsec on the VFs")
	}
	return chain.Held(linkName, b.Name+" is in mode "+b.Mode)
}

// Over is the name of the bond that a netdev is a member of, or "".
func Over(have State, netdev string) string {
	if b := of(have, netdev); b != nil {
		return b.Name
	}
	return ""
}
