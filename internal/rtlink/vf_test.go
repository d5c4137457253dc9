// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func u32s(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

// vfMessage is an RTM_NEWLINK as rtnl_fill_vfinfo (net/core/rtnetlink.c) makes it.
func vfMessage() []byte {
	list := nl.NewRtAttr(unix.IFLA_VFINFO_LIST, nil)
	for n, mac := range [][]byte{{2, 0x11, 0x22, 0x33, 0x44, 0}, make([]byte, 6)} {
		vf := uint32(n)
		info := list.AddRtAttr(nl.IFLA_VF_INFO, nil)
		info.AddRtAttr(nl.IFLA_VF_MAC, append(append(u32s(vf), mac...), make([]byte, 26)...))
		info.AddRtAttr(nl.IFLA_VF_VLAN, u32s(vf, 100*(vf+1), 0))
		info.AddRtAttr(nl.IFLA_VF_RATE, u32s(vf, 100, 1000))
		info.AddRtAttr(nl.IFLA_VF_SPOOFCHK, u32s(vf, 1))
		info.AddRtAttr(nl.IFLA_VF_LINK_STATE, u32s(vf, 2))
		info.AddRtAttr(nl.IFLA_VF_TRUST, u32s(vf, ^uint32(0)))
		vlans := info.AddRtAttr(nl.IFLA_VF_VLAN_LIST, nil)
		vlans.AddRtAttr(nl.IFLA_VF_VLAN_INFO, append(u32s(vf, 100*(vf+1), 3), 0x88, 0xa8, 0, 0))
	}
	return append(make([]byte, unix.SizeofIfInfomsg), list.Serialize()...)
}

func TestVFsOfAMessage(t *testing.T) {
	on := true
	want := []VF{
		{Index: 0, MAC: net.HardwareAddr{2, 0x11, 0x22, 0x33, 0x44, 0}, VLAN: 100, QoS: 3, VLANProto: "802.1ad", SpoofChk: &on, MinTxRate: 100, MaxTxRate: 1000, LinkState: "disable"},
		{Index: 1, MAC: make(net.HardwareAddr, 6), VLAN: 200, QoS: 3, VLANProto: "802.1ad", SpoofChk: &on, MinTxRate: 100, MaxTxRate: 1000, LinkState: "disable"},
	}
	got, err := parseVFs(vfMessage())
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	if got, err := parseVFs(make([]byte, unix.SizeofIfInfomsg)); err != nil || len(got) != 0 {
		t.Errorf("a netdev without VFs: %+v, %v", got, err)
	}
	if _, err := parseVFs(nil); err == nil {
		t.Error("a message of no bytes is one")
	}
}

func TestWhatAVFCannotBeSetTo(t *testing.T) {
	state := "sideways"
	for name, c := range map[string]VFChange{"link state": {LinkState: &state}, "VLAN": {VLAN: &VLAN{ID: 1, Proto: "802.1X"}}} {
		if err := SetVF(1, 0, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseVFs(f *testing.F) {
	f.Add(vfMessage())
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseVFs(b) })
}
