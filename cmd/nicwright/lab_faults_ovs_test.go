// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const journalDir = "/var/lib/nicwright/operations"

// Open vSwitch's daemons are stopped, killed and come back in the middle of an apply and of a rollback.
func TestOpenVSwitchFaults(t *testing.T) {
	needLab(t)
	script(t, "reset")
	t.Cleanup(func() { script(t, "reset") })
	profile := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", profile) // its offload, once on, stays on
	remove(t, profile)
	before := dump(t)
	expect(t, exitDone, "apply", "-p", profile)
	after := dump(t)
	remove(t, profile)

	for _, c := range []struct {
		daemon, what string
		choice       bool // make test has it
	}{
		{"ovsdb-server", "killed", true},
		{"ovsdb-server", "killed and started", false},
		{"ovsdb-server", "stopped", false},
		{"ovsdb-server", "stopped for a while", false},
		{"ovs-vswitchd", "killed", false},
		{"ovs-vswitchd", "killed and started", true},
		{"ovs-vswitchd", "stopped", false},
		{"ovs-vswitchd", "stopped for a while", false},
	} {
		if os.Getenv("NICWRIGHT_FAULTS") == "" && !c.choice {
			continue
		}
		t.Run(c.daemon+" is "+c.what, func(t *testing.T) {
			d := running(t, c.daemon)
			mend := func() {}
			fault := func() {
				switch c.what {
				case "killed":
					d.kill(t)
					mend = func() { d.start(t) }
				case "killed and started":
					d.kill(t)
					d.start(t)
				case "stopped":
					d.signal(t, syscall.SIGSTOP)
					mend = func() { d.signal(t, syscall.SIGCONT) }
				case "stopped for a while":
					d.signal(t, syscall.SIGSTOP)
					ended := make(chan struct{})
					time.AfterFunc(3*time.Second, func() { d.signal(t, syscall.SIGCONT); close(ended) })
					mend = func() { <-ended }
				}
			}
			during := func(args ...string) {
				t.Helper()
				mend = func() {}
				start := time.Now()
				r := inTheMiddle(t, fault, args...)
				t.Logf("%s ended after %s with %d: %s", args[0], time.Since(start).Round(time.Second/10), r.code, r.stderr)
				mend()
				if r.code != exitDone && (r.code != exitError || !strings.Contains(r.stderr, "systemctl")) {
					t.Errorf("%s exited %d and does not say what to do: %s%s", args[0], r.code, r.stdout, r.stderr)
				}
				if strings.Contains(r.stderr, "goroutine ") {
					t.Errorf("it panics: %s", r.stderr)
				}
			}
			during("apply", "-p", profile)
			expect(t, exitDone, "apply", "-p", profile)
			if r := expect(t, exitDone, "apply", "-p", profile); !strings.Contains(r.stdout, "nothing to do") {
				t.Errorf("the apply after the one that mends has work to do:\n%s", r.stdout)
			}
			assertSame(t, "the apply that mends", after)
			during("rollback")
			if lastOperation(t) != "rollback done" {
				expect(t, exitDone, "rollback")
			}
			assertSame(t, "the rollback", before)
		})
	}
}

// inTheMiddle runs nicwright and does act when its operation is in the journal, before it changes anything.
func inTheMiddle(t *testing.T, act func(), args ...string) result {
	t.Helper()
	return inTheMiddleOf(t, journalDir, act, args...)
}

func inTheMiddleOf(t *testing.T, journal string, act func(), args ...string) result {
	t.Helper()
	had := len(operations(t, journal))
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nicwright", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for len(operations(t, journal)) == had {
		select {
		case err := <-ended:
			t.Fatalf("nicwright %v ended before it began, with %v: %s%s", args, err, out.String(), errs.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	act()
	err := <-ended
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("nicwright %v: %v", args, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("nicwright %v took more than %v:\n%s", args, hangs, errs.String())
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func operations(t *testing.T, journal string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(journal, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ovsDaemon is one of Open vSwitch's that runs.
type ovsDaemon struct {
	name string
	pid  int
	args []string // as it was started
}

func running(t *testing.T, name string) *ovsDaemon {
	t.Helper()
	d := &ovsDaemon{name: name}
	d.look(t)
	args, err := os.ReadFile("/proc/" + strconv.Itoa(d.pid) + "/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	d.args = strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")
	return d
}

func (d *ovsDaemon) look(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile("/run/openvswitch/" + d.name + ".pid")
	if err == nil {
		d.pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	if err != nil {
		t.Fatalf("%s does not run: %v", d.name, err)
	}
}

func (d *ovsDaemon) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(d.pid, s); err != nil {
		t.Errorf("%s to %s: %v", s, d.name, err)
	}
}

func (d *ovsDaemon) kill(t *testing.T) {
	t.Helper()
	d.signal(t, syscall.SIGKILL)
	for exists("/proc/" + strconv.Itoa(d.pid)) {
		time.Sleep(5 * time.Millisecond)
	}
}

func (d *ovsDaemon) start(t *testing.T) {
	t.Helper()
	witness(t, d.args[0], d.args[1:]...)
	d.look(t)
}
