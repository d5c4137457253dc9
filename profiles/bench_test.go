// SPDX-License-Identifier: Apache-2.0

package profiles

import "testing"

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]uint64{"1": 1, "500": 500, "10k": 10_000, "1M": 1e6, "2G": 2e9} {
		if n, err := ParseBytes(text); n != want || err != nil {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	for _, bad := range []string{"", "0", "k", "-1", "1.5M", "1kM", "99999999999G", "10K"} {
		if n, err := ParseBytes(bad); err == nil {
			t.Errorf("%q is %d", bad, n)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	f.Add("10k")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseBytes(s); err == nil && n == 0 {
			t.Errorf("%q is nothing", s)
		}
	})
}
