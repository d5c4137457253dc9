// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func message() []byte {
	info := nl.NewIfInfomsg(unix.AF_UNSPEC)
	info.Index, info.Flags = 7, unix.IFF_UP
	m := info.Serialize()
	add := func(a *nl.RtAttr) { m = append(m, a.Serialize()...) }
	add(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("bond0.70")))
	add(nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(5)))
	add(nl.NewRtAttr(unix.IFLA_LINK_NETNSID, nl.Uint32Attr(0)))
	add(nl.NewRtAttr(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, 1}))
	list := nl.NewRtAttr(unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, nil)
	list.AddRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated("storage"))
	list.AddRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated("a-name-that-is-longer-than-15"))
	add(list)
	li := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	li.AddRtAttr(nl.IFLA_INFO_KIND, nl.ZeroTerminated("vlan"))
	li.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.IFLA_VLAN_ID, nl.Uint16Attr(70))
	add(li)
	af := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	af.AddRtAttr(unix.AF_INET, nil).AddRtAttr(inetConf, append(nl.Uint32Attr(1), nl.Uint32Attr(2)...))
	add(af)
	return m
}

func TestParse(t *testing.T) {
	l, err := parse(message())
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != "bond0.70" || l.Lower != 0 || !l.LowerElsewhere || l.Kind != "vlan" || !l.Up || l.MAC.String() != "02:00:00:00:00:01" {
		t.Errorf("got %+v", l)
	}
	if !slices.Equal(l.Conf4, []int32{1, 2}) || len(l.Data) == 0 {
		t.Errorf("got %+v", l)
	}
	for _, name := range []string{"bond0.70", "storage", "a-name-that-is-longer-than-15"} {
		if got, ok := Named([]Link{{Name: "x"}, l}, name); !ok || got.Index != 7 {
			t.Errorf("%s is not found", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(message())
	f.Add(message()[:40])
	f.Fuzz(func(_ *testing.T, m []byte) {
		l, err := parse(m)
		if err == nil {
			BridgePort(l.SlaveData)
		}
	})
}
