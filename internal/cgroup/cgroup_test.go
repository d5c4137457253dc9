// SPDX-License-Identifier: Apache-2.0

package cgroup

import "testing"

func TestStat(t *testing.T) {
	const text = "usage_usec 2500000\nuser_usec 1000000\nsystem_usec 1500000\nnice_usec 0\nnr_throttled 3\nthrottled_usec 250000\n"
	s, err := parseStat([]byte(text))
	if want := (Stat{2.5, 1, 0.25}); err != nil || s != want {
		t.Errorf("got %+v, %v, want %+v", s, err, want)
	}
	if d := s.Since(Stat{1, 0.25, 0.25}); d != (Stat{1.5, 0.75, 0}) {
		t.Errorf("since: %+v", d)
	}
	for _, bad := range []string{"", "usage_usec -1\n", "user_usec 1\n", "usage_usec x"} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("usage_usec 1\nuser_usec 1\nthrottled_usec 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && (s.Usage < 0 || s.User < 0 || s.Throttled < 0) {
			t.Errorf("%q: %+v", b, s)
		}
	})
}
