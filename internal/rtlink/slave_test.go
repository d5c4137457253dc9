// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func TestSlaveOfAMessage(t *testing.T) {
	data := nl.NewRtAttr(nl.IFLA_INFO_SLAVE_DATA, nil)
	data.AddRtAttr(nl.IFLA_BOND_SLAVE_STATE, []byte{0})
	data.AddRtAttr(nl.IFLA_BOND_SLAVE_PERM_HWADDR, []byte{2, 0, 0, 0, 0, 7})
	data.AddRtAttr(nl.IFLA_BOND_SLAVE_AD_AGGREGATOR_ID, nl.Uint16Attr(2))
	data.AddRtAttr(nl.IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE, []byte{0x3d})
	data.AddRtAttr(nl.IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE, nl.Uint16Attr(0x3f))
	s, err := parseSlave(data.Serialize()[unix.SizeofRtAttr:])
	if err != nil || !s.Active || s.Aggregator != 2 || s.Actor == nil || *s.Actor != 0x3d || s.Partner == nil || *s.Partner != 0x3f || s.OwnMAC.String() != "02:00:00:00:00:07" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := parseSlave(nil); err != nil || s.Actor != nil || s.Partner != nil {
		t.Errorf("of a mode without LACP: %+v, %v", s, err)
	}
}

func TestCarrierChangesOfAMessage(t *testing.T) {
	m := append(nl.NewIfInfomsg(unix.AF_UNSPEC).Serialize(), nl.NewRtAttr(unix.IFLA_CARRIER_CHANGES, nl.Uint32Attr(7)).Serialize()...)
	if l, err := parse(m); err != nil || l.CarrierChanges != 7 {
		t.Errorf("%d, %v", l.CarrierChanges, err)
	}
}
