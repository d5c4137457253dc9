// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"bytes"
	"slices"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What a netdev needs to be made again is kept as the kernel told it.
func TestWhatALinkIsMadeOf(t *testing.T) {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("vlan"))
	info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.IFLA_VLAN_ID, nl.Uint16Attr(70))
	info.AddRtAttr(nl.IFLA_INFO_SLAVE_KIND, nl.NonZeroTerminated("bridge"))
	info.AddRtAttr(nl.IFLA_INFO_SLAVE_DATA, append(nl.NewRtAttr(8, []byte{1}).Serialize(), nl.NewRtAttr(13, []byte{1}).Serialize()...))
	families := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	families.AddRtAttr(unix.AF_INET, nil).AddRtAttr(inetConf, append(nl.Uint32Attr(1), nl.Uint32Attr(2)...))
	families.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(inet6Conf, nl.Uint32Attr(3))
	l, err := parse(linkMessage(7, info, families,
		nl.NewRtAttr(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, 1}), nl.NewRtAttr(unix.IFLA_PERM_ADDRESS, []byte{2, 0, 0, 0, 0, 2}),
		nl.NewRtAttr(unix.IFLA_TXQLEN, nl.Uint32Attr(500)), nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(3)), nl.NewRtAttr(unix.IFLA_LINK_NETNSID, nl.Uint32Attr(0))))
	if err != nil {
		t.Fatal(err)
	}
	if l.MAC.String() != "02:00:00:00:00:01" || l.PermMAC.String() != "02:00:00:00:00:02" || l.TxQLen != 500 || l.Group != 3 || !l.LowerElsewhere {
		t.Errorf("got %+v", l)
	}
	if !slices.Equal(l.Conf4, []int32{1, 2}) || !slices.Equal(l.Conf6, []int32{3}) || len(l.Data) != 8 || l.SlaveKind != "bridge" {
		t.Errorf("got %+v", l)
	}
	// IFLA_BRPORT_LEARNING can be set, IFLA_BRPORT_ROOT_ID only told.
	if got := BridgePort(l.SlaveData); !bytes.Equal(got, nl.NewRtAttr(8, []byte{1}).Serialize()) {
		t.Errorf("the bridge port has %v", got)
	}
}

func TestAnAltnameIsAName(t *testing.T) {
	links := []Link{{Index: 1, Name: "lo"}, {Index: 7, Name: "eth0", AltNames: []string{"storage"}}}
	for _, name := range []string{"eth0", "storage"} {
		if l, ok := Named(links, name); !ok || l.Index != 7 {
			t.Errorf("%s is not found", name)
		}
	}
	if _, ok := Named(links, "eth1"); ok {
		t.Error("a netdev is found that is not there")
	}
}

// The kernel refuses to be told what it only tells, and wants to be told what to do.
func TestDataOfAnUpper(t *testing.T) {
	attr := func(kind int, v ...byte) []byte { return nl.NewRtAttr(kind, v).Serialize() }
	told := slices.Concat(attr(1, 4, 0, 0, 0), attr(6, 1, 0, 0, 0), attr(5, attr(4, 2, 0, 0, 0, 0, 1)...), attr(7, 232, 3, 0, 0), attr(8, 1, 0, 0, 0))
	want := slices.Concat(attr(1, 4, 0, 0, 0), attr(3, 3, 0, 0, 0), attr(5, attr(4, 2, 0, 0, 0, 0, 1)...), attr(7, 232, 3, 0, 0))
	if got, err := upperData("macvlan", told); err != nil || !bytes.Equal(got, want) {
		t.Errorf("of a macvlan\n%v, %v\n%v", got, err, want)
	}
	vlan := func(mask ...byte) []byte {
		return slices.Concat(attr(1, 70, 0), attr(2, slices.Concat([]byte{4, 0, 0, 0}, mask)...), attr(5, 129, 0))
	}
	if got, err := upperData("vlan", vlan(255, 255, 255, 255)); err != nil || !bytes.Equal(got, vlan(5, 0, 0, 0)) {
		t.Errorf("of a VLAN\n%v, %v", got, err)
	}
}
