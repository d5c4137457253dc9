// SPDX-License-Identifier: Apache-2.0

package vlans

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVLANs(t *testing.T) {
	for _, tt := range []struct {
		text, wrong string
		want        List
	}{
		{`null`, "", nil},
		{`[]`, "", List{}},
		{`[10, "100-102", 4094]`, "", List{10, 100, 101, 102, 4094}},
		{`["7-7"]`, "", List{7}},
		{`["12-10"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", List{0}},
		{`["4000-4095"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", List{0}},
		{`["0-3"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", List{0}},
		{`["ten"]`, "a VLAN, or a range that ends before it begins or is not of 1..4094", List{0}},
		{`[101, "100-102"]`, "VLAN 101 twice", List{101, 100, 101, 102}},
	} {
		var have List
		if err := json.Unmarshal([]byte(tt.text), &have); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if d := cmp.Diff(tt.want, have); d != "" || have.Wrong() != tt.wrong {
			t.Errorf("%s: %q %s", tt.text, have.Wrong(), d)
		}
	}
	for _, text := range []string{`{}`, `[true]`, `["1-2"`, `7`} {
		if err := json.Unmarshal([]byte(text), new(List)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestRuns(t *testing.T) {
	for want, list := range map[string][]int{"": nil, "7": {7}, "1-2": {2, 1, 2}, "1 3 5-9 4094": {9, 8, 7, 6, 5, 1, 3, 4094}} {
		var words []string
		for _, r := range Runs(list) {
			words = append(words, r.String())
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%v: %q, not %q", list, got, want)
		}
	}
}
