// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/viper"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/provision/confirm"
	"github.com/nicwright/nicwright/provision/journal"
)

// The test binary is the watchdog where its arguments say so.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "confirm" && os.Args[2] == "--watch" {
		os.Exit(run(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// The command line that is made for a watchdog makes one, that sees that it is confirmed.
func TestTheDetachedWatchdogIsArmedAndSeesTheConfirmation(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the verbs want root")
	}
	p := place{t, t.TempDir(), t.TempDir()}
	p.applied(time.Hour)
	s, err := (&app{settings: newSettings(p.run, p.state)}).watchdog()
	if err != nil {
		t.Fatal(err)
	}
	s.Systemd = "/nonexistent"
	if err := confirm.Arm(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if there, err := confirm.Armed(p.run); err != nil || !there {
		t.Fatalf("it is there: %v, %v", there, err)
	}
	if _, err := p.ran("confirm"); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(p.run, "confirm.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil { // when it has ended
		t.Fatal(err)
	}
	if log, err := os.ReadFile(confirm.LogPath(p.run)); err != nil || len(log) > 0 {
		t.Errorf("it said %q, %v", log, err)
	}
}

// place is a host with a journal, over which a watchdog (this test) watches.
type place struct {
	t          *testing.T
	state, run string
}

func newPlace(t *testing.T) place {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the verbs want root")
	}
	p := place{t, t.TempDir(), t.TempDir()}
	f, err := os.Create(filepath.Join(p.run, "confirm.lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p place) ran(args ...string) (string, error) {
	p.t.Helper()
	var out strings.Builder
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(append(args, "--state-dir", p.state, "--run-dir", p.run, "--config-dir", p.t.TempDir()))
	err := root.ExecuteContext(p.t.Context())
	return out.String(), err
}

func (p place) applied(left time.Duration) *journal.Operation {
	p.t.Helper()
	d := journal.Dir(p.state)
	o := &journal.Operation{Kind: journal.Apply, Profile: journal.Profile{Name: "rack7"}, Confirm: &journal.Confirm{Within: journal.Seconds(time.Minute)}}
	if err := errors.Join(d.Begin(o, nil), d.End(o, nil, nil), d.SetDeadline(o, time.Now().Add(left-time.Minute))); err != nil {
		p.t.Fatal(err)
	}
	return o
}

func TestConfirm(t *testing.T) {
	p := newPlace(t)
	if _, err := p.ran("confirm"); err == nil || !strings.Contains(err.Error(), "nothing to confirm") {
		t.Errorf("of an empty journal: %v", err)
	}
	o := p.applied(time.Hour)
	if out, err := p.ran("history"); err != nil || !strings.Contains(out, "in force, goes back at ") {
		t.Errorf("history: %q, %v", out, err)
	}
	if out, err := p.ran("confirm", o.ID[:10]); err != nil || !strings.Contains(out, o.ID) || !strings.Contains(out, "stays") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := p.ran("history"); err != nil || !strings.HasSuffix(strings.TrimSpace(out), "  in force") {
		t.Errorf("history: %q, %v", out, err)
	}
	if _, err := p.ran("confirm"); err == nil || !strings.Contains(err.Error(), "was confirmed at") {
		t.Errorf("once more: %v", err)
	}
}

func TestConfirmTooLate(t *testing.T) {
	p := newPlace(t)
	o := p.applied(-time.Second)
	if _, err := p.ran("confirm"); err == nil || !strings.Contains(err.Error(), "too late") || !strings.Contains(err.Error(), o.ID) {
		t.Errorf("%v", err)
	}
	ops, err := journal.Dir(p.state).List()
	if err != nil || ops[0].Confirm.Confirmed != nil {
		t.Errorf("it was confirmed: %+v, %v", ops[0].Confirm, err)
	}
}

func TestTheWatchdogEndsWhereNothingWaits(t *testing.T) {
	p := newPlace(t)
	p.applied(time.Hour)
	if _, err := p.ran("confirm", "--watch"); err != nil { // another watches
		t.Error(err)
	}
	p = place{t, t.TempDir(), filepath.Join(t.TempDir(), "run")}
	if _, err := p.ran("confirm", "--watch"); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(p.run); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v, %v", st, err)
	}
}

func newSettings(run, state string) *viper.Viper {
	v := viper.New()
	v.Set("run-dir", run)
	v.Set("state-dir", state)
	v.Set("config-dir", state)
	return v
}

func TestWrongFlagsOfApply(t *testing.T) {
	for _, args := range [][]string{
		{"--confirm", "0s"},
		{"--confirm", "4s"},
		{"--confirm", "25h"},
		{"--confirm", "x"},
		{"--probe", "gateway"},
		{"--probe-lost", "3s"},
		{"--confirm", "2m", "--probe-lost", "3s"},
		{"--confirm", "2m", "--probe", "a b"},
		{"--confirm", "2m", "--probe", "gateway", "--probe-lost", "1ms"},
		{"--confirm", "2m", "--at-boot"},
	} {
		_, err := ran(t, append([]string{"apply", "-p", "vm-host"}, args...)...)
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage {
			t.Errorf("%v gave %v", args, err)
		}
	}
}

func TestPeerIn(t *testing.T) {
	for env, want := range map[string]netip.Addr{
		"A=1\x00SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22\x00": netip.MustParseAddr("192.0.2.7"),
		"SSH_CONNECTION=fe80::7%eth0 50000 fe80::1%eth0 22":      netip.MustParseAddr("fe80::7%eth0"),
		"SSH_CONNECTION=::ffff:192.0.2.7 1 ::ffff:192.0.2.1 22":  netip.MustParseAddr("192.0.2.7"),
		"SSH_CONNECTION=UNKNOWN 65535 UNKNOWN 65535":             {},
		"XSSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22":           {},
		"": {},
	} {
		if got := peerIn(env); got != want {
			t.Errorf("%q: %v", env, got)
		}
	}
}

func FuzzPeerIn(f *testing.F) {
	f.Add("A=1\x00SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22\x00", "Name:\tsh\nPPid:\t7\n")
	f.Fuzz(func(t *testing.T, env, status string) {
		if a := peerIn(env); a.IsValid() && !strings.Contains(env, "SSH_CONNECTION=") {
			t.Errorf("%q has the peer %v", env, a)
		}
		if parentIn(status) != 0 && !strings.Contains(status, "PPid:") {
			t.Errorf("%q has a parent", status)
		}
	})
}

// sudo's environment has no SSH_CONNECTION; that of the shell above it has.
func TestSSHPeerIsFoundAboveSudo(t *testing.T) {
	proc := t.TempDir()
	process := func(pid, parent, env string) {
		t.Helper()
		dir := filepath.Join(proc, pid)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "environ"), []byte(env), 0o600),
			os.WriteFile(filepath.Join(dir, "status"), []byte("Name:\tx\nPPid:\t"+parent+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	process("30", "20", "SUDO_USER=a\x00")
	process("20", "10", "PATH=/bin\x00SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22\x00")
	process("10", "1", "")
	process("40", "10", "")
	process("50", "50", "") // never of a kernel: it ends all the same
	if got := sshPeer(proc, 30); got != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("below sudo: %v", got)
	}
	for _, pid := range []int{40, 50, 60, 1} {
		if got := sshPeer(proc, pid); got.IsValid() {
			t.Errorf("of %d: %v", pid, got)
		}
	}
}
