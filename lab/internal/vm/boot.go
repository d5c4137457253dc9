// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nicwright/nicwright/lab/internal/sandbox"
	"github.com/nicwright/nicwright/lab/internal/wire"
)

// machine is one boot of a Machine.
type machine struct {
	*Machine
	start  time.Time
	con    *console
	port   *os.File
	conn   *wire.Conn
	frames chan frame
	// ended is closed when QEMU has ended; its error and words are set then.
	ended   chan struct{}
	qemuErr error
	qemuSay words
	// kernel is what the kernel reported of its errors.
	kernel strings.Builder
}

type frame struct {
	kind    wire.Kind
	payload []byte
	err     error
}

func (m *Machine) boot(ctx context.Context, args []string) (int, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return StatusLab, fmt.Errorf("make the connection to the machine: %w", err)
	}
	// Go may wait for ours with a deadline only if it does not block.
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return StatusLab, fmt.Errorf("make the connection to the machine: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "machine"), os.NewFile(uintptr(fds[1]), "lab")
	b := &machine{
		Machine: m, start: time.Now(), con: &console{copy: m.Console}, port: ours,
		conn: wire.New(ours), frames: make(chan frame), ended: make(chan struct{}), qemuSay: words{gaveUp: make(chan struct{})},
	}
	qctx, kill := context.WithCancel(context.WithoutCancel(ctx))
	command := append(slices.Clone(b.QEMU), args...)
	if b.QEMU == nil {
		command = append([]string{"qemu-system-x86_64"}, args...)
	}
	cmd := exec.CommandContext(qctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = b.con, &b.qemuSay
	cmd.ExtraFiles = []*os.File{theirs}
	// A group of its own: an interrupt from the terminal is for us to handle.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	go func() {
		b.qemuErr = sandbox.RunLocked(cmd)
		close(b.ended)
	}()
	stop := make(chan struct{})
	defer func() {
		close(stop)
		kill()
		<-b.ended
		_ = errors.Join(ours.Close(), theirs.Close())
	}()
	go b.receive(stop)
	return b.follow(ctx, stop)
}

// receive hands on frames until the connection or the run ends.
func (b *machine) receive(stop <-chan struct{}) {
	for {
		kind, payload, err := b.conn.Receive()
		select {
		case b.frames <- frame{kind, payload, err}:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// drainTime is how long frames are still read after QEMU has ended.
const drainTime = 200 * time.Millisecond

// follow takes the machine from its start to its end.
func (b *machine) follow(ctx context.Context, stop <-chan struct{}) (int, error) {
	var bootLimit <-chan time.Time
	if b.BootLimit > 0 {
		t := time.NewTimer(b.BootLimit)
		defer t.Stop()
		bootLimit = t.C
	}
	ended, started := b.ended, false
	for {
		select {
		case f := <-b.frames:
			if f.err != nil {
				if b.shutDown(started) {
					return 0, nil
				}
				return StatusLab, b.died(started, f.err)
			}
			if f.kind == wire.Hello {
				started, bootLimit = true, nil
				b.Log("the machine is up after %.1f s", time.Since(b.start).Seconds())
				if err := b.conn.SendJSON(wire.Start, b.Request); err != nil {
					return StatusLab, fmt.Errorf("send the command to the machine: %w", err)
				}
				go b.sendInput(stop)
				continue
			}
			if status, done, err := b.handle(f); done {
				return status, err
			}
		case <-ended:
			// What it sent before its end is still to be read.
			ended = nil
			_ = b.port.SetReadDeadline(time.Now().Add(drainTime))
		case <-b.qemuSay.gaveUp:
			return StatusLab, fmt.Errorf("%w: %w", errNoReport, errKVM)
		case <-bootLimit:
			return StatusLab, fmt.Errorf("%w within %s; the console's last lines:\n%s", errNoReport, b.BootLimit, b.con.tail(consoleLines))
		case sig := <-b.Signals:
			if s, ok := sig.(syscall.Signal); ok && started {
				_ = b.conn.Send(wire.Signal, []byte{byte(s)})
			}
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errTimeLimit) {
				return StatusTimeout, fmt.Errorf("the time limit of %s is over, the machine was ended; the console's last lines:\n%s%s",
					b.TimeLimit, b.con.tail(10), b.reports())
			}
			return StatusLab, fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
	}
}

// handle takes one frame of the running command.
func (b *machine) handle(f frame) (status int, done bool, err error) {
	switch f.kind {
	case wire.Stdout:
		if _, err := b.Stdout.Write(f.payload); err != nil {
			return StatusLab, true, fmt.Errorf("pass on the command's output: %w", err)
		}
	case wire.Stderr:
		if _, err := b.Stderr.Write(f.payload); err != nil {
			return StatusLab, true, fmt.Errorf("pass on the command's error output: %w", err)
		}
	case wire.Note:
		if note, ok := strings.CutPrefix(string(f.payload), "warning: "); ok {
			b.Warn("%s", note)
		} else {
			b.Log("%s", f.payload)
		}
	case wire.Kernel:
		b.kernel.Write(f.payload)
	case wire.Failed:
		return StatusLab, true, fmt.Errorf("%s%s", f.payload, b.reports())
	case wire.Exit:
		if len(f.payload) != 4 {
			return StatusLab, true, fmt.Errorf("the machine sent a status of %d bytes", len(f.payload))
		}
		status = int(int32(binary.LittleEndian.Uint32(f.payload)))
		b.Log("the command ended with status %d after %.1f s", status, time.Since(b.start).Seconds())
		if b.kernel.Len() == 0 {
			return status, true, nil
		}
		if b.AllowWarnings || status != 0 {
			b.Warn("%s", strings.TrimPrefix(b.reports(), "\n"))
			return status, true, nil
		}
		return StatusLab, true, fmt.Errorf("the command ended with status 0, but%s", b.reports())
	}
	return 0, false, nil
}

// shutDown tells whether the machine ended in order, as its command asked systemd for: the kernel's last word is said
// when all is written. Of a machine without a disk nothing would be left, and no command means that.
func (b *machine) shutDown(started bool) bool {
	select {
	case <-b.ended:
	default:
		return false
	}
	if b.Disk == nil || !started || b.qemuErr != nil || b.kernel.Len() > 0 {
		return false
	}
	said := b.con.tail(2)
	return strings.Contains(said, "reboot: Restarting system") || strings.Contains(said, "reboot: Power down")
}

// died makes the error of a machine that ended by itself.
func (b *machine) died(started bool, err error) error {
	select {
	case <-b.ended:
	default:
		return fmt.Errorf("lost the connection to the machine: %w; the console's last lines:\n%s", err, b.con.tail(consoleLines))
	}
	say := strings.TrimSpace(b.qemuSay.String())
	if say != "" {
		say = "\nQEMU said: " + say
	}
	how := "the machine ended (a panic?) before the command did"
	if b.qemuErr != nil {
		how = fmt.Sprintf("QEMU ended before the command did: %v", b.qemuErr)
	}
	oops := b.con.died()
	if oops != "" {
		how += "; the kernel said: " + oops
	}
	if strings.Contains(oops, "Oops: int3") {
		how += "; this is QEMU's emulation, which trips at times when the kernel patches its own code: run it again"
	}
	if !started {
		return fmt.Errorf("%w: %s%s; the console's last lines:\n%s", errNoReport, how, say, b.con.tail(consoleLines))
	}
	return fmt.Errorf("%s%s; the console's last lines:\n%s%s", how, say, b.con.tail(consoleLines), b.reports())
}

// reports is what the kernel reported of its own errors, or "".
func (b *machine) reports() string {
	if b.kernel.Len() == 0 {
		return ""
	}
	return "\nthe machine's kernel reported:\n  " + strings.ReplaceAll(strings.TrimSpace(b.kernel.String()), "\n", "\n  ")
}

// sendInput passes the command's input on until its end or the run's.
func (b *machine) sendInput(stop <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for b.Stdin != nil {
		n, err := b.Stdin.Read(buf)
		select {
		case <-stop:
			return
		default:
		}
		if n > 0 && b.conn.Send(wire.Stdin, buf[:n]) != nil {
			return
		}
		if err != nil {
			break
		}
	}
	_ = b.conn.Send(wire.Stdin, nil)
}
