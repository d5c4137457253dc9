// SPDX-License-Identifier: Apache-2.0

package cpu

import "testing"

func TestParse(t *testing.T) {
	got, err := parse([]byte("cpu  100 20 3 4000 500 6 71 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"))
	if err != nil || got != 2 {
		t.Errorf("got %v, %v, want 2 s without idle (4000), iowait (500) and steal (8)", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8", "cpu a b c d e f g"} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if s, err := Busy(); err != nil || s <= 0 {
		t.Errorf("this machine: %v, %v", s, err)
	}
}
