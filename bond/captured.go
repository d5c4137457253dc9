// SPDX-License-Identifier: Apache-2.0

package bond

import "github.com/nicwright/nicwright/internal/rtlink"

// defaults are the options of a new bond (drivers/net/bonding/bond_main.c, bond_check_params and
// bond_setup). Mode, xmit_hash_policy and miimon are not among them: they are what a bond is.
var defaults = map[string]string{
	"updelay": "0", "downdelay": "0", "peer_notif_delay": "0", "fail_over_mac": "none", "resend_igmp": "1", "num_peer_notif": "1", "min_links": "0",
	"lacp_rate": "slow", "ad_select": "stable", "ad_actor_sys_prio": "65535", "ad_user_port_key": "0", "lacp_active": "on", attrPrimary: "",
}

// Captured is what of a bond a profile would say: what is not as it is in a new one.
func (b Bond) Captured() Spec {
	s := b.Spec()
	s.Owner = ""
	for _, a := range attributes {
		text, ok := get(a.spec(&s))
		if usual, has := defaults[a.name]; ok && has && text == usual {
			unset(a.spec(&s))
		}
	}
	if *s.MTU == rtlink.DefaultMTU {
		s.MTU = nil
	}
	return s
}
