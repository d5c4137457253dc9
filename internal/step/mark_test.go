// SPDX-License-Identifier: Apache-2.0

package step

import "testing"

func TestAliases(t *testing.T) {
	for alias, owner := range map[string]string{"nicwright": NoOwner, "nicwright:rack7": "rack7"} {
		if got := OwnerOf(alias); got != owner {
			t.Errorf("%q is %q's, not %q's", alias, got, owner)
		}
		if got := AliasOf(owner); got != alias {
			t.Errorf("%q marks by %q, not %q", owner, got, alias)
		}
	}
	for _, alias := range []string{"", "uplink to rack 7", "nicwrightly", "nicwright:"} {
		if got := OwnerOf(alias); got != "" {
			t.Errorf("%q is %q's", alias, got)
		}
	}
	if OrNoOwner("") != NoOwner || OrNoOwner("x") != "x" {
		t.Error("an owner is not who it is")
	}
}
