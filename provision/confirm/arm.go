// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec is the process that is to be the watchdog.
type Spec struct {
	Args []string // of this binary, that make it one: without its name
	// Detached are further ones of a process that has to say on ArmedFD that it is armed.
	Detached []string
	RunDir   string
	// Systemd is the directory that is there where systemd runs: /run/systemd/system.
	Systemd string
	// OfUnit says that the caller is a unit of this host's systemd, which gave it a mount
	// namespace of its own of the same files. A process in such a unit would share its
	// bounds, and none starts it again.
	OfUnit bool
	// Limit is how long it may take to say that it is armed.
	Limit time.Duration
}

// ArmedFD is the file that a detached watchdog says on that it is armed.
const ArmedFD = 3

// armedWord is what it says.
const armedWord = "armed\n"

// Arm starts a watchdog where none is, and returns when it is armed: a transient
// unit where systemd runs, else (or where systemd does not start one) a detached
// process. Either outlives the caller, its terminal and its session.
func Arm(ctx context.Context, s Spec) error {
	there, err := Armed(s.RunDir)
	if err != nil || there {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	var unitErr error
	if _, err := os.Stat(s.Systemd); err == nil && asInit("/proc", s.OfUnit) {
		if unitErr = startUnit(ctx, s); unitErr == nil {
			return nil
		}
	}
	if err := startDetached(ctx, s); err != nil {
		return errors.Join(unitErr, err)
	}
	return nil
}

// asInit tells whether this process sees the network and, unless it is a unit, the
// files that systemd and its units see: a watchdog elsewhere would go back on another
// host.
func asInit(proc string, ofUnit bool) bool {
	same := []string{"net", "mnt"}
	if ofUnit {
		same = same[:1]
	}
	for _, ns := range same {
		mine, err1 := os.Readlink(filepath.Join(proc, "self/ns", ns))
		inits, err2 := os.Readlink(filepath.Join(proc, "1/ns", ns))
		if err1 != nil || err2 != nil || mine != inits {
			return false
		}
	}
	return true
}

// startDetached starts the watchdog as a session of its own.
func startDetached(ctx context.Context, s Spec) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("starting a watchdog: %w; what it says is in %s", err, LogPath(s.RunDir))
		}
	}()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	log, err := openLog(s.RunDir)
	if err != nil {
		return err
	}
	defer log.Close()
	said, says, err := os.Pipe()
	if err != nil {
		return err
	}
	defer said.Close()
	p, err := os.StartProcess("/proc/self/exe", slices.Concat([]string{os.Args[0]}, s.Args, s.Detached), &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{null, log, log, ArmedFD: says}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	says.Close() // so that its end is seen
	if err != nil {
		return err
	}
	go func() { _, _ = p.Wait() }() // while this process lives, so that it leaves no zombie
	if deadline, ok := ctx.Deadline(); ok {
		if err := said.SetReadDeadline(deadline); err != nil {
			return err
		}
	}
	word := make([]byte, len(armedWord))
	_, err = io.ReadFull(said, word)
	switch {
	case err == nil && string(word) == armedWord:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("pid %d did not say within %v that it is armed", p.Pid, s.Limit)
	default:
		err = fmt.Errorf("pid %d ended before it was armed", p.Pid)
	}
	return errors.Join(err, ended(p.Signal(os.Kill)))
}

// ended is the error of a signal, but for that of a process that is no more.
func ended(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// SayArmed tells the process that started this one, on the file fd, that it is armed.
func SayArmed(fd int) error {
	f := os.NewFile(uintptr(fd), "armed")
	if f == nil {
		return errors.New("no file " + strconv.Itoa(fd) + " to say on that the watchdog is armed")
	}
	_, err := f.WriteString(armedWord)
	if errors.Is(err, unix.EPIPE) {
		err = nil // who asked is gone: then it is needed all the more
	}
	return errors.Join(err, f.Close())
}

// LogPath is where a watchdog says what it did.
func LogPath(runDir string) string { return filepath.Join(runDir, "confirm.log") }

func openLog(runDir string) (*os.File, error) {
	f, err := os.OpenFile(LogPath(runDir), os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the watchdog's log: %w", err)
	}
	return f, nil
}

// kernWarning is KERN_WARNING (include/linux/kern_levels.h).
const kernWarning = 4

// Log gives a function for Watch.Tell: it writes to the log and, where it can, to the
// kernel's log, which is read on consoles when nothing else is. A line that cannot be
// written stops no watchdog.
func Log(runDir string) (tell func(line string), closeLog func() error, err error) {
	f, err := openLog(runDir)
	if err != nil {
		return nil, nil, err
	}
	kmsg, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		kmsg = nil
	}
	tell = func(line string) {
		_, _ = fmt.Fprintf(f, "%s %s\n", time.Now().Format(time.RFC3339), line)
		if kmsg != nil {
			_, _ = fmt.Fprintf(kmsg, "<%d>nicwright: %s\n", kernWarning, line)
		}
	}
	return tell, func() error {
		if kmsg != nil {
			return errors.Join(kmsg.Close(), f.Close())
		}
		return f.Close()
	}, nil
}
