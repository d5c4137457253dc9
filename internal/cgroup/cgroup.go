// SPDX-License-Identifier: Apache-2.0

// Package cgroup makes control groups (cgroups(7), version 2) for programs that
// nicwright runs: to know what they cost, to bound it, and to end all of them. It
// knows nothing of what runs in there.
package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Root is where the hierarchy is mounted.
const Root = "/sys/fs/cgroup"

// period is that of a bound (cpu.max), in microseconds: the kernel's default.
const period = 100_000

// ErrNone is that no hierarchy of version 2 is mounted at [Root].
var ErrNone = errors.New("no cgroup of version 2 is mounted at " + Root + ": boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none " + Root)

// Group is a control group.
type Group struct{ dir string }

// Create makes a group below the root, by its name or path; one that is there is
// taken. Root; errors.Is(err, ErrNone).
func Create(name string) (Group, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(Root, &s); err != nil || s.Type != unix.CGROUP2_SUPER_MAGIC {
		return Group{}, ErrNone
	}
	g := Group{filepath.Join(Root, name)}
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return g, fmt.Errorf("making the cgroup %s: %w", name, err)
	}
	return g, nil
}

// Named is a group that may not be there.
func Named(name string) Group { return Group{filepath.Join(Root, name)} }

// Sub makes a group in this one.
func (g Group) Sub(name string) (Group, error) {
	sub := Group{filepath.Join(g.dir, name)}
	if err := os.Mkdir(sub.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return sub, fmt.Errorf("making the cgroup %s: %w", sub.dir, err)
	}
	return sub, nil
}

// Stat is what the processes of a group, that live or have lived, have used, in
// seconds (cpu.stat).
type Stat struct {
	Usage     float64 `json:"usage"`     // processor time
	User      float64 `json:"user"`      // of it, outside of the kernel
	Throttled float64 `json:"throttled"` // waited because of a bound
}

// StatFile is the file that ReadStat reads.
func (g Group) StatFile() string { return filepath.Join(g.dir, "cpu.stat") }

// ReadStat reads a cpu.stat.
func ReadStat(file string) (Stat, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Stat{}, fmt.Errorf("reading what a cgroup has used: %w", err)
	}
	return parseStat(b)
}

func parseStat(b []byte) (s Stat, err error) {
	seen := false
	for line := range bytes.Lines(b) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		var to *float64
		switch name {
		case "usage_usec":
			to, seen = &s.Usage, true
		case "user_usec":
			to = &s.User
		case "throttled_usec":
			to = &s.Throttled
		default:
			continue
		}
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return Stat{}, fmt.Errorf("reading what a cgroup has used (cpu.stat): %q: %w", line, err)
		}
		*to = float64(n) / 1e6
	}
	if !seen {
		return Stat{}, errors.New("reading what a cgroup has used (cpu.stat): it has no usage_usec")
	}
	return s, nil
}

// Since is what was used after an earlier look.
func (s Stat) Since(before Stat) Stat {
	return Stat{s.Usage - before.Usage, s.User - before.User, s.Throttled - before.Throttled}
}

// Bound lets the group use so many processors, 0.01 or more, on average over 0.1 s.
// Where the controller cpu is off for it, it is switched on, from the root down, and
// stays on: others may rely on it by the time that it could be switched off.
func (g Group) Bound(processors float64) error {
	fail := func(err error) error {
		return fmt.Errorf("bounding the cgroup %s to %v processors: %w", g.dir, processors, err)
	}
	for dir := Root; dir != g.dir; {
		control := filepath.Join(dir, "cgroup.subtree_control")
		b, err := os.ReadFile(control)
		if err == nil && !slices.Contains(strings.Fields(string(b)), "cpu") {
			err = put(control, "+cpu")
		}
		if err != nil {
			return fail(err)
		}
		rest, err := filepath.Rel(dir, g.dir)
		if err != nil {
			return fail(err)
		}
		next, _, _ := strings.Cut(rest, "/")
		dir = filepath.Join(dir, next)
	}
	if err := put(filepath.Join(g.dir, "cpu.max"), fmt.Sprintf("%d %d", int(processors*period), period)); err != nil {
		return fail(err)
	}
	return nil
}

// put writes an attribute.
func put(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// Open opens the group's directory, to start a process in it (CLONE_INTO_CGROUP).
func (g Group) Open() (*os.File, error) {
	f, err := os.Open(g.dir)
	if err != nil {
		return nil, fmt.Errorf("opening the cgroup %s: %w", g.dir, err)
	}
	return f, nil
}

// Remove kills all that is in the group and in those below, and removes them. That
// it is not there is no error. Linux 5.14 and later (cgroup.kill).
func (g Group) Remove(ctx context.Context) error {
	if _, err := os.Stat(g.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := g.empty(ctx); err != nil {
		return fmt.Errorf("ending what runs in the cgroup %s: %w", g.dir, err)
	}
	var dirs []string
	err := filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	for i := range dirs {
		if err == nil {
			err = os.Remove(dirs[len(dirs)-1-i])
		}
	}
	if err != nil {
		return fmt.Errorf("removing the cgroup %s: %w", g.dir, err)
	}
	return nil
}

// patience is how long killed processes may take to be gone.
const patience = 20 * time.Second

// empty kills, and waits: the kernel tells a change of cgroup.events by POLLPRI.
func (g Group) empty(ctx context.Context) error {
	events, err := os.Open(filepath.Join(g.dir, "cgroup.events"))
	if err != nil {
		return err
	}
	defer events.Close()
	if err := put(filepath.Join(g.dir, "cgroup.kill"), "1"); err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v are over", patience))
	defer stop()
	for {
		b := make([]byte, 256)
		n, err := events.ReadAt(b, 0)
		if n == 0 {
			return err
		}
		if bytes.Contains(b[:n], []byte("populated 0")) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		poll := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(poll, 100); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
