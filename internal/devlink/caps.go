// SPDX-License-Identifier: Apache-2.0

package devlink

import "github.com/mdlayher/netlink"

// Of enum devlink_port_function_attr (include/uapi/linux/devlink.h).
const (
	attrPortFunction = 145
	portFnCaps       = 4 // struct nla_bitfield32: value, selector
)

// capNames are the capabilities of a port function by their bit (enum
// devlink_port_fn_attr_cap), in the words of the devlink tool.
func capNames() []string { return []string{"roce", "migratable", "ipsec_crypto", "ipsec_packet"} }

// parseCaps reads the capabilities out of a port's function: those that the
// driver has, and whether each is enabled.
func parseCaps(into map[string]bool) func(*netlink.AttributeDecoder) error {
	return func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			b := ad.Bytes()
			if ad.Type() != portFnCaps || len(b) < 8 {
				continue
			}
			value, selector := nativeUint(b[:4]), nativeUint(b[4:8])
			for bit, name := range capNames() {
				if selector>>bit&1 != 0 {
					into[name] = value>>bit&1 != 0
				}
			}
		}
		return ad.Err()
	}
}
