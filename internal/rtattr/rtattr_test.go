// SPDX-License-Identifier: Apache-2.0

package rtattr

import (
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	b := append(nl.NewRtAttr(5|unix.NLA_F_NESTED, []byte{1, 2, 3}).Serialize(), nl.NewRtAttr(6, nil).Serialize()...)
	all, err := Parse(b)
	if err != nil || len(all) != 2 || all[0].Attr.Type != 5 || len(all[0].Value) != 3 || all[1].Attr.Type != 6 {
		t.Errorf("%+v, %v", all, err)
	}
	for name, bad := range map[string][]byte{"not padded": b[:7], "too short": {9, 0, 1, 0}, "shorter than its header": {2, 0, 1, 0}} {
		if all, err := Parse(bad); err == nil && name != "not padded" {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(nl.NewRtAttr(5, []byte{1, 2, 3}).Serialize())
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Parse(b) })
}
