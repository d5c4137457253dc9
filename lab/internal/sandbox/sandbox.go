// SPDX-License-Identifier: Apache-2.0

// Package sandbox runs a program in mount and PID namespaces of its own,
// usually in another root: what is mounted for it is never seen by the host,
// and nothing it starts outlives it or us.
package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// verb is the first argument with which the program calls itself.
const verb = "__sandbox"

// hooked: calls of this program by itself come back here.
var hooked bool

// Hook is what main, or a test's TestMain, begins with in a program that uses a Box: where the
// program was called by itself it becomes what runs in the box, or says why not and ends with the status.
func Hook(status int) {
	hooked = true
	if len(os.Args) == 3 && os.Args[1] == verb {
		fmt.Fprintf(os.Stderr, "%s, in a sandbox: %v\n", filepath.Base(os.Args[0]), enter(os.Args[2]))
		os.Exit(status)
	}
}

// Bind mounts a file or directory of the host at a path in the root.
type Bind struct {
	From, To string
	ReadOnly bool
	// Over lays From over what is at To, so that both are seen, and neither can be written to.
	Over bool
}

// Box is where programs run.
type Box struct {
	// Root is the directory to be the root; empty leaves the host's.
	Root string
	// Binds are mounted in order; To must exist.
	Binds []Bind
	// Env is the whole environment; PATH, LC_ALL and HOME are set if missing.
	Env []string
	// Log gets the output as it comes; nil drops it. An error carries the last lines in any case.
	Log io.Writer
}

type request struct {
	Root  string
	Binds []Bind
	Args  []string
}

// Run runs args and returns its standard output. A failing program's error
// has the last lines that it wrote.
func (b Box) Run(ctx context.Context, args ...string) (string, error) {
	if !hooked { // the program would run again as a whole, and its end be taken for that of args
		return "", errors.New("run in a sandbox: main does not begin with sandbox.Hook")
	}
	req, err := json.Marshal(request{b.Root, b.Binds, args})
	if err != nil {
		return "", fmt.Errorf("encode the request: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find our own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, verb, string(req))
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}, b.Env...)
	var out, all bytes.Buffer
	var log io.Writer = &all
	if b.Log != nil {
		log = io.MultiWriter(&all, b.Log)
	}
	log = &syncWriter{w: log}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, log), log
	// As first of its PID namespace its end is the end of all it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := RunLocked(cmd); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), fmt.Errorf("%s: %w%s", strings.Join(args, " "), err, tail(all.String(), 40))
	}
	return out.String(), nil
}

// RunLocked runs cmd with the thread that starts it kept alive: the kernel
// sends Pdeathsig when the starting thread ends, not the process.
func RunLocked(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- cmd.Run()
	}()
	return <-done
}

// enter is the other side of Run: it mounts, changes the root and becomes the
// program. It returns only on an error.
func enter(arg string) error {
	var req request
	if err := json.Unmarshal([]byte(arg), &req); err != nil {
		return fmt.Errorf("decode the request: %w", err)
	}
	if req.Root != "" {
		if err := syscall.Mount("proc", filepath.Join(req.Root, "proc"), "proc", 0, ""); err != nil {
			return fmt.Errorf("mount proc in %s: %w", req.Root, err)
		}
		// A root may be shared by several of us at a time; make has a pipe in /tmp named after its
		// process, which is 1 for all, and one that is killed leaves it.
		if err := syscall.Mount("tmpfs", filepath.Join(req.Root, "tmp"), "tmpfs", 0, "mode=1777"); err != nil {
			return fmt.Errorf("mount tmpfs on /tmp of %s: %w", req.Root, err)
		}
		dev := filepath.Join(req.Root, "dev")
		if err := syscall.Mount("tmpfs", dev, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount tmpfs on %s: %w", dev, err)
		}
		for _, n := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
			at := filepath.Join(dev, n)
			if err := os.WriteFile(at, nil, 0o666); err != nil {
				return fmt.Errorf("make %s: %w", at, err)
			}
			if err := syscall.Mount("/dev/"+n, at, "", syscall.MS_BIND, ""); err != nil {
				return fmt.Errorf("bind /dev/%s: %w", n, err)
			}
		}
		if err := os.Symlink("/proc/self/fd", filepath.Join(dev, "fd")); err != nil {
			return fmt.Errorf("make /dev/fd: %w", err)
		}
	}
	for _, b := range req.Binds {
		to := filepath.Join(req.Root, b.To)
		if b.Over {
			if err := syscall.Mount("overlay", to, "overlay", syscall.MS_RDONLY, "lowerdir="+b.From+":"+to); err != nil {
				return fmt.Errorf("lay %s over %s: %w", b.From, to, err)
			}
			continue
		}
		if err := syscall.Mount(b.From, to, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s to %s: %w", b.From, to, err)
		}
		if b.ReadOnly {
			if err := syscall.Mount("", to, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				return fmt.Errorf("make %s read-only: %w", to, err)
			}
		}
	}
	if req.Root != "" {
		if err := errors.Join(syscall.Chroot(req.Root), syscall.Chdir("/")); err != nil {
			return fmt.Errorf("change the root to %s: %w", req.Root, err)
		}
	}
	if len(req.Args) == 0 {
		return errors.New("nothing to run")
	}
	program, err := exec.LookPath(req.Args[0])
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", req.Args[0], req.Root, err)
	}
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, req.Args, os.Environ()))
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	return "; its last words:\n  " + strings.Join(lines, "\n  ")
}
