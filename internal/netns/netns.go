// SPDX-License-Identifier: Apache-2.0

// Package netns makes, opens and removes named network namespaces as ip-netns(8)
// keeps them (bind mounts below /run/netns), and runs functions inside one. It
// knows nothing of what is done in there.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is where ip-netns(8) keeps the namespaces that have names.
const Dir = "/run/netns"

// NS is an open network namespace; it lives at least as long as it is open.
type NS struct {
	file *os.File
	name string
}

// Current opens the network namespace of the calling thread.
func Current() (*NS, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("opening the current network namespace: %w", err)
	}
	return &NS{file: f, name: "the current network namespace"}, nil
}

// Open opens a named network namespace; errors.Is(err, fs.ErrNotExist) when
// there is none of that name.
func Open(name string) (*NS, error) {
	path, err := pathOf(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the network namespace %s: %w", name, err)
	}
	return &NS{file: f, name: name}, nil
}

// Close closes the descriptor. The namespace itself stays while it is mounted
// or used.
func (n *NS) Close() error { return n.file.Close() }

// Name is what the namespace was opened by.
func (n *NS) Name() string { return n.name }

// Fd is the namespace's descriptor, for IFLA_NET_NS_FD; it is the NS's own and
// is valid until Close.
func (n *NS) Fd() int { return int(n.file.Fd()) }

// Do runs f on an OS thread of its own that is in the namespace, and returns
// what f returned. Sockets that f opens belong to the namespace for as long as
// they live. Goroutines that f starts are not in the namespace. CAP_SYS_ADMIN.
func (n *NS) Do(f func() error) error {
	return Thread(func() error {
		if err := unix.Setns(n.Fd(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the network namespace %s (setns): %w", n.name, err)
		}
		return f()
	})
}

// Create makes a network namespace and gives it a name, as `ip netns add` does;
// errors.Is(err, fs.ErrExist) when the name is taken. CAP_SYS_ADMIN.
func Create(name string) (*NS, error) {
	path, err := pathOf(name)
	if err != nil {
		return nil, err
	}
	if err := prepareDir(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, fmt.Errorf("making the network namespace %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("making the network namespace %s: %w", name, err)
	}
	err = Thread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "none", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("binding it to %s: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the network namespace %s: %w", name, err), os.Remove(path))
	}
	return Open(name)
}

// prepareDir makes Dir a shared mount, so that what is mounted below it is seen
// (and can be taken away) in other mount namespaces too, as ip-netns(8) does.
func prepareDir() error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return fmt.Errorf("making the directory of network namespaces: %w", err)
	}
	err := unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		if err = unix.Mount(Dir, Dir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	if err != nil {
		return fmt.Errorf("making %s a shared mount: %w", Dir, err)
	}
	return nil
}

// Delete takes the name away, as `ip netns delete` does: the kernel removes the
// namespace when nothing uses it any more, moves physical netdevs in it to the
// first namespace, and destroys virtual ones. A name that does not exist is no
// error. CAP_SYS_ADMIN.
func Delete(name string) error {
	path, err := pathOf(name)
	if err != nil {
		return err
	}
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting the network namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting the network namespace %s: %w", name, err)
	}
	return nil
}

// List gives the names that start with prefix, sorted.
func List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func pathOf(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/') {
		return "", fmt.Errorf("%q cannot name a network namespace: it has to be a file name", name)
	}
	return filepath.Join(Dir, name), nil
}
