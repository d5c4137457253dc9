// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"testing"

	"github.com/vishvananda/netlink/nl"
)

func tcRule(kind string, handle uint32) []byte {
	return append((&nl.TcMsg{Handle: handle}).Serialize(), nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(kind)).Serialize()...)
}

func TestIsFlower(t *testing.T) {
	for _, c := range []struct {
		rule []byte
		want bool
	}{
		{tcRule("flower", 1), true},
		{tcRule("flower", 0), false},   // the head of a list, which outlives its rules
		{tcRule("matchall", 1), false}, // a port's policer, which stays
		{tcRule("flower", 1)[:10], false},
		{tcRule("flower", 1)[:22], false},
		{(&nl.TcMsg{}).Serialize(), false},
	} {
		if isFlower(c.rule) != c.want {
			t.Errorf("%v: %t", c.rule, !c.want)
		}
	}
}

func FuzzIsFlower(f *testing.F) {
	f.Add(tcRule("flower", 1))
	f.Fuzz(func(_ *testing.T, b []byte) { isFlower(b) })
}
