// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/systemd"
	"github.com/nicwright/nicwright/provision/compare"
	"github.com/nicwright/nicwright/provision/install"
	"github.com/nicwright/nicwright/provision/rehearse"
	"github.com/nicwright/nicwright/provision/trial"
)

// Hooks are called for more than installations, and in images that are being made.
func TestWhenAHookHasNothingToDo(t *testing.T) {
	for _, tt := range []struct {
		name, params string
		booted       error
		want         string
	}{
		{"before", "", nil, ""},
		{"before", "install", nil, ""},
		{"before", "upgrade 6.12.1-1 6.12.2-1", nil, ""},
		{"before", "'upgrade' '6.12.1-1'", nil, ""},
		{"before", "abort-upgrade 6.12.2-1", nil, "dpkg is at abort-upgrade"},
		{"after", "configure 6.12.1-1", nil, ""},
		{"after", "'configure' ''", nil, ""},
		{"after", "abort-remove", nil, "dpkg is at abort-remove"},
		{"after", "configure", systemd.ErrNotBooted, "systemd does not run here, so no trial can be: an image is being made"},
	} {
		if got := notNow(tt.name, tt.params, tt.booted); got != tt.want {
			t.Errorf("%s, %q, %v: %q, want %q", tt.name, tt.params, tt.booted, got, tt.want)
		}
	}
}

// No hook fails, whatever it is called with. (What is no release, so that nothing is done to the host of the test.)
func TestHooksEndWell(t *testing.T) {
	for _, args := range [][]string{{"kernel-check", "before", "../x"}, {"kernel-check", "after", "../x"}, {"kernel-check", "after", ""}} {
		if _, err := ran(t, args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestFallBackGoesWithKernelChecks(t *testing.T) {
	_, err := below(t, t.TempDir(), "install", "-p", "vm-host", "--binary", "/usr/bin/nicwright", "--fall-back")
	var status exitStatus
	if !errors.As(err, &status) || status.code != exitUsage {
		t.Errorf("%v", err)
	}
	root := t.TempDir()
	out, err := below(t, root, "install", "-p", "vm-host", "--binary", "/usr/bin/nicwright", "--kernel-checks", "--fall-back", "--print")
	if err != nil || !strings.Contains(out, "kernel-check judge --fall-back") || !strings.Contains(out, "neither dpkg nor kernel-install is here") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/dpkg"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err = below(t, root, "install", "-p", "vm-host", "--binary", "/usr/bin/nicwright", "--kernel-checks", "--print")
	if err != nil || !strings.Contains(out, "==> /etc/kernel/postinst.d/zzz-nicwright (0755)\n#!/bin/sh\n"+install.Mark) || strings.Contains(out, "note: neither") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHowTheUnitOfTheProfileIs(t *testing.T) {
	for _, tt := range []struct {
		r    install.Running
		want trial.Unit
	}{
		{install.Running{Load: "loaded", Active: "active", Says: "all is well"}, trial.Unit{Active: true, Words: "nicwright.service is active: all is well"}},
		{install.Running{Load: "loaded", Active: "failed", Status: 1, Says: "no card"}, trial.Unit{Words: "nicwright.service is failed: no card"}},
		{install.Running{Load: "loaded", Active: "failed", Status: exitBack}, trial.Unit{Unconfirmed: true, Words: "nicwright.service is failed"}},
		{install.Running{Load: "not-found", Active: "inactive"}, trial.Unit{Words: "nicwright.service: not-found"}},
	} {
		if got := unitOf(tt.r); got != tt.want {
			t.Errorf("%+v: %+v", tt.r, got)
		}
	}
}

func TestStatusTellsOfKernels(t *testing.T) {
	dir := trial.Dir(t.TempDir())
	boot := trial.Boot{Root: t.TempDir()}
	if got, err := kernelsOf(dir, boot, "6.12"); got != nil || err != nil {
		t.Errorf("of nothing: %+v, %v", got, err)
	}
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	if err := dir.Update(func(s *trial.State) error {
		s.Recorded("6.12", now)
		r := s.Register("7.3", "boot", nil, now)
		r.Loader = &trial.Loader{New: "a", Old: "b"}
		r.Problems = []string{"it is not rehearsed: why\nmore"}
		r.Rehearsal = &trial.Rehearsal{Begun: now, Ended: &now, Words: "it will go"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s := hostStatus{}
	s.kernels(kernelsOf(dir, boot, "6.12"))
	var b strings.Builder
	a := &app{out: &b, settings: newSettings(t.TempDir(), t.TempDir())}
	if err := a.printStatus(s, now); err != nil {
		t.Fatal(err)
	}
	want := `installed  nothing comes up at boot (nicwright install)
in force   nothing
kernels    kernel 7.3 on trial since 2026-11-29 12:00:00: it waits to be booted; GRUB tries it once
           to do: reboot
           rehearsal: it will go
           it is not rehearsed: why
`
	if got := ansi.Strip(b.String()); got != want {
		t.Errorf("%s", got)
	}
	if notes := leftWithGRUB(s.Kernels); len(notes) != 1 || !strings.Contains(notes[0], "grub-set-default 'a'") {
		t.Errorf("when trials are no more: %q", notes)
	}
	for _, how := range []trial.How{trial.IsGreen, trial.WasAccepted} {
		if notes := leftWithGRUB(&trial.Status{Trial: s.Kernels.Trial, How: how}); notes != nil {
			t.Errorf("%s: %q", how, notes)
		}
	}
	// A menu that cannot be read is told, and the trial all the same; a document that cannot be read is told.
	if err := os.MkdirAll(filepath.Join(boot.Root, "boot/grub/grub.cfg"), 0o755); err != nil {
		t.Fatal(err)
	}
	s = hostStatus{}
	s.kernels(kernelsOf(dir, boot, "6.12"))
	if s.Kernels == nil || len(s.Unknown) != 1 || !strings.Contains(s.Unknown[0], "GRUB has tried kernel 7.3") {
		t.Errorf("%+v", s)
	}
	if err := os.WriteFile(filepath.Join(string(dir), "trial.json"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = hostStatus{}
	s.kernels(kernelsOf(dir, boot, "6.12"))
	if s.Kernels != nil || len(s.Unknown) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsKeptOfARehearsal(t *testing.T) {
	r, text := rehearsed(nil, errors.New("no headers\nmore"))
	if text != nil || r.Words != "not rehearsed: no headers" || r.Verdict != "" {
		t.Errorf("%+v, %s", r, text)
	}
	j := &rehearse.Judgement{Verdict: rehearse.WillNot, Kernel: "7.3", Against: "6.12", Profile: "small", Why: []string{"why"}, Comparison: &compare.Comparison{}}
	r, text = rehearsed(j, nil)
	if r.Verdict != "will not" || !strings.Contains(r.Words, "with 7.3 your profile will not go (small): why") || !strings.Contains(string(text), r.Words) {
		t.Errorf("%+v, %s", r, text)
	}
}

// A package manager that is at work is waited for, and one that is not there is not.
func TestThePackageManagerIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := untilPackages(t.Context(), []string{path}); err != nil {
		t.Errorf("none is there: %v", err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() { done <- untilPackages(ctx, []string{path}) }()
	select {
	case err := <-done:
		t.Fatalf("it was not waited for: %v", err)
	default:
	}
	lock.Type = unix.F_UNLCK
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	lock.Type = unix.F_WRLCK
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lock); err != nil {
		t.Fatalf("it kept the lock: %v", err)
	}
	errOver := errors.New("over")
	stop(errOver)
	if err := untilPackages(ctx, []string{path}); !errors.Is(err, errOver) {
		t.Errorf("it is waited for, for ever: %v", err)
	}
	lock.Type = unix.F_UNLCK
	_ = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
}

func TestBootableAreTheKernelsOfTheHost(t *testing.T) {
	all, err := bootable()
	if err != nil || slices.Contains(all, "") {
		t.Errorf("%q, %v", all, err)
	}
}
