// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
)

// What the driver has not got is not in the selector, and not among the capabilities.
func TestCapsOfAPortFunction(t *testing.T) {
	for _, tt := range []struct {
		name            string
		value, selector uint32
		cut             int // bytes of the attribute that are sent
		want            map[string]bool
	}{
		{"ipsec_crypto alone", 4, 4, 8, map[string]bool{"ipsec_crypto": true}},
		{"all, some enabled", 1 | 8, 15, 8, map[string]bool{"roce": true, "migratable": false, "ipsec_crypto": false, "ipsec_packet": true}},
		{"a bit that is newer than this", 1 << 9, 1 << 9, 8, map[string]bool{}},
		{"short", 4, 4, 7, map[string]bool{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, tt.value), tt.selector)
			p, err := parsePort(encode(t, func(ae *netlink.AttributeEncoder) {
				ae.String(attrBusName, "pci")
				ae.Nested(attrPortFunction, func(nae *netlink.AttributeEncoder) error {
					nae.Bytes(portFnCaps, b[:tt.cut])
					nae.Uint32(portFnMaxIOEQs, 7)
					return nil
				})
			}))
			if p.MaxIOEQs == nil || *p.MaxIOEQs != 7 {
				t.Errorf("max_io_eqs is %v", p.MaxIOEQs)
			}
			if diff := cmp.Diff(tt.want, p.Caps); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
