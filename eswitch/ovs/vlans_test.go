// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVLANs(t *testing.T) {
	for _, tt := range []struct {
		text, wrong string
		want        VLANs
	}{
		{`null`, "", nil},
		{`[]`, "", VLANs{}},
		{`[10, "100-102", 4094]`, "", VLANs{10, 100, 101, 102, 4094}},
		{`["7-7"]`, "", VLANs{7}},
		{`["12-10"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", VLANs{0}},
		{`["4000-4095"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", VLANs{0}},
		{`["0-3"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", VLANs{0}},
		{`["ten"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", VLANs{0}},
		{`[101, "100-102"]`, "VLAN 101 twice", VLANs{101, 100, 101, 102}},
	} {
		var have VLANs
		if err := json.Unmarshal([]byte(tt.text), &have); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if d := cmp.Diff(tt.want, have); d != "" || have.Wrong() != tt.wrong {
			t.Errorf("%s: %q %s", tt.text, have.Wrong(), d)
		}
	}
	for _, text := range []string{`{}`, `[true]`, `["1-2"`, `7`} {
		if err := json.Unmarshal([]byte(text), new(VLANs)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
