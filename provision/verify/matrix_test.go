// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"strings"
	"testing"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

// The default matrix has every version, cipher and direction, and asks nothing of what no kernel offloads.
func TestMatrix(t *testing.T) {
	offloaded := "offloaded"
	names := func(v *profiles.VerifySpec, quick bool) (all, required []string) {
		for _, c := range matrix(&profiles.Want{Verify: v}, quick, nil) {
			n := report.Name(c.kind, c.fields("A", "B"))
			all = append(all, n)
			if c.require != "" {
				required = append(required, n)
			}
		}
		return all, required
	}
	all, required := names(nil, false)
	if len(all) < 12 || len(required) != 0 {
		t.Errorf("by default %d cells, %d of them required", len(all), len(required))
	}
	_, required = names(&profiles.VerifySpec{KTLS: &crypto.KTLSSpec{Require: &offloaded}}, false)
	want := "ktls TLSv1.2 AES-128-GCM tx A B,ktls TLSv1.2 AES-128-GCM rx A B,ktls TLSv1.2 AES-256-GCM tx A B,ktls TLSv1.2 AES-256-GCM rx A B"
	if got := strings.Join(required, ","); got != want {
		t.Errorf("required are %s", got)
	}
	all, _ = names(&profiles.VerifySpec{KTLS: &crypto.KTLSSpec{Versions: []string{"TLSv1.3"}, Ciphers: []string{"AES-256-GCM"}, Directions: []string{"rx"}}}, false)
	if len(all) == 0 || all[0] != "ktls TLSv1.3 AES-256-GCM rx A B" {
		t.Errorf("asked for one cell, got %v", all)
	}
	if all, _ = names(nil, true); len(all) > 3 {
		t.Errorf("the quick matrix has %d cells", len(all))
	}
}
