// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const stat = "cpu  100 20 3 4000 500 6 71 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\nintr 1 2\n"

func TestParse(t *testing.T) {
	got, err := parse([]byte(stat))
	if err != nil || got.idle != 4508 || got.cpus != 2 {
		t.Errorf("got %+v, %v, want 2 processors that idled (4000), waited (500) or were stolen (8)", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3\ncpu0 1", "intr 1 2 3 4 5 6 7 8", "cpu a b c d e f g h i\ncpu0 1"} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// Busy is the time of all processors less what they idled.
func TestBusyIsWhatIsNotIdle(t *testing.T) {
	before := Reading{clock: time.Second, cpus: 4, idle: 1000}
	for _, tt := range []struct {
		name string
		now  Reading
		want float64
		ok   bool
	}{
		{"4 processors of which 1.5 idled, for 2 s", Reading{3 * time.Second, 4, 1300}, 5, true},
		{"all idled, a little more than there was time for", Reading{3 * time.Second, 4, 1801}, 0, true},
		{"one was taken offline", Reading{3 * time.Second, 3, 1300}, 0, false},
		{"the sum went back", Reading{3 * time.Second, 4, 999}, 0, false},
	} {
		if got, ok := tt.now.Busy(before); ok != tt.ok || math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %v, %t", tt.name, got, ok)
		}
	}
}

// A kernel that ticks while idle only samples: there is no meter for it.
func TestMeterOfKernels(t *testing.T) {
	for _, tt := range []struct {
		name, timers string
		want         error
	}{
		{"up to 6.8, high resolution", "cpu: 0\n  .nohz_mode      : 2\n  .last_tick : 1 nsecs\ncpu: 1\n  .nohz_mode      : 2\n", nil},
		{"up to 6.8, low resolution", "  .nohz_mode      : 1\n", nil},
		{"later", "  .nohz           : 1\n  .highres        : 1\n", nil},
		{"nohz=off", "  .nohz_mode      : 2\n  .nohz_mode      : 0\n", ErrInexact},
		{"later, nohz=off", "  .nohz           : 0\n", ErrInexact},
		{"without NO_HZ_COMMON", "Timer List Version: v0.10\n", ErrInexact},
		{"without the list", "", ErrInexact},
	} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "proc"), 0o755); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{"stat": stat}
		if tt.timers != "" {
			files["timer_list"] = tt.timers
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(root, "proc", name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, err := at(root)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if m == nil {
			continue
		}
		if r, err := m.Read(); err != nil || r.cpus != 2 || r.clock == 0 {
			t.Errorf("%s: %+v, %v", tt.name, r, err)
		}
	}
}
