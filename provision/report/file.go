// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever runs verify is root, and the file that is named may be in a directory of
// everybody's: what somebody has put there must not choose what is overwritten. So a
// report is written into a new file, which then takes the name; a link of that name
// is refused; and a directory is reached through another's link only where nobody
// but root and ourselves can put one.

// takeUp is how long a reader of a pipe may take to begin, and to read.
const takeUp = time.Minute

// maxLinks is that of the kernel (MAXSYMLINKS, include/linux/namei.h).
const maxLinks = 40

// CheckFile tells beforehand why WriteFile could not write there.
func CheckFile(name string) error {
	if _, ok := descriptor(name); ok {
		return nil
	}
	t, err := find(name)
	if err != nil {
		return err
	}
	defer t.close()
	return t.check()
}

// WriteFile writes a file, whole or not at all, mode 0644. What is there and no
// regular file (a pipe, a device) is written into and stays, and so are /dev/stdout,
// /dev/stderr and /dev/fd/N.
func WriteFile(ctx context.Context, name string, content []byte) error {
	return writeFile(ctx, name, content, 0o644)
}

// WritePrivate is WriteFile with mode 0600: for what root alone may read.
func WritePrivate(ctx context.Context, name string, content []byte) error {
	return writeFile(ctx, name, content, 0o600)
}

func writeFile(ctx context.Context, name string, content []byte, mode uint32) error {
	var write func() error
	if fd, ok := descriptor(name); ok {
		write = func() error { return writeTo(fd, content) }
	} else {
		t, err := find(name)
		if err != nil {
			return err
		}
		if err := t.check(); err != nil {
			t.close()
			return err
		}
		if !t.exists || t.regular() {
			defer t.close()
			return t.replace(content, mode)
		}
		write = func() error {
			defer t.close() // here: it may be left behind
			fd, err := t.open()
			if err != nil {
				return err
			}
			return errors.Join(writeTo(fd, content), unix.Close(fd))
		}
	}
	// A pipe waits for a reader, in the kernel: it is left behind where none comes.
	ctx, cancel := context.WithTimeoutCause(ctx, takeUp, fmt.Errorf("nobody has read it for %v", takeUp))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- write() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("writing the report %s: %w", name, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("writing the report %s: %w", name, context.Cause(ctx))
	}
}

// descriptor is what the names of open files stand for.
func descriptor(name string) (int, bool) {
	switch name {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "/dev/fd/"), 10, 31)
	return int(n), err == nil && strings.HasPrefix(name, "/dev/fd/")
}

func writeTo(fd int, content []byte) error {
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		default:
			content = content[n:]
		}
	}
	return nil
}

// target is a name in an open directory, and what is there.
type target struct {
	name   string // as it was given
	dir    int
	dirAt  unix.Stat_t
	base   string
	exists bool
	at     unix.Stat_t
}

func (t *target) close()        { _ = unix.Close(t.dir) }
func (t *target) regular() bool { return t.at.Mode&unix.S_IFMT == unix.S_IFREG }

// find opens the directory of a file and looks at what has its name.
func find(name string) (*target, error) {
	full := name
	if !path.IsAbs(full) {
		wd, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("looking for the directory of the report %s: %w", name, err)
		}
		full = wd + "/" + name
	}
	parts := strings.Split(full, "/")
	base := parts[len(parts)-1]
	if base == "" || base == "." || base == ".." {
		return nil, fmt.Errorf("the report %s cannot be written: it is a directory; name a file in it: %w", name, unix.EISDIR)
	}
	t := &target{name: name, base: base}
	var err error
	if t.dir, err = openDir(parts[:len(parts)-1]); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; make it first", err)
		}
		return nil, fmt.Errorf("looking for the directory of the report %s: %w", name, err)
	}
	if err = unix.Fstat(t.dir, &t.dirAt); err == nil {
		err = unix.Fstatat(t.dir, base, &t.at, unix.AT_SYMLINK_NOFOLLOW)
		t.exists = err == nil
		if errors.Is(err, unix.ENOENT) {
			err = nil
		}
	}
	if err != nil {
		t.close()
		return nil, fmt.Errorf("looking at the report file %s: %w", name, err)
	}
	return t, nil
}

// check refuses what is not to be written into.
func (t *target) check() error {
	switch {
	case !t.exists || t.regular():
		return nil
	case t.at.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fmt.Errorf("the report %s cannot be written: it is a directory; name a file in it: %w", t.name, unix.EISDIR)
	case t.at.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fmt.Errorf("the report %s cannot be written: it is a symbolic link, and where that leads is for whoever made it to say; name the file itself: %w", t.name, unix.ELOOP)
	case t.at.Mode&unix.S_IFMT == unix.S_IFIFO && open(t.dirAt) && !ours(t.at):
		return fmt.Errorf("the report %s cannot be written: it is a pipe of another user's in a directory of everybody's: %w", t.name, unix.EACCES)
	}
	return nil
}

// open gives a pipe or a device for writing.
func (t *target) open() (int, error) {
	return unix.Openat(t.dir, t.base, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

// replace writes a new file and gives it the name.
func (t *target) replace(content []byte, mode uint32) (err error) {
	wrap := func(err error) error {
		return fmt.Errorf("writing the report %s: %w; make room, or name another file", t.name, err)
	}
	temporary := "." + t.base + "." + rand.Text()
	fd, err := unix.Openat(t.dir, temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return wrap(err)
	}
	err = writeTo(fd, content)
	if err == nil {
		err = unix.Fchmod(fd, mode)
	}
	if err == nil {
		err = unix.Fsync(fd)
	}
	if err = errors.Join(err, unix.Close(fd)); err == nil {
		err = unix.Renameat(t.dir, temporary, t.dir, t.base)
	}
	if err != nil {
		return wrap(errors.Join(err, unix.Unlinkat(t.dir, temporary, 0)))
	}
	return nil
}

// openDir opens a directory by the parts of its path, from the root.
func openDir(parts []string) (dir int, err error) {
	if dir, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return -1, err
	}
	for links := 0; len(parts) > 0; {
		part := parts[0]
		parts = parts[1:]
		if part == "" || part == "." {
			continue
		}
		next, err := unix.Openat(dir, part, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, errors.Join(&fs.PathError{Op: "open", Path: part, Err: err}, unix.Close(dir))
		}
		to, link, err := follow(dir, next, part)
		if err == nil && !link {
			err = unix.Close(dir)
			dir = next
			if err != nil {
				return -1, errors.Join(err, unix.Close(dir))
			}
			continue
		}
		err = errors.Join(err, unix.Close(next))
		if links++; err == nil && links > maxLinks {
			err = unix.ELOOP
		}
		if err == nil && path.IsAbs(to) {
			err = unix.Close(dir)
			var openErr error
			dir, openErr = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err = errors.Join(err, openErr); openErr != nil {
				return -1, err
			}
		}
		if err != nil {
			return -1, errors.Join(err, unix.Close(dir))
		}
		parts = append(strings.Split(to, "/"), parts...)
	}
	return dir, nil
}

// follow gives what a link names, if it is one and may be followed.
func follow(dir, fd int, part string) (to string, link bool, err error) {
	var at, in unix.Stat_t
	if err := errors.Join(unix.Fstat(fd, &at), unix.Fstat(dir, &in)); err != nil {
		return "", false, err
	}
	switch at.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "", false, nil
	case unix.S_IFLNK:
	default:
		return "", false, fmt.Errorf("%s is no directory: %w", part, unix.ENOTDIR)
	}
	if open(in) && !ours(at) {
		return "", true, fmt.Errorf("%s is a symbolic link of another user's in a directory of everybody's: %w", part, unix.EACCES)
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	return string(buf[:max(n, 0)]), true, err
}

// open tells a directory in which others can put things.
func open(dir unix.Stat_t) bool { return dir.Mode&0o022 != 0 || !ours(dir) }

// ours tells what root or this process's user owns.
func ours(s unix.Stat_t) bool { return s.Uid == 0 || s.Uid == uint32(os.Geteuid()) }
