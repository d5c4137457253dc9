// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/rtattr"
)

// Of include/uapi/linux/if_bridge.h and rtnetlink.h.
const (
	bridgeVLANInfo    = 2 // IFLA_BRIDGE_VLAN_INFO: struct bridge_vlan_info, flags and vid
	vlanInfoPVID      = 1 << 1
	vlanInfoUntagged  = 1 << 2
	extFilterBRVLAN   = 1 << 1
	sizeofVLANInfo    = 4
	attrAFSpec        = unix.IFLA_AF_SPEC
	attrMasterOfAPort = unix.IFLA_MASTER
)

// BridgeVLANs reads the VLANs of all ports of the kernel's bridges, one by one. A
// bridge without vlan_filtering has some as well.
func BridgeVLANs(ctx context.Context) ([]Entry, error) {
	ask := make([]byte, unix.SizeofIfInfomsg)
	ask[0] = unix.AF_BRIDGE
	ask = appendAttribute(ask, unix.IFLA_EXT_MASK, nl.Uint32Attr(extFilterBRVLAN))
	msgs, err := rtattr.Dump(ctx, unix.NETLINK_ROUTE, unix.RTM_GETLINK, unix.RTM_NEWLINK, ask)
	if err != nil {
		return nil, kernel.Wrap("listing the VLANs of bridge ports over rtnetlink", "", err)
	}
	var all []Entry
	for _, m := range msgs {
		vlans, err := parseBridgePort(m)
		if err != nil {
			return nil, fmt.Errorf("listing the VLANs of bridge ports over rtnetlink: %w", err)
		}
		all = append(all, vlans...)
	}
	return all, nil
}

func parseBridgePort(m []byte) ([]Entry, error) {
	if len(m) < unix.SizeofIfInfomsg {
		return nil, errShort
	}
	attrs, err := attributes(m[unix.SizeofIfInfomsg:])
	if err != nil {
		return nil, err
	}
	var spec []byte
	port := false
	for _, a := range attrs {
		switch a.kind {
		case attrAFSpec:
			spec = a.value
		case attrMasterOfAPort:
			port = true
		}
	}
	if !port {
		return nil, nil // the bridge itself, which nobody takes out of itself
	}
	infos, err := attributes(spec)
	if err != nil {
		return nil, err
	}
	index := u32(m[4:])
	var all []Entry
	for _, a := range infos {
		if a.kind != bridgeVLANInfo || len(a.value) < sizeofVLANInfo {
			continue
		}
		flags, vid := binary.NativeEndian.Uint16(a.value), binary.NativeEndian.Uint16(a.value[2:])
		text := strconv.Itoa(int(vid))
		if flags&vlanInfoPVID != 0 {
			text += " pvid"
		}
		if flags&vlanInfoUntagged != 0 {
			text += " untagged"
		}
		body := make([]byte, unix.SizeofIfInfomsg)
		body[0] = unix.AF_BRIDGE
		binary.NativeEndian.PutUint32(body[4:], index)
		info := binary.NativeEndian.AppendUint16(nil, flags&(vlanInfoPVID|vlanInfoUntagged))
		info = binary.NativeEndian.AppendUint16(info, vid)
		body = appendAttribute(body, attrAFSpec|unix.NLA_F_NESTED, appendAttribute(nil, bridgeVLANInfo, info))
		all = append(all, Entry{Kind: BridgeVLAN, Text: text, Index: int(index), Family: unix.AF_BRIDGE, Body: body})
	}
	return all, nil
}

// VLANOf is what an entry of kind BridgeVLAN says: the VLAN's number, 1..4094, whether
// untagged frames that come in are of it, and whether its frames go out untagged.
func VLANOf(e Entry) (vid int, pvid, untagged, ok bool) {
	if e.Kind != BridgeVLAN {
		return 0, false, false, false
	}
	words := strings.Fields(e.Text)
	if len(words) == 0 {
		return 0, false, false, false
	}
	vid, err := strconv.Atoi(words[0])
	return vid, slices.Contains(words, "pvid"), slices.Contains(words, "untagged"), err == nil
}
