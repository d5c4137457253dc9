// SPDX-License-Identifier: Apache-2.0

// Package program runs the programs that a bench measures, and the client that makes
// the load: each in a network namespace and a cgroup, with no more rights than it
// needs, and no longer than this process lives. It is the one place where nicwright
// runs another program.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/netns"
)

// Spec is what is to be run. It gets an empty environment, / as its directory, and no
// standard input unless Stdin is set.
type Spec struct {
	NS    *netns.NS    // nil: that of this process
	Group cgroup.Group // zero: that of this process
	// Private: it has mounts of its own. What it mounts, nobody else sees, and it goes when the program and those that it
	// started have ended.
	Private  bool
	Args     []string // the first is the program's path
	UID, GID uint32   // without other groups
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer // nil: the last of it is kept, for Wait's error
}

// Running is a program that was started.
type Running struct {
	PID    int
	done   chan struct{}
	err    error // valid after done
	stderr tail
}

// grace is how long a program may take to end after SIGTERM, before it is killed.
const grace = 10 * time.Second

// Start starts a program, which ends with ctx: by SIGTERM, and a while later by
// SIGKILL. When this process dies it gets SIGTERM from the kernel.
func Start(ctx context.Context, s Spec) (*Running, error) {
	r := &Running{done: make(chan struct{})}
	c := exec.CommandContext(ctx, s.Args[0], s.Args[1:]...)
	c.Dir, c.Env, c.Stdin, c.Stdout, c.Stderr, c.WaitDelay = "/", []string{}, s.Stdin, s.Stdout, &r.stderr, grace
	if s.Stderr != nil {
		c.Stderr = s.Stderr
	}
	c.Cancel = func() error { return c.Process.Signal(unix.SIGTERM) }
	c.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, Pdeathsig: syscall.SIGTERM, Credential: &syscall.Credential{Uid: s.UID, Gid: s.GID},
	}
	if s.Private {
		c.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	if s.Group != (cgroup.Group{}) {
		group, err := s.Group.Open()
		if err != nil {
			return nil, err
		}
		defer group.Close()
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(group.Fd())
	}
	in := func(f func() error) error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return f()
	}
	if s.NS != nil {
		in = s.NS.Do
	}
	started := make(chan error, 1)
	go func() {
		defer close(r.done)
		// The kernel takes the end of the thread that started it for the end of its parent: this one waits.
		err := in(func() error {
			if err := c.Start(); err != nil {
				return err
			}
			r.PID = c.Process.Pid
			started <- nil
			r.err = c.Wait()
			return nil
		})
		if err != nil {
			started <- err
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.Args[0], err)
	}
	return r, nil
}

// Done is closed when the program has ended.
func (r *Running) Done() <-chan struct{} { return r.done }

// Wait waits for the end, and gives the error with what the program said last.
func (r *Running) Wait() error {
	<-r.done
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %q", r.err, r.stderr.String())
}

// Output runs a program that ends by itself, and gives all that it printed, on
// standard error as well.
func Output(ctx context.Context, s Spec) (string, error) {
	var out bytes.Buffer
	s.Stdout, s.Stderr = &out, &out // exec writes to one and the same from one goroutine
	r, err := Start(ctx, s)
	if err != nil {
		return "", err
	}
	err = r.Wait()
	return out.String(), err
}

// Find looks for a program in PATH, and in the directories of root's that a PATH may
// lack.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/bin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(dir + "/" + name)
	}
	if err != nil {
		return "", fmt.Errorf("looking for the program %s: it is neither in PATH nor in /usr/sbin: %w", name, errors.Unwrap(err))
	}
	return path, nil
}

// tail keeps the last of what is written.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
