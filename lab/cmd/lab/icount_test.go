// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

// TestCountedProgramsAskNothingOfTheHost counts what a second run of some programs asks the host for: while the machine
// waits for that, a clock of instructions jumps, and tells how busy the host is. A listing of a directory does ask.
func TestCountedProgramsAskNothingOfTheHost(t *testing.T) {
	const script = `
trace=/sys/kernel/tracing
work() { cat /proc/version; ip -j link show lo | jq .; sed p /etc/passwd; openssl version; modprobe -n tls; }
work >/dev/null
: >$trace/trace
echo 1 >$trace/events/9p/9p_client_req/enable
work >/dev/null
echo 0 >$trace/events/9p/9p_client_req/enable
awk '/9p_client_req:/ { n++; print > "/dev/stderr" } END { print n + 0 }' $trace/trace`
	stdout, stderr, status := runLab(t, "", "run", "--icount", "--boot-limit", "5m", "--time-limit", "10m", "--", "bash", "-ec", script)
	if status != 0 || stdout != "0\n" {
		t.Errorf("status %d, %s requests:\n%s", status, stdout, stderr)
	}
	if stdout, stderr, status = runLab(t, "", "run", "--time-limit", "5m", "--", "bash", "-ec", script); status != 0 || stdout == "0\n" {
		t.Errorf("without --icount, where the programs are the host's: status %d, %s requests; this test sees none:\n%s", status, stdout, stderr)
	}
}
