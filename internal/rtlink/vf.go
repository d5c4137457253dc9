// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

// VF is a virtual function as its PF's driver keeps it (IFLA_VF_INFO of
// include/uapi/linux/if_link.h). What the driver does not report is nil or "".
type VF struct {
	Index     int
	MAC       net.HardwareAddr // all zero: the VF chooses
	VLAN      int              // 0..4095, 0 = none
	QoS       int              // 0..7, the VLAN's priority
	VLANProto string           // 802.1Q, 802.1ad
	SpoofChk  *bool
	Trust     *bool
	MinTxRate int    // Mbit/s, 0 = none
	MaxTxRate int    // Mbit/s, 0 = none
	LinkState string // auto, enable, disable
}

// The VLAN protocols of a VF (include/uapi/linux/if_ether.h).
func vlanProtos() map[string]int {
	return map[string]int{"802.1Q": unix.ETH_P_8021Q, "802.1ad": unix.ETH_P_8021AD}
}

// vfLinkStates are the values of IFLA_VF_LINK_STATE_* in iproute2's words.
func vfLinkStates() []string { return []string{"auto", "enable", "disable"} }

// extFilterVF is RTEXT_FILTER_VF (include/uapi/linux/rtnetlink.h).
const extFilterVF = 1 << 0

// VFs reads what a PF's driver keeps of its VFs, by index: one request, in which
// the driver asks its firmware about every VF. None for a netdev that has no VFs.
func VFs(ctx context.Context, index int) ([]VF, error) {
	const op = "reading the VFs (RTM_GETLINK)"
	what := fmt.Sprintf("netdev %d", index)
	if err := ctx.Err(); err != nil {
		return nil, kernel.Wrap(op, what, context.Cause(ctx))
	}
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(extFilterVF|rtextFilterSkipStats)))
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err == nil && len(msgs) == 0 {
		err = unix.ENODEV
	}
	if err != nil {
		return nil, kernel.Wrap(op, what, err)
	}
	vfs, err := parseVFs(msgs[0])
	return vfs, kernel.Wrap(op, what, err)
}

func parseVFs(m []byte) ([]VF, error) {
	if len(m) < unix.SizeofIfInfomsg {
		return nil, errShort
	}
	var list []byte
	if err := each(m[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		if kind == unix.IFLA_VFINFO_LIST {
			list = v
		}
	}); err != nil {
		return nil, err
	}
	var all []VF
	var errs []error
	err := each(list, func(kind uint16, v []byte) {
		if kind != nl.IFLA_VF_INFO {
			return
		}
		vf, err := parseVF(v)
		errs = append(errs, err)
		all = append(all, vf)
	})
	return all, errors.Join(append(errs, err)...)
}

// parseVF reads one VF. All structs of it begin with the VF's index, 32 bits.
func parseVF(b []byte) (VF, error) {
	vf := VF{Index: -1, VLANProto: "802.1Q"}
	var vlans []byte
	err := each(b, func(kind uint16, v []byte) {
		if kind == nl.IFLA_VF_VLAN_LIST {
			vlans = v
			return
		}
		field := func(n int) (uint32, bool) {
			if len(v) < 4*(n+2) {
				return 0, false
			}
			return binary.NativeEndian.Uint32(v[4*(n+1):]), true
		}
		first, ok := field(0)
		if !ok {
			return
		}
		switch kind {
		case nl.IFLA_VF_MAC: // __u8 mac[32] (MAX_ADDR_LEN)
			vf.Index = int(binary.NativeEndian.Uint32(v))
			if len(v) >= 10 {
				vf.MAC = net.HardwareAddr(append([]byte(nil), v[4:10]...))
			}
		case nl.IFLA_VF_VLAN:
			vf.VLAN = int(first)
			if qos, ok := field(1); ok {
				vf.QoS = int(qos)
			}
		case nl.IFLA_VF_SPOOFCHK:
			vf.SpoofChk = known(first)
		case nl.IFLA_VF_TRUST:
			vf.Trust = known(first)
		case nl.IFLA_VF_LINK_STATE:
			if n := int(first); n >= 0 && n < len(vfLinkStates()) {
				vf.LinkState = vfLinkStates()[n]
			}
		case nl.IFLA_VF_RATE:
			vf.MinTxRate = int(first)
			if most, ok := field(1); ok {
				vf.MaxTxRate = int(most)
			}
		}
	})
	if err == nil && vlans != nil {
		err = each(vlans, func(kind uint16, v []byte) {
			// vf, vlan, qos, __be16 vlan_proto; drivers have one VLAN.
			if kind == nl.IFLA_VF_VLAN_INFO && len(v) >= 14 {
				vf.VLAN, vf.QoS = int(binary.NativeEndian.Uint32(v[4:])), int(binary.NativeEndian.Uint32(v[8:]))
				for name, n := range vlanProtos() {
					if n == int(binary.BigEndian.Uint16(v[12:])) {
						vf.VLANProto = name
					}
				}
			}
		})
	}
	if err == nil && vf.Index < 0 {
		err = errShort
	}
	return vf, err
}

// known is a switch of which the driver may say nothing (-1).
func known(v uint32) *bool {
	if v == ^uint32(0) {
		return nil
	}
	on := v != 0
	return &on
}

// VFChange is what is to be set of a VF, at once or not at all what the kernel
// takes at once; nil is left alone.
type VFChange struct {
	MAC       net.HardwareAddr // ndo_set_vf_mac; a driver bound to the VF sees it when it is bound again
	VLAN      *VLAN
	Rate      *Rate
	SpoofChk  *bool
	Trust     *bool
	LinkState *string // auto, enable, disable
}

// VLAN of a VF: the kernel takes id, priority and protocol together.
type VLAN struct {
	ID, QoS int
	Proto   string // 802.1Q, 802.1ad
}

// Rate of a VF in Mbit/s, 0 for none: the kernel takes both together.
type Rate struct{ Min, Max int }

// SetVF changes VF number vf of the PF whose netdev has that index.
func SetVF(index, vf int, c VFChange) error {
	l := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	do := func(what string, err error) error {
		return kernel.Wrapf(fmt.Sprintf("netdev %d", index), err, "setting the %s of VF %d", what, vf)
	}
	var err error
	if c.MAC != nil {
		err = do("MAC address", netlink.LinkSetVfHardwareAddr(l, vf, c.MAC))
	}
	if v := c.VLAN; v != nil && err == nil {
		proto, ok := vlanProtos()[v.Proto]
		if !ok {
			return do("VLAN", fmt.Errorf("no VLAN protocol is called %q", v.Proto))
		}
		err = do("VLAN", netlink.LinkSetVfVlanQosProto(l, vf, v.ID, v.QoS, proto))
	}
	if c.Rate != nil && err == nil {
		err = do("rates", netlink.LinkSetVfRate(l, vf, c.Rate.Min, c.Rate.Max))
	}
	if c.SpoofChk != nil && err == nil {
		err = do("spoof check", netlink.LinkSetVfSpoofchk(l, vf, *c.SpoofChk))
	}
	if c.Trust != nil && err == nil {
		err = do("trust", netlink.LinkSetVfTrust(l, vf, *c.Trust))
	}
	if c.LinkState != nil && err == nil {
		n := -1
		for i, s := range vfLinkStates() {
			if s == *c.LinkState {
				n = i
			}
		}
		if n < 0 {
			return do("link state", fmt.Errorf("it can be one of %s", strings.Join(vfLinkStates(), ", ")))
		}
		err = do("link state", netlink.LinkSetVfState(l, vf, uint32(n)))
	}
	return err
}
