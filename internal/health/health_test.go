// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/kernellog"
)

func TestMessagesAreSorted(t *testing.T) {
	var s Said
	c := collector{said: &s}
	for _, r := range []kernellog.Record{
		{Level: 6, Message: "mlx5_core 0000:3b:00.0: firmware version: 22.31.1014"},
		{Level: 3, Message: "mlx5_core 0000:3b:00.0: cmd_work_handler:877:(pid 12): failed to allocate command entry"},
		{Level: 3, Message: "mlx5_core 0000:3b:00.1: cmd_work_handler:877:(pid 13): failed to allocate command entry"},
		{Level: 4, Message: "eth7: not of a SmartNIC's driver"},
		{Level: 4, Message: "WARNING: CPU: 1 PID: 9 at net/core/dev.c:1 f+0x1/0x2"},
		{Level: 4, Message: "Call Trace:"},
		{Level: 4, Message: "---[ end trace 0000000000000000 ]---"},
		{Level: 4, Message: "bond0: (slave eth0): link status definitely down"},
		{Level: 1, Message: "BUG: kernel NULL pointer dereference, address: 0000000000000008"},
		{Level: 1, User: true, Message: "BUG: a process said so"},
		{Level: 4, Message: "Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI"},
	} {
		c.record(r)
	}
	want := Said{
		Bugs: []string{
			"WARNING: CPU: 1 PID: 9 at net/core/dev.c:1 f+0x1/0x2\nCall Trace:\n---[ end trace 0000000000000000 ]---",
			"BUG: kernel NULL pointer dereference, address: 0000000000000008",
			"Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI",
		},
		Warnings: []Warning{
			{"mlx5_core 0000:3b:00.0: cmd_work_handler:877:(pid 12): failed to allocate command entry", 2},
			{"bond0: (slave eth0): link status definitely down", 1},
		},
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	lines := []string{
		"an error of the kernel itself: WARNING: CPU: 1 PID: 9 at net/core/dev.c:1 f+0x1/0x2 (2 more lines in dmesg)",
		"an error of the kernel itself: BUG: kernel NULL pointer dereference, address: 0000000000000008",
		"an error of the kernel itself: Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI",
		"mlx5_core 0000:3b:00.0: cmd_work_handler:877:(pid 12): failed to allocate command entry (2 times, but for numbers)",
		"bond0: (slave eth0): link status definitely down",
	}
	if d := cmp.Diff(lines, s.Lines()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// A driver that says a thousand things, or has a thousand bugs, fills no document.
func TestWhatIsKeptIsBounded(t *testing.T) {
	var s Said
	c := collector{said: &s}
	for n := range 1000 {
		c.record(kernellog.Record{Level: 4, Message: fmt.Sprintf("WARNING: CPU: %d PID: 9 at f", n)})
		c.record(kernellog.Record{Level: 4, Message: "---[ end trace"})
		c.record(kernellog.Record{Level: 3, Message: "mlx5_core: " + string(rune('a'+n%26)) + string(rune('a'+n/26))})
	}
	if len(s.Bugs) != most || len(s.Warnings) != most {
		t.Errorf("%d reports and %d warnings", len(s.Bugs), len(s.Warnings))
	}
}

func TestReporters(t *testing.T) {
	before := map[string]devlink.Reporter{
		"same": {Healthy: true, Errors: 2, Recoveries: 2}, "worse": {Healthy: true, Errors: 1, Recoveries: 1}, "made anew": {Healthy: true, Errors: 9, Recoveries: 9},
	}
	now := map[string]devlink.Reporter{
		"same": {Healthy: true, Errors: 2, Recoveries: 2}, "worse": {Errors: 3, Recoveries: 2}, "made anew": {Healthy: true, Errors: 1, Recoveries: 1},
		"new": {Healthy: true, Errors: 1, Recoveries: 1},
	}
	want := []Reporter{{"made anew", true, 1, 1}, {"new", true, 1, 1}, {"worse", false, 2, 1}}
	if d := cmp.Diff(want, moved(before, now)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if said := (Said{Reporters: want}); said.Quiet() || !(Said{}).Quiet() {
		t.Error("Quiet is wrong")
	}
}
