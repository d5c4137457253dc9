// SPDX-License-Identifier: Apache-2.0

package kernellog

import (
	"strings"
	"testing"
)

func TestScanner(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  string
		want int // lines taken
	}{
		{"quiet", "mlx5_core 0001:3b:00.0: firmware version: 22.35.4030\nbond0: Warning: No 802.3ad response from the link partner\nrcu: INFO: rcu_preempt detected stalls", 0},
		{"a warning with its end", "before\nWARNING: CPU: 1 PID: 9 at net/core/dev.c:1 f+0x1/0x2\nCall Trace:\n f\n---[ end trace 0000000000000000 ]---\nafter", 4},
		{"with the console's time", "[    4.678255] BUG: unable to handle page fault for address: 0", 1},
		{"lockdep", "WARNING: possible circular locking dependency detected", 1},
		{"a null pointer", "BUG: kernel NULL pointer dereference, address: 0000000000000008", 1},
		{"oops", "Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI", 1},
		{"sleeping", "BUG: sleeping function called from invalid context at mm/slab.h:1", 1},
		{"a driver that says warning", "mlx5_core: WARNING: the cable is not plugged", 0},
		{"a list", "list_add corruption. prev->next should be next", 1},
		{"a leaked netdev", "unregister_netdevice: waiting for eth0 to become free. Usage count = 2", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Scanner
			got := 0
			for line := range strings.Lines(tt.log) {
				if s.Line(strings.TrimSuffix(line, "\n")) {
					got++
				}
			}
			if got != tt.want {
				t.Errorf("took %d lines, want %d", got, tt.want)
			}
		})
	}
}

func TestReportIsBounded(t *testing.T) {
	var s Scanner
	s.Line("BUG: workqueue leaked")
	got := 0
	for range 1000 {
		if s.Line("something else") {
			got++
		}
	}
	if got != reportLines {
		t.Errorf("a report without an end took %d more lines", got)
	}
}
