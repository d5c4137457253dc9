// SPDX-License-Identifier: Apache-2.0

// Package apart does an act of the kernel's in a process of its own, which goes on
// when the one that wants it is killed. Of a process with a fatal signal pending the
// kernel makes no threads (kernel/kthread.c, __kthread_create_on_node: -EINTR), and
// not every driver goes back from there: mlx5_core, killed while it changes the mode
// of its eswitch, leaves a netdev whose next change of mode is an oops
// (net/mlx5e: mlx5e_netdev_change_profile; CVE-2026-22996, seen on 6.12.117).
package apart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

// Runner does an act apart and gives its error. What it started goes on when ctx ends.
type Runner func(ctx context.Context, act []string) error

type key struct{}

// With has what is done with ctx use that Runner.
func With(ctx context.Context, r Runner) context.Context { return context.WithValue(ctx, key{}, r) }

// Do does an act by the Runner of ctx, or here where there is none: in a test, or in
// a program that is not nicwright's.
func Do(ctx context.Context, act []string, here func() error) error {
	if r, ok := ctx.Value(key{}).(Runner); ok {
		return r(ctx, act)
	}
	return here()
}

// answerFD is where the other process says how it ended.
const answerFD = 3

// maxAnswer bounds an answer in bytes.
const maxAnswer = 64 << 10

// answer is how an act ended: all zero is well.
type answer struct {
	Errno syscall.Errno `json:"errno,omitempty"`
	Ack   string        `json:"ack,omitempty"` // the kernel's extended ack
	Text  string        `json:"text,omitempty"`
}

// Self is a Runner that starts this program again, with the words verb, the number of
// this process, and the act's own.
func Self(verb ...string) Runner {
	return func(ctx context.Context, act []string) error {
		args := append(append([]string{os.Args[0]}, verb...), strconv.Itoa(os.Getpid()))
		return start(ctx, append(args, act...))
	}
}

func start(ctx context.Context, args []string) error {
	fail := func(err error) error { return fmt.Errorf("starting a process for %v: %w", args, err) }
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	defer null.Close()
	said, says, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer said.Close()
	// A session of its own: no terminal's signal is for it.
	p, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{null, null, null, answerFD: says}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	says.Close() // so that its end is seen
	if err != nil {
		return fail(err)
	}
	go func() { _, _ = p.Wait() }() // so that it leaves no zombie
	stop := context.AfterFunc(ctx, func() { said.Close() })
	defer stop()
	b, err := io.ReadAll(io.LimitReader(said, maxAnswer))
	if ctx.Err() != nil {
		return fmt.Errorf("process %d goes on with %v: %w", p.Pid, args, context.Cause(ctx))
	}
	var a answer
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		return fmt.Errorf("process %d for %v ended without a word: %w", p.Pid, args, err)
	}
	return a.err()
}

func (a answer) err() error {
	switch {
	case a.Errno != 0:
		return &kernel.Error{Op: "asking in a process of its own", Err: a.Errno, ExtAck: a.Ack}
	case a.Text != "":
		return errors.New(a.Text)
	}
	return nil
}

func answerOf(err error) answer {
	var e *kernel.Error
	var a answer
	if !errors.As(kernel.Wrap("", "", err), &e) {
		return a
	}
	if a.Errno, a.Ack = kernel.Errno(e), e.ExtAck; a.Errno == 0 {
		a.Text = err.Error()
	}
	return a
}

// ErrAlone says that the process that wanted the act has gone before it was begun.
var ErrAlone = errors.New("the process that asked for it is no more: it is not begun")

// Answer is the other process: it does the act that process parent, which started
// it, wants, and tells it how that ended.
func Answer(parent string, act func() error) error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGPIPE)
	if strconv.Itoa(os.Getppid()) != parent {
		return ErrAlone
	}
	out := os.NewFile(answerFD, "answer")
	if out == nil {
		return errors.New("no file to answer on: this is between nicwright and itself")
	}
	defer out.Close()
	err := act()
	b, marshal := json.Marshal(answerOf(err))
	if marshal == nil {
		_, marshal = out.Write(b)
	}
	if errors.Is(marshal, unix.EPIPE) {
		marshal = nil // nobody listens any more, which is what this is for
	}
	return errors.Join(err, marshal)
}
