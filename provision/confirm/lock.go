// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrArmed says that another watchdog is there.
var ErrArmed = errors.New("another watchdog watches over this host")

// place is the lock that the watchdog holds as long as it watches.
func place(runDir string) string { return filepath.Join(runDir, "confirm.lock") }

func openPlace(runDir string) (*os.File, error) {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the watchdog's directory %s: %w", runDir, err)
	}
	f, err := os.OpenFile(place(runDir), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the watchdog's lock: %w", err)
	}
	return f, nil
}

// whole is a lock of all of a file. It is one of the open file description (fcntl's
// F_OFD): it can be asked for without being taken, and goes with the process.
func whole() unix.Flock_t { return unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart} }

// Armed tells whether a watchdog is there, and disturbs none that starts.
func Armed(runDir string) (bool, error) {
	f, err := openPlace(runDir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	l := whole()
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l); err != nil {
		return false, fmt.Errorf("asking for the watchdog's lock %s: %w", f.Name(), err)
	}
	return l.Type != unix.F_UNLCK, nil
}

// takePlace makes the caller the watchdog until the file is closed; ErrArmed.
func takePlace(runDir string) (*os.File, error) {
	f, err := openPlace(runDir)
	if err != nil {
		return nil, err
	}
	l := whole()
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		err = ErrArmed
	default:
		err = fmt.Errorf("taking the watchdog's lock %s: %w", f.Name(), err)
	}
	f.Close()
	return nil, err
}
