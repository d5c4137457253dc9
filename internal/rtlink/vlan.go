// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"encoding/binary"

	"github.com/vishvananda/netlink/nl"
)

// Of include/uapi/linux/if_link.h and if_ether.h.
const (
	vlanID       = 1 // IFLA_VLAN_ID
	vlanProtocol = 5 // IFLA_VLAN_PROTOCOL, in the order of the wire

	// The protocols of a VLAN netdev: the EtherType of its tag.
	VLAN8021Q  = 0x8100
	VLAN8021AD = 0x88a8
)

// VLANOf reads which VLAN a netdev of kind vlan is (Link.Data): its ID, 0..4094, and its
// protocol.
func VLANOf(data []byte) (id, protocol int) {
	protocol = VLAN8021Q
	_ = each(data, func(kind uint16, v []byte) {
		switch {
		case kind == vlanID && len(v) == 2:
			id = int(nl.NativeEndian().Uint16(v))
		case kind == vlanProtocol && len(v) == 2:
			protocol = int(binary.BigEndian.Uint16(v))
		}
	})
	return id, protocol
}

// VLANData is Upper.Data of a VLAN, with what else one that was there had: flags and priorities.
func VLANData(id, protocol int, had []byte) []byte {
	out := nl.NewRtAttr(vlanID, nl.Uint16Attr(uint16(id))).Serialize()
	out = append(out, nl.NewRtAttr(vlanProtocol, binary.BigEndian.AppendUint16(nil, uint16(protocol))).Serialize()...)
	_ = each(had, func(kind uint16, v []byte) {
		if kind != vlanID && kind != vlanProtocol {
			out = append(out, nl.NewRtAttr(int(kind), v).Serialize()...)
		}
	})
	return out
}
