// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// kindBridge is the kernel's bridge.
const kindBridge = "bridge"

// Numbers are the attributes of a kind's own data (Link.Data) that are numbers of
// one, two or four bytes, by their type; what is not whole is left out.
func Numbers(data []byte) map[uint16]int {
	all := map[uint16]int{}
	_ = each(data, func(kind uint16, v []byte) {
		if n := number(v); n >= 0 {
			all[kind] = n
		}
	})
	return all
}

// AddBridge makes a bridge of the kernel, down, with the options (IFLA_BR_*); mtu in
// bytes, 0 for that of its ports; mac nil for one of its ports.
func AddBridge(name string, mtu int, mac net.HardwareAddr, options []Option) error {
	return sendBridge(newLink(name, mtu, mac), name, "making the bridge (RTM_NEWLINK)", options)
}

// SetBridge changes options of the bridge l; what says it for an error.
func SetBridge(l Link, options []Option, what string) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(l.Index)
	req.AddData(msg)
	return sendBridge(req, l.Name, what, options)
}

func sendBridge(req *nl.NetlinkRequest, name, what string, options []Option) error {
	info, err := linkInfo(kindBridge, options)
	if err != nil {
		return err
	}
	req.AddData(info)
	_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	return opError(what, name, err)
}

// PortVLAN is a run of VLANs of a bridge's port that are alike.
type PortVLAN struct {
	First, Last    int // 1..4094
	PVID, Untagged bool
}

// AddPortVLAN gives the bridge's port l VLANs, or changes what they are.
func AddPortVLAN(l Link, v PortVLAN, what string) error {
	if v.First == v.Last {
		return opError(what, l.Name, netlink.BridgeVlanAdd(device(l), uint16(v.First), v.PVID, v.Untagged, false, true))
	}
	return opError(what, l.Name, netlink.BridgeVlanAddRange(device(l), uint16(v.First), uint16(v.Last), v.PVID, v.Untagged, false, true))
}

// DeletePortVLAN takes VLANs from the bridge's port l.
func DeletePortVLAN(l Link, v PortVLAN, what string) error {
	if v.First == v.Last {
		return opError(what, l.Name, netlink.BridgeVlanDel(device(l), uint16(v.First), false, false, false, true))
	}
	return opError(what, l.Name, netlink.BridgeVlanDelRange(device(l), uint16(v.First), uint16(v.Last), false, false, false, true))
}
