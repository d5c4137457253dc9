// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mostWatch is what watch may take of memory, in kB, whatever happens.
const mostWatch = 40_000

// watchPID is the process of the watch that this test has started.
func watchPID(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(witness(t, "pgrep", "--parent", strconv.Itoa(os.Getpid()), "--full", "nicwright watch")))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// metric is the value of a series of the watch that listens there.
func metric(t *testing.T, address, series string) float64 {
	t.Helper()
	r, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(text)
	if err != nil || m == nil {
		t.Fatalf("the metrics lack %s: %v\n%s", series, err, text)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// drops are the messages that netlink sockets of this machine did not get, for their buffers were full.
func drops(t *testing.T) (n int) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(witness(t, "cat", "/proc/net/netlink")), "\n")[1:] {
		f := strings.Fields(line) // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		d, err := strconv.Atoi(f[8])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		n += d
	}
	return n
}

// A drift in a storm of link events is told; so is one whose event the kernel threw away with thousands of others,
// because nobody read them; and watch stays small with all VFs that the card has.
func TestWatchInAStorm(t *testing.T) {
	needLab(t)
	vfs := strings.TrimSpace(witness(t, "cat", "/sys/bus/pci/devices/"+pfs[0]+"/sriov_totalvfs"))
	small := filepath.Join("testdata", "small.yaml")
	set := func(verb ...string) []string {
		return append(verb, "-p", small, "--set", "cards.nic0.ports.p0.vfs="+vfs, "--set", "cards.nic0.ports.p1.vfs="+vfs)
	}
	expect(t, exitDone, set("apply")...)
	witness(t, "ip", "link", "add", "storm", "type", "dummy")
	defer witness(t, "ip", "link", "del", "storm")
	var events strings.Builder
	const perBatch = 2000
	for i := range perBatch {
		fmt.Fprintf(&events, "link set storm mtu %d\n", 1400+i%2)
	}
	batch := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(batch, []byte(events.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	const address = "127.0.0.1:9797"
	next := startWatch(t, "--listen", address)
	next("what is in force", func(w watched) bool { return w.Event == "watching" })
	bond := func(event string) func(watched) bool {
		return func(w watched) bool { return w.Event == event && w.Resource == "bond/bond0" && w.Attribute == "up" }
	}
	seen := func(what string) float64 {
		return metric(t, address, `nicwright_watch_events_`+what+`{source="links"}`)
	}
	before := seen("total")

	storm := exec.CommandContext(t.Context(), "ip", "-batch", batch)
	if err := storm.Start(); err != nil {
		t.Fatal(err)
	}
	witness(t, "ip", "link", "set", "bond0", "down")
	next("the bond's drift in a storm", bond("began"))
	if err := storm.Wait(); err != nil {
		t.Fatal(err)
	}
	witness(t, "ip", "link", "set", "bond0", "up")
	next("its end", bond("ended"))
	for late := time.Now().Add(time.Minute); seen("total")-before < perBatch && seen("lost_total") == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("of %d events it has counted %.0f, and lost none", perBatch, seen("total")-before)
		}
	}
	t.Logf("of the storm's events it has read %.0f, and overran %.0f times", seen("total")-before, seen("lost_total"))

	// Stopped, it reads nothing: what comes is more than the socket's buffer holds, and then the drift.
	pid, lost := watchPID(t), seen("lost_total")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	overran := drops(t)
	for range 20 {
		witness(t, "ip", "-batch", batch)
		if drops(t) > overran {
			break
		}
	}
	witness(t, "ip", "link", "set", "bond0", "down")
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	next("the drift whose event was lost", bond("began"))
	if now := seen("lost_total"); now <= lost {
		t.Errorf("no events were lost (%.0f, before %.0f): this proves nothing", now, lost)
	}
	witness(t, "ip", "link", "set", "bond0", "up")
	next("its end", bond("ended"))

	status := witness(t, "cat", fmt.Sprintf("/proc/%d/status", pid))
	most := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(status)
	if most == nil {
		t.Fatalf("its memory is not in\n%s", status)
	}
	t.Logf("with 2 x %s VFs it has taken %s kB at most, and takes now %s", vfs, most[1], strings.Join(regexp.MustCompile(`Rss\w+:\s+\d+ kB`).FindAllString(status, -1), ", "))
	if n, _ := strconv.Atoi(most[1]); n > mostWatch {
		t.Errorf("it has taken %d kB, want %d at most", n, mostWatch)
	}
	expect(t, exitDone, set("remove")...)
	assertBare(t)
}
