// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
)

func rateOf(kind uint16, node string) func(*netlink.AttributeEncoder) {
	return func(ae *netlink.AttributeEncoder) {
		ae.String(attrBusName, "pci")
		ae.String(attrDevName, "0000:3b:00.0")
		ae.Uint16(attrRateType, kind)
		if node != "" {
			ae.String(attrRateNodeName, node)
		} else {
			ae.Uint32(attrPortIndex, 3)
			ae.String(attrRateParentName, "gold")
		}
		ae.Uint64(attrRateTxShare, 125000)
		ae.Uint64(attrRateTxMax, 1250000)
	}
}

func TestRates(t *testing.T) {
	dev := Device{"pci", "0000:3b:00.0"}
	for _, tt := range []struct {
		name string
		kind uint16
		node string
		want Rate
		ok   bool
	}{
		{"a node", rateNode, "gold", Rate{Device: dev, Node: "gold", Share: 125000, Max: 1250000}, true},
		{"a function's", 0, "", Rate{Device: dev, Port: 3, Share: 125000, Max: 1250000, Parent: "gold"}, true},
		{"a node without a name", rateNode, "", Rate{}, false},
		{"a function's with a name", 0, "gold", Rate{}, false},
	} {
		got, err := parseRate(encode(t, rateOf(tt.kind, tt.node)))
		if d := cmp.Diff(tt.want, got); d != "" || (err == nil) != tt.ok {
			t.Errorf("%s: %v\n%s", tt.name, err, d)
		}
	}
}
