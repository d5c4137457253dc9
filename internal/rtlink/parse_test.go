// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// linkMessage is an RTM_NEWLINK as rtnl_fill_ifinfo (net/core/rtnetlink.c) makes it.
func linkMessage(index uint32, attrs ...*nl.RtAttr) []byte {
	m := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(m[4:], index)
	binary.NativeEndian.PutUint32(m[8:], unix.IFF_UP)
	for _, a := range attrs {
		m = append(m, a.Serialize()...)
	}
	return m
}

func vlanMessage(more ...*nl.RtAttr) []byte {
	names := nl.NewRtAttr(unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, nil)
	names.AddRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated("uplink-a"))
	names.AddRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated("enp59s0f0-and-a-name-of-more-than-15"))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("vlan"))
	return linkMessage(9, append([]*nl.RtAttr{
		nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("eth0.70")), nl.NewRtAttr(unix.IFLA_LINK, u32s(7)), names, info,
	}, more...)...)
}

func TestLinkOfAMessage(t *testing.T) {
	want := Link{Index: 9, Name: "eth0.70", Kind: "vlan", Up: true, Lower: 7, AltNames: []string{"uplink-a", "enp59s0f0-and-a-name-of-more-than-15"}}
	got, err := parse(vlanMessage())
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	if got, err := parse(vlanMessage(nl.NewRtAttr(unix.IFLA_LINK_NETNSID, u32s(0)))); err != nil || got.Lower != 0 {
		t.Errorf("its lower is in another network namespace: %+v, %v", got, err)
	}
	if got, err := parse(linkMessage(9, nl.NewRtAttr(unix.IFLA_LINK, u32s(9)))); err != nil || got.Lower != 0 || got.AltNames != nil {
		t.Errorf("it is its own lower: %+v, %v", got, err)
	}
	for name, m := range map[string][]byte{"no header": {1, 2, 3}, "an attribute that is cut": append(linkMessage(9), 8, 0, 3, 0, 'e')} {
		if l, err := parse(m); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vlanMessage())
	f.Add(linkMessage(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := parse(b); err == nil && l.Lower == l.Index && l.Index != 0 {
			t.Error("a netdev is below itself")
		}
	})
}
