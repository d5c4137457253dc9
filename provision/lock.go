// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Holder is who holds the lock, as the lock file tells.
type Holder struct {
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// LockedError is returned by TakeLock when another process is the writer.
type LockedError struct {
	Path   string
	Holder Holder // zero when the file could not be read
}

func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("another nicwright is changing this host (it holds %s): wait until it ends", e.Path)
	}
	return fmt.Sprintf("another nicwright is changing this host: pid %d, %q, since %s (it holds %s): wait until it ends",
		e.Holder.PID, e.Holder.Command, e.Holder.Since.Format(time.RFC3339), e.Path)
}

// Lock is the right to change the host; it ends with Release or with the
// process, however that ends.
type Lock struct{ file *os.File }

// TakeLock takes the writer's lock of dir without waiting. A *LockedError says
// who has it. args is the command line, for the next one who asks.
func TakeLock(dir string, args []string) (*Lock, error) {
	me, err := holder(args) // before, so that who is locked out a moment later can be told
	if err != nil {
		return nil, err
	}
	f, err := openLock(dir)
	if err != nil {
		return nil, err
	}
	// The kernel drops an flock when the process dies: no stale locks to judge.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		locked := &LockedError{Path: f.Name()}
		if b, err := io.ReadAll(io.LimitReader(f, 1<<16)); err == nil {
			// A holder that has not written yet is an unknown holder.
			_ = json.Unmarshal(b, &locked.Holder)
		}
		return nil, locked
	}
	return hold(f, me)
}

// WaitLock takes the lock as TakeLock does, and waits for it until ctx ends; then
// it returns the *LockedError.
func WaitLock(ctx context.Context, dir string, args []string) (*Lock, error) {
	lock, err := TakeLock(dir, args)
	var locked *LockedError
	if !errors.As(err, &locked) {
		return lock, err
	}
	me, err := holder(args)
	if err != nil {
		return nil, err
	}
	f, err := openLock(dir)
	if err != nil {
		return nil, err
	}
	taken := make(chan error)
	go func() {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		for errors.Is(err, unix.EINTR) {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		select {
		case taken <- err:
		case <-ctx.Done(): // nobody waits any more, and closing gives it back
			f.Close()
		}
	}()
	select {
	case <-ctx.Done():
		return nil, locked
	case err := <-taken:
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
	}
	return hold(f, me)
}

// Held tells whether somebody has the lock of dir now. It makes nothing, and asks for
// the lock, shared, for an instant alone.
func Held(dir string) (bool, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("opening the lock %s: %w", path, err)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case err == nil:
		err = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	}
	if err != nil {
		return false, fmt.Errorf("asking who has the lock %s: %w", path, err)
	}
	return false, nil
}

func openLock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the lock's directory %s: %w", dir, err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock %s: %w", path, err)
	}
	return f, nil
}

// holder is what is written of this process.
func holder(args []string) ([]byte, error) {
	b, err := json.Marshal(Holder{PID: os.Getpid(), Command: strings.Join(args, " "), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return nil, fmt.Errorf("writing the holder of the lock: %w", err)
	}
	return b, nil
}

// hold writes who has the lock that was just taken.
func hold(f *os.File, me []byte) (*Lock, error) {
	err := f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(me, 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing the holder into the lock %s: %w", f.Name(), err)
	}
	return &Lock{file: f}, nil
}

// Release gives the lock back.
func (l *Lock) Release() error {
	// Not left to the end of the process: a thread that the kernel does not let go keeps its files open.
	err := l.file.Truncate(0)
	err = errors.Join(err, unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
	if err != nil {
		return fmt.Errorf("giving back the lock %s: %w", l.file.Name(), err)
	}
	return nil
}
