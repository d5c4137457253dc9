// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/lab/internal/wire"
)

// Agent sets the machine up as the host asks, runs the command and reports how
// it ended. It returns only on an error that could not be reported.
func Agent() error {
	port, err := openPort()
	if err != nil {
		return err
	}
	conn := wire.New(port)
	if err := conn.Send(wire.Hello, nil); err != nil {
		return err
	}
	kind, payload, err := conn.Receive()
	if err != nil {
		return fmt.Errorf("receive the request: %w", err)
	}
	var req wire.Request
	if kind != wire.Start {
		return fmt.Errorf("the host sent a frame of kind %d, not a request", kind)
	}
	if err := json.Unmarshal(payload, &req); err != nil {
		return fmt.Errorf("decode the request: %w", err)
	}
	kernel, err := followKernel(conn)
	if err != nil {
		return err
	}
	if failed := setUp(&req, conn); failed != nil {
		kernel.drain()
		err = conn.Send(wire.Failed, []byte(failed.Error()))
	} else {
		status := run(&req, conn)
		kernel.drain()
		// What was written to the host's directories is to be there when the host goes on.
		unix.Sync()
		err = conn.Send(wire.Exit, binary.LittleEndian.AppendUint32(nil, uint32(status)))
	}
	if err != nil {
		return err
	}
	// The host ends the machine; powering off over 9p has panicked at times.
	select {}
}

func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, fmt.Errorf("find the port to the host: %w", err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil || strings.TrimSpace(string(b)) != wire.PortName {
			continue
		}
		dev := "/dev/" + filepath.Base(filepath.Dir(n))
		f, err := os.OpenFile(dev, os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("open the port to the host: %w", err)
		}
		return f, nil
	}
	return nil, fmt.Errorf("no port %s to the host among %d", wire.PortName, len(names))
}

// drainTime is how long output is still read after the command has ended,
// when a process that it left holds the pipe.
const drainTime = time.Second

// run runs the command and returns its status as a shell would: 127 if it
// cannot be found, 126 if it cannot be run, 128 and the signal if one ended it.
func run(req *wire.Request, conn *wire.Conn) int {
	say := func(err error) { _ = conn.Send(wire.Stderr, fmt.Appendf(nil, "lab: %v\n", err)) }
	for _, kv := range req.Env {
		if name, value, ok := strings.Cut(kv, "="); ok && name == "PATH" {
			_ = os.Setenv(name, value) // LookPath reads ours
		}
	}
	cmd := exec.Command(req.Args[0], req.Args[1:]...)
	cmd.Dir, cmd.Env = req.Dir, req.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var closers []io.Closer
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			say(fmt.Errorf("make a pipe: %w", err))
		}
		closers = append(closers, r)
		return r, w
	}
	inR, inW := pipe()
	outR, outW := pipe()
	errR, errW := pipe()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
	if err := cmd.Start(); err != nil {
		say(fmt.Errorf("run %s: %w", req.Args[0], err))
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return 127
		}
		return 126
	}
	var streams sync.WaitGroup
	for kind, r := range map[wire.Kind]*os.File{wire.Stdout: outR, wire.Stderr: errR} {
		streams.Go(func() {
			// Ends with the pipe's end, or with the deadline set below.
			_, _ = io.CopyBuffer(struct{ io.Writer }{conn.Writer(kind)}, struct{ io.Reader }{r}, make([]byte, 64<<10))
		})
	}
	for _, f := range []*os.File{inR, outW, errW} {
		_ = f.Close()
	}
	go listen(conn, cmd.Process.Pid, inW)

	err := cmd.Wait()
	deadline := time.Now().Add(drainTime)
	_ = errors.Join(outR.SetReadDeadline(deadline), errR.SetReadDeadline(deadline))
	streams.Wait()
	for _, c := range closers {
		_ = c.Close()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal())
		}
		return exit.ExitCode()
	default:
		say(fmt.Errorf("wait for %s: %w", req.Args[0], err))
		return 126
	}
}

// listen hands the command its input and its signals until the host is gone.
func listen(conn *wire.Conn, pid int, in *os.File) {
	for {
		kind, payload, err := conn.Receive()
		if err != nil {
			_ = in.Close()
			return
		}
		switch kind {
		case wire.Stdin:
			if len(payload) == 0 {
				_ = in.Close()
				continue
			}
			_, _ = in.Write(payload) // a command may leave its input unread
		case wire.Signal:
			if len(payload) == 1 {
				_ = unix.Kill(-pid, unix.Signal(payload[0]))
			}
		}
	}
}
