// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The journal's file system becomes read-only, or full, before an apply and in the middle of it.
func TestJournalFaults(t *testing.T) {
	needLab(t)
	script(t, "reset")
	t.Cleanup(func() { script(t, "reset") })
	profile := filepath.Join("testdata", "small.yaml")
	dir := t.TempDir()
	witness(t, "mount", "-t", "tmpfs", "-o", "size=1m", "none", dir)
	t.Cleanup(func() { _ = exec.CommandContext(context.WithoutCancel(t.Context()), "umount", dir).Run() })
	args := func(verb string) []string { return []string{verb, "-p", profile, "--state-dir", dir} }
	expect(t, exitDone, args("apply")...)
	expect(t, exitDone, args("remove")...)
	before := dump(t)

	fill, journal := filepath.Join(dir, "fill"), filepath.Join(dir, "operations")
	for _, c := range []struct {
		name, says   string
		begins, ends func(t *testing.T)
	}{
		{
			"read-only", "read-only file system",
			// What has a file open for writing, as the disk of a real host always has, can only be mounted read-only over.
			func(t *testing.T) {
				witness(t, "mount", "--bind", journal, journal)
				witness(t, "mount", "-o", "remount,bind,ro", journal)
			},
			func(t *testing.T) { witness(t, "umount", journal) },
		},
		{
			"full", "no space left on device",
			func(t *testing.T) {
				if err := os.WriteFile(fill, make([]byte, 2<<20), 0o600); err == nil {
					t.Fatal("the file system is not full")
				}
			},
			func(t *testing.T) {
				if err := os.Remove(fill); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			says := func(r result, also ...string) {
				t.Helper()
				for _, want := range append(also, c.says, "--state-dir") {
					if r.code != exitError || !strings.Contains(r.stderr, want) {
						t.Errorf("it exited %d and does not say %q: %s%s", r.code, want, r.stdout, r.stderr)
					}
				}
			}
			c.begins(t)
			says(command(t, "nicwright", args("apply")...), "nothing on the host was changed")
			assertSame(t, "an apply that cannot write down what it does", before)
			c.ends(t)
			says(inTheMiddleOf(t, journal, func() { c.begins(t) }, args("apply")...))
			c.ends(t)
			expect(t, exitDone, args("apply")...)
			if r := expect(t, exitDone, args("apply")...); !strings.Contains(r.stdout, "nothing to do") {
				t.Errorf("the second apply has work to do:\n%s", r.stdout)
			}
			assertHost(t, 2, func(int) string { return "100" })
			says(inTheMiddleOf(t, journal, func() { c.begins(t) }, args("remove")...))
			c.ends(t)
			expect(t, exitDone, args("remove")...)
			assertSame(t, "the removal", before)
		})
	}
}

// More events than a socket holds come while watch does not read them: it knows that it lost some, and looks again.
func TestWatchLosesEvents(t *testing.T) {
	needLab(t)
	script(t, "reset")
	small := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", small)
	t.Cleanup(func() { script(t, "reset") })
	witness(t, "ip", "link", "add", "flood0", "type", "dummy")
	metrics := filepath.Join(t.TempDir(), "nicwright.prom")
	next := startWatch(t, "--textfile", metrics)
	next("what is in force", func(w watched) bool { return w.Event == "watching" })
	pid := strings.TrimSpace(witness(t, "pgrep", "-x", "-f", "nicwright watch --textfile "+metrics))
	witness(t, "kill", "-STOP", pid)
	batch(t, 6000, func(i int) string { return fmt.Sprintf("link set flood0 mtu %d", 1000+i%2) })
	witness(t, "ip", "link", "set", "bond0", "down") // its event is lost
	witness(t, "kill", "-CONT", pid)
	next("the bond that is down", func(w watched) bool { return w.Event == "began" && w.Resource == "bond/bond0" && w.Attribute == "up" })
	witness(t, "ip", "link", "set", "bond0", "up")
	next("the bond that is up", func(w watched) bool { return w.Event == "ended" && w.Resource == "bond/bond0" && w.Attribute == "up" })
	b, err := os.ReadFile(metrics)
	if err != nil || !regexp.MustCompile(`(?m)^nicwright_watch_events_lost_total\{source="[a-z]+"\} [1-9]`).Match(b) {
		t.Errorf("no event is told to be lost: %v\n%s", err, b)
	}
	remove(t, small)
}

// batch has ip do n commands.
func batch(t *testing.T, n int, command func(i int) string) {
	t.Helper()
	var all strings.Builder
	for i := range n {
		fmt.Fprintln(&all, command(i))
	}
	file := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	witness(t, "ip", "-batch", file)
}

// Netdevs come and go all the time, so that the kernel interrupts dumps: what is seen is whole, and it ends.
func TestInterruptedDumps(t *testing.T) {
	needLab(t)
	script(t, "reset")
	t.Cleanup(func() { script(t, "reset") })
	profile := filepath.Join("testdata", "small.yaml")
	batch(t, 100, func(i int) string { return fmt.Sprintf("link add many%d type dummy", i) }) // a dump of many messages
	expect(t, exitDone, "apply", "-p", profile)
	churn := exec.CommandContext(t.Context(), "sh", "-c", "while :; do ip link add churn0 type dummy; ip addr add 192.0.2.1/24 dev churn0; ip link del churn0; done")
	churn.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := churn.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = syscall.Kill(-churn.Process.Pid, syscall.SIGKILL)
		_ = churn.Wait()
		_ = exec.CommandContext(context.WithoutCancel(t.Context()), "ip", "link", "del", "churn0").Run()
	})
	t.Cleanup(end)
	for range 3 {
		start := time.Now()
		if r := expect(t, exitDone, "apply", "-p", profile); !strings.Contains(r.stdout, "nothing to do") {
			t.Errorf("it sees what is not so:\n%s", r.stdout)
		}
		t.Logf("a look took %s", time.Since(start).Round(time.Second/10))
	}
	expect(t, exitDone, "remove", "-p", profile)
	expect(t, exitDone, "apply", "-p", profile)
	end()
	assertHost(t, 2, func(int) string { return "100" })
	remove(t, profile)
}
