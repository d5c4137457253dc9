// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nicwright/nicwright/lab/internal/guest"
	"github.com/nicwright/nicwright/lab/internal/vm"
	"github.com/nicwright/nicwright/lab/internal/wire"
)

func buildVerb(ctx context.Context, args []string) (int, error) {
	var f flags
	fs := newFlags("build", "[flags]", &f)
	fs.BoolVar(&f.noModules, "no-modules", false, "the root and the kernel alone, and none of the lab's modules for it")
	fs.BoolVar(&f.selftests, "selftests", false, "the root of run --selftests and the kernel's self-tests as well")
	rest, err := parse(fs, args)
	if err != nil {
		return vm.StatusLab, err
	}
	if len(rest) != 0 {
		return vm.StatusLab, usageError{fmt.Errorf("build takes no arguments, but was given %q", rest)}
	}
	l, err := open(&f)
	if err != nil {
		return vm.StatusLab, err
	}
	defer l.close()
	f.fetchTests = f.selftests
	l.say = l.warn // a build is what was asked for: tell what is built
	parts, err := l.build(ctx, true)
	if err != nil {
		return vm.StatusLab, err
	}
	fmt.Printf("root     %s\nkernel   %s (%s)\n", parts.root, parts.kernel.Dir, parts.kernel.Release)
	if parts.tests != "" {
		fmt.Printf("larger   %s\ntests    %s\n", parts.larger, parts.tests)
	}
	for _, m := range parts.modules {
		fmt.Printf("module   %s\n", m)
	}
	return 0, nil
}

func runVerb(ctx context.Context, args []string) (int, error) {
	f := flags{timeLimit: 5 * time.Minute}
	fs := newFlags("run", "[flags] -- COMMAND ARG...", &f)
	machineFlags(fs, &f)
	rest, err := parse(fs, args)
	if err != nil {
		return vm.StatusLab, err
	}
	if len(rest) == 0 {
		return vm.StatusLab, usageError{errors.New("no command to run")}
	}
	env := append(baseEnv(&f), f.env...)
	return boot(ctx, &f, nil, wire.Request{Args: rest, Dir: "/root", Env: env})
}

// baseEnv is the environment of every command.
func baseEnv(f *flags) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LOGNAME=root",
		"SHELL=/bin/bash", "LANG=C.UTF-8", "TMPDIR=/tmp", "NICWRIGHT_IN_LAB=" + f.kernel,
	}
}

// hostOnly are the variables that mean something on the host only.
var hostOnly = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "MAIL", "LANG", "LANGUAGE", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_", "LAB_FLAGS",
	"HOSTNAME", "DISPLAY", "GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT", "GOENV", "GOPROXY", "GOFLAGS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS",
}

// hostPrefixes begin the names of variables of the host's session and locale.
var hostPrefixes = []string{"XDG_", "SSH_", "DBUS_", "LC_", "LD_", "SYSTEMD_", "SUDO_", "MAKE"}

// forMachine tells whether a variable of the host's is passed on to a test.
// What looks like a secret stays where it is.
func forMachine(kv string) bool {
	name, _, ok := strings.Cut(kv, "=")
	if !ok || slices.Contains(hostOnly, name) {
		return false
	}
	for _, p := range hostPrefixes {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	upper := strings.ToUpper(name)
	for _, s := range []string{"TOKEN", "SECRET", "PASSW", "CREDENTIAL", "API_KEY", "_PROXY"} {
		if strings.Contains(upper, s) {
			return false
		}
	}
	return true
}

// exitGrace is what a test binary has, beyond its own time limit, to boot in
// and to write down where it was stuck.
const exitGrace = 90 * time.Second

func execVerb(ctx context.Context, args []string) (int, error) {
	f := flags{timeLimit: 30 * time.Minute}
	fs := newFlags("exec", "[flags] TEST.BINARY ARG...", &f)
	machineFlags(fs, &f)
	fs.BoolVar(&f.writable, "writable", false, "tests may write to the module's directory on the host")
	rest, err := parse(fs, args)
	if err != nil {
		return vm.StatusLab, err
	}
	if len(rest) == 0 {
		return vm.StatusLab, usageError{errors.New("no test binary; it is to be used as: go test -exec \"lab exec\"")}
	}
	limitGiven := false
	for _, a := range slices.Concat(strings.Fields(os.Getenv("LAB_FLAGS")), args[:len(args)-len(rest)]) {
		limitGiven = limitGiven || strings.HasPrefix(strings.TrimLeft(a, "-"), "time-limit")
	}
	if t, ok := testTimeout(rest[1:]); ok && !limitGiven {
		f.timeLimit = t
	}
	binary, err := filepath.Abs(rest[0])
	if err != nil {
		return vm.StatusLab, fmt.Errorf("find the test binary: %w", err)
	}
	cwd, err := os.Getwd()
	if err != nil {
		return vm.StatusLab, fmt.Errorf("find the package's directory: %w", err)
	}
	env := baseEnv(&f)
	for _, kv := range os.Environ() {
		if forMachine(kv) {
			env = append(env, kv)
		}
	}
	env = append(append(env, "PWD="+cwd), f.env...)
	// The machine has what a test needs at the paths it has here: the binary's
	// directory, where go test puts coverage as well, and the module.
	shares := []share{{filepath.Dir(binary), filepath.Dir(binary), false}}
	module := moduleRoot(cwd)
	if !within(shares[0].host, module) {
		shares = append(shares, share{module, module, !f.writable})
	}
	if within(module, shares[0].host) {
		slices.Reverse(shares) // the outer one is mounted first
	}
	return boot(ctx, &f, shares, wire.Request{Args: append([]string{binary}, rest[1:]...), Dir: cwd, Env: env})
}

// testTimeout returns the time that go test lets a binary with these
// arguments live, with the grace added; 0 is for ever.
func testTimeout(args []string) (time.Duration, bool) {
	for _, a := range args {
		if v, ok := strings.CutPrefix(strings.TrimLeft(a, "-"), "test.timeout="); ok {
			d, err := time.ParseDuration(v)
			if err != nil {
				return 0, false
			}
			if d > 0 {
				d += exitGrace
			}
			return d, true
		}
	}
	return 0, false
}

// within tells whether path is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// moduleRoot is the nearest directory upwards that has a go.mod, or else dir.
func moduleRoot(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

// boot builds what is missing and runs the request.
func boot(ctx context.Context, f *flags, shares []share, req wire.Request) (int, error) {
	if err := f.checkTogether(); err != nil {
		return vm.StatusLab, err
	}
	for _, s := range f.shares {
		sh, err := parseShare(s)
		if err != nil {
			return vm.StatusLab, err
		}
		shares = append(shares, sh)
	}
	l, err := open(f)
	if err != nil {
		return vm.StatusLab, err
	}
	defer l.close()
	parts, err := l.build(ctx, f.card != nil)
	if err != nil {
		return vm.StatusLab, err
	}
	scratch, clean, err := l.cache.Scratch()
	if err != nil {
		return vm.StatusLab, err
	}
	defer clean()
	req.Early = f.early
	req.Card, req.OVS, req.Udev, req.Netdevsim, req.IGB = f.card, f.ovs, f.udev, f.netdevsim, f.igb
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	m := &vm.Machine{
		Kernel: parts.kernel, Root: cmp.Or(parts.larger, parts.root), Scratch: scratch, Modules: parts.modules, QEMU: parts.qemu, IOMMU: f.iommu,
		Memory: f.memory, CPUs: f.cpus, Icount: f.icount, Request: req, TimeLimit: f.timeLimit, BootLimit: f.bootLimit, AllowWarnings: f.allowWarnings,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: quit,
		Log: l.log, Warn: l.warn,
	}
	for _, s := range shares {
		m.Shares = append(m.Shares, vm.Share{Host: s.host, Guest: s.guest, ReadOnly: s.readOnly})
	}
	if parts.disk != nil {
		image := f.disk
		if image == "" {
			image = filepath.Join(scratch, "disk.img")
		}
		if err := parts.disk.Copy(ctx, image); err != nil {
			return vm.StatusLab, err
		}
		m.Disk = &vm.Disk{Image: image, Dir: parts.disk.Dir, Modules: parts.disk.Modules, Systemd: guest.Systemd{Late: int(f.cardAfter / time.Second)}}
	}
	if f.console {
		m.Console = os.Stderr
	}
	return m.Run(ctx)
}
