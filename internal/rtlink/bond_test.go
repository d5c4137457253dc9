// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"bytes"
	"net"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What is sent is what was asked for, and nothing else.
func TestBondOptionsOnTheWire(t *testing.T) {
	info, err := linkInfo("bond", []BondOption{
		{Type: nl.IFLA_BOND_MODE, Size: 1, Value: 4}, {Type: nl.IFLA_BOND_AD_ACTOR_SYS_PRIO, Size: 2, Value: 515}, {Type: nl.IFLA_BOND_MIIMON, Size: 4, Value: 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := info.Serialize()
	want := []byte{
		48, 0, 18, 0, // IFLA_LINKINFO
		8, 0, 1, 0, 'b', 'o', 'n', 'd', // IFLA_INFO_KIND
		28, 0, 2, 0, // IFLA_INFO_DATA
		5, 0, 1, 0, 4, 0, 0, 0, // mode
		6, 0, 24, 0, 3, 2, 0, 0, // ad_actor_sys_prio
		8, 0, 3, 0, 100, 0, 0, 0, // miimon
	}
	want[0] = byte(len(want))
	if !bytes.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if _, err := linkInfo("bond", []BondOption{{Size: 3}}); err == nil {
		t.Error("an option of three bytes is sent")
	}
}

// A bond that is made with a MAC address says it at once: what comes later, udev may be quicker than.
func TestANewBondHasItsAddressOnTheWire(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	attr := nl.NewRtAttr(unix.IFLA_ADDRESS, mac).Serialize()
	if b := newLink("bond0", 0, mac).Serialize(); !bytes.Contains(b, attr) {
		t.Errorf("it is not in %v", b)
	}
	if b := newLink("bond0", 0, nil).Serialize(); bytes.Contains(b, attr[:4]) {
		t.Errorf("one of no address is in %v", b)
	}
}

func FuzzParseBond(f *testing.F) {
	f.Add([]byte{5, 0, 1, 0, 4, 0, 0, 0, 8, 0, 3, 0, 100, 0, 0, 0})
	f.Add([]byte{12, 0, 23, 128, 6, 0, 2, 0, 2, 0, 0, 0})
	f.Add([]byte{3, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		bond, err := parseBond(b)
		if err != nil {
			return
		}
		for kind, n := range bond.Values {
			if n < 0 {
				t.Errorf("option %d is %d", kind, n)
			}
		}
	})
}
