// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/kernel"
)

// cage is the cgroup of what is run in a site.
const cage = "nicwright-bench"

// Cage makes the cgroup in which programs of a run are: Clean kills what is left in
// there. errors.Is(err, [cgroup.ErrNone]).
func Cage() (cgroup.Group, error) { return cgroup.Create(cage) }

// yard is where files of a run are. It is not below /run/nicwright, which root alone can enter.
const yard = "/run/nicwright-bench"

// Yard mounts an empty file system in memory for the files of a run, of at most so
// many bytes, and gives its directory, which everybody can enter and root alone write
// to. Clean takes it away. There is one at a time.
func Yard(size int64) (string, error) {
	if err := unmountYard(); err != nil {
		return "", err
	}
	// Mkdir and not MkdirAll: what is there is not ours.
	if err := os.Mkdir(yard, 0o755); err != nil {
		return "", fmt.Errorf("making a directory for the files of a run: %w", err)
	}
	if err := unix.Mount("nicwright", yard, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("mode=0755,size=%d", size)); err != nil {
		return "", errors.Join(fmt.Errorf("mounting a file system in memory on %s: %w", yard, err), os.Remove(yard))
	}
	return yard, nil
}

func unmountYard() error {
	// Whoever may not unmount, as the unit of the boot, has nothing to unmount, most often.
	if _, err := os.Lstat(yard); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := unix.Unmount(yard, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmounting %s: %w; a bench was killed: an apply or verify by hand, which may unmount, puts back what it took", yard, err)
	}
	// A directory alone is removed, and only an empty one.
	if err := unix.Rmdir(yard); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w; look what is in it, and remove it", yard, err)
	}
	return nil
}

// Keep records how switches of the places' netdevs are (ethtool -k, by the kernel's
// names), so that Leave, or the next Clean, sets them back. Those that nobody can set
// are left out.
func (s *Site) Keep(ctx context.Context, names ...string) error {
	for i, p := range s.Places {
		kept := map[string]bool{}
		err := p.NS.Do(func() error {
			c, err := ethtool.Dial(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			have, err := c.Get(p.Index)
			for _, n := range names {
				if f, ok := have.Get(n); err == nil && ok && !f.Fixed() {
					kept[n] = f.Active
				}
			}
			return err
		})
		if err != nil {
			return kernel.Wrap("reading the offload switches", p.String(), err)
		}
		s.records[i].Features = kept
	}
	return write(s.records)
}

// setFeatures sets those that are not so, of a netdev of this namespace.
func setFeatures(ctx context.Context, index int, want map[string]bool) error {
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	have, err := c.Get(index)
	if err != nil {
		return err
	}
	change := map[string]bool{}
	for n, on := range want {
		if f, ok := have.Get(n); ok && f.Active != on {
			change[n] = on
		}
	}
	if len(change) == 0 {
		return nil
	}
	done, err := c.Set(index, change)
	if err == nil && len(done.Refused) > 0 {
		err = fmt.Errorf("the driver did not take %v", done.Refused)
	}
	return err
}

// ServesNFS records that the kernel is about to serve NFS in the namespace of one of
// the places, which would keep it: Leave, or the next Clean, ends that first.
func (s *Site) ServesNFS(at *Place) error {
	for i, p := range s.Places {
		s.records[i].NFS = s.records[i].NFS || p == at
	}
	return write(s.records)
}
