// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Upper is a netdev to be made on another: a VLAN, a macvlan, ...
type Upper struct {
	Name  string
	Kind  string // IFLA_INFO_KIND
	Lower int    // ifindex
	Data  []byte // IFLA_INFO_DATA, as Link.Data has it; what the kernel only tells is left out
	MTU   int    // bytes, 0 for the kind's own
	MAC   net.HardwareAddr
}

// Of include/uapi/linux/if_link.h. How many source addresses a macvlan has and how
// much of its queue is used the kernel only tells, and refuses to be told; and the
// addresses it takes with what is to be done with them (drivers/net/macvlan.c,
// macvlan_validate, macvlan_changelink_sources).
const (
	macvlanAddrMode  = 3 // IFLA_MACVLAN_MACADDR_MODE
	macvlanAddrData  = 5 // IFLA_MACVLAN_MACADDR_DATA
	macvlanAddrCount = 6 // IFLA_MACVLAN_MACADDR_COUNT
	macvlanQueueUsed = 8 // IFLA_MACVLAN_BC_QUEUE_LEN_USED
	macvlanAddrSet   = 3 // MACVLAN_MACADDR_SET

	vlanFlags   = 2 // IFLA_VLAN_FLAGS: struct ifla_vlan_flags, flags and the mask of those that are meant
	vlanReorder = 1 // VLAN_FLAG_REORDER_HDR, which a new VLAN has
)

// upperData is the IFLA_INFO_DATA that makes a netdev, of that which the kernel tells.
func upperData(upper string, told []byte) ([]byte, error) {
	isMacvlan := upper == "macvlan" || upper == "macvtap"
	var data []byte
	add := func(kind int, v []byte) { data = append(data, nl.NewRtAttr(kind, v).Serialize()...) }
	err := each(told, func(kind uint16, v []byte) {
		switch {
		case isMacvlan && (kind == macvlanAddrCount || kind == macvlanQueueUsed):
			return
		case isMacvlan && kind == macvlanAddrData:
			add(macvlanAddrMode, nl.Uint32Attr(macvlanAddrSet))
		case kind == vlanFlags && upper == "vlan" && len(v) == 8:
			// It tells a mask of all bits, and refuses those that it does not know (net/8021q/vlan_dev.c).
			flags := nl.NativeEndian().Uint32(v)
			v = append(nl.Uint32Attr(flags), nl.Uint32Attr(flags|vlanReorder)...)
		}
		add(int(kind), v)
	})
	return data, err
}

// AddUpper makes a netdev on another with an RTM_NEWLINK.
func AddUpper(u Upper) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(u.Name)))
	req.AddData(nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(uint32(u.Lower))))
	if u.MTU > 0 {
		req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(u.MTU))))
	}
	if len(u.MAC) > 0 {
		req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, u.MAC))
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(u.Kind))
	data, err := upperData(u.Kind, u.Data)
	if err != nil {
		return err
	}
	info.AddRtAttr(nl.IFLA_INFO_DATA, data)
	req.AddData(info)
	_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	return opError("making the "+u.Kind+" (RTM_NEWLINK)", u.Name, err)
}

// brportSettable are the IFLA_BRPORT_ attributes that may be set; the others
// the kernel only tells (net/bridge/br_netlink.c, br_port_policy). The cost is
// not among them: the kernel follows the link's speed unless told, and does not
// say which is so.
var brportSettable = map[uint16]bool{
	2: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true, 25: true, 27: true, 28: true, 29: true,
	30: true, 31: true, 32: true, 33: true, 37: true, 39: true, 40: true, 43: true, 44: true,
}

// BridgePort is the settable part of the SlaveData of a port of the kernel's
// bridge, for comparing and for SetBridgePort.
func BridgePort(slaveData []byte) []byte {
	var out []byte
	_ = each(slaveData, func(kind uint16, v []byte) {
		if brportSettable[kind] {
			out = append(out, nl.NewRtAttr(int(kind), v).Serialize()...)
		}
	})
	return out
}

// SetBridgePort sets the attributes of a port of the kernel's bridge to those
// in slaveData.
func SetBridgePort(l Link, slaveData []byte) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(l.Index)
	req.AddData(msg)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_SLAVE_KIND, nl.NonZeroTerminated("bridge"))
	info.AddRtAttr(nl.IFLA_INFO_SLAVE_DATA, BridgePort(slaveData))
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return opError("setting the attributes of the bridge port", l.Name, err)
}

// AddAltName gives the netdev a further name.
func AddAltName(l Link, name string) error {
	return opError("adding the altname "+name, l.Name, netlink.LinkAddAltName(device(l), name))
}

// SetTxQLen sets the length of the transmit queue in packets.
func SetTxQLen(l Link, n int) error {
	return opError("setting txqueuelen", l.Name, netlink.LinkSetTxQLen(device(l), n))
}

// SetGroup sets the group number (ip link set group).
func SetGroup(l Link, n int) error {
	return opError("setting the group", l.Name, netlink.LinkSetGroup(device(l), n))
}

// SetMAC sets the hardware address.
func SetMAC(l Link, mac net.HardwareAddr) error {
	return opError("setting the MAC address to "+mac.String(), l.Name, netlink.LinkSetHardwareAddr(device(l), mac))
}
