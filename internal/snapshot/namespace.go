// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/netns"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
)

// findElsewhere looks for the netdevs of devices in other network namespaces:
// those of processes, by the text of their link in proc(5), and those with names.
// What is not found is in one that cannot be reached from here.
func findElsewhere(ctx context.Context, namespaces map[string]string, devices map[pci.Address]*string) error {
	if len(devices) == 0 {
		return nil
	}
	named, err := namedNamespaces(netns.Dir)
	if err != nil {
		return err
	}
	for ns, name := range named {
		namespaces[ns] = filepath.Join(netns.Dir, name)
	}
	if own, err := os.Readlink("/proc/thread-self/ns/net"); err == nil {
		delete(namespaces, own)
	}
	for _, where := range devices {
		*where = "another network namespace"
	}
	missing := len(devices)
	for ns, path := range namespaces {
		links, err := linksIn(ctx, path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrPermission) {
			continue // the process ended meanwhile, or whoever looks is not root
		}
		if err != nil {
			return err
		}
		for _, l := range links {
			where, ok := devices[pci.Address(l.Parent)]
			if l.ParentBus != "pci" || !ok {
				continue
			}
			*where = nameOf(ns, path, named)
			delete(devices, pci.Address(l.Parent))
			missing--
		}
		if missing == 0 {
			return nil
		}
	}
	return nil
}

// linksIn lists the netdevs of a network namespace.
func linksIn(ctx context.Context, path string) ([]rtlink.Link, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening a network namespace: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	var links []rtlink.Link
	err = netns.Thread(func() error {
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the network namespace %s (setns): %w", path, err)
		}
		links, err = rtlink.Dump(ctx)
		return err
	})
	return links, err
}

func inodeOf(path string) (uint64, bool) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, false
	}
	return st.Ino, true
}
