// SPDX-License-Identifier: Apache-2.0

// Package disk makes the disk of a machine that boots as a host does: the lab's
// Debian root with systemd as process 1, on ext4, with the kernel's modules.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/debian"
	"github.com/nicwright/nicwright/lab/internal/guest"
	"github.com/nicwright/nicwright/lab/internal/kernels"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// recipe changes when this file makes another disk from the same packages.
const recipe = "disk 1"

// packages are those of the disk beside the root's.
var packages = []string{"systemd-sysv", "dbus"}

// left are what is not copied from the root: compilers. Mount points stay.
var left = []string{"usr/lib/gcc", "usr/libexec/gcc"}

// bootModules find the root's disk and its file system; what they depend on comes with them.
var bootModules = []string{"virtio_blk", "ext4", "crc32c_generic"}

// builtIn are those of them that later kernels have no module of.
var builtIn = []string{"crc32c_generic"}

// files are written to the disk as they are.
var files = map[string]string{
	"etc/fstab":                            "",
	"etc/.updated":                         "", // newer than /usr: what systemd does after an upgrade takes a minute here
	"var/.updated":                         "",
	"etc/machine-id":                       "6e696377726967687420206c61620000\n", // a new one at each boot would be a first boot each time
	"etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n",
	"etc/systemd/system.conf.d/lab.conf":   "[Manager]\nShowStatus=no\n",
}

// sizeMiB is the size of the disk; what is not written takes no room on the host.
const sizeMiB = 3072

// Disk is what a machine boots from.
type Disk struct {
	// Dir has the image, and boot/ with the modules that mount it.
	Dir string
	// Modules are the files of boot/ in the order of loading.
	Modules []string
}

// Image is the disk's file. It is to be copied and not to be written to.
func (d *Disk) Image() string { return filepath.Join(d.Dir, "disk.img") }

// Make returns the disk for a kernel, from the cache or made from the root.
func Make(ctx context.Context, c *cache.Cache, root, rootKey string, k *kernels.Kernel, mirror string, log io.Writer) (*Disk, error) {
	parts := []string{recipe, rootKey, k.Release, fmt.Sprint(k.Packages), fmt.Sprint(sizeMiB)}
	for _, list := range [][]string{packages, left, bootModules} {
		parts = append(parts, strings.Join(list, " "))
	}
	parts = append(parts, fmt.Sprint(files))
	dir, err := c.Artefact(ctx, "disk-"+k.Row.Name, cache.Key(parts...), func(ctx context.Context, dir, work string) error {
		return build(ctx, root, k, dir, work, mirror, log)
	})
	if err != nil {
		return nil, err
	}
	order, err := os.ReadFile(filepath.Join(dir, "boot", "order"))
	if err != nil {
		return nil, fmt.Errorf("read which modules mount the disk: %w", err)
	}
	return &Disk{Dir: dir, Modules: strings.Fields(string(order))}, nil
}

// Copy makes the file of a machine's own, unless it is there already.
func (d *Disk) Copy(ctx context.Context, to string) error {
	if _, err := os.Stat(to); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// Renamed when whole: who is killed leaves no torso that would be booted. cp keeps the holes.
	torso := to + ".new"
	if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", "--reflink=auto", d.Image(), torso).CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("copy the disk: %w: %s", err, out), os.RemoveAll(torso))
	}
	if err := os.Rename(torso, to); err != nil {
		return fmt.Errorf("copy the disk: %w", err)
	}
	return nil
}

func build(ctx context.Context, root string, k *kernels.Kernel, dir, work, mirror string, log io.Writer) error {
	host := sandbox.Box{Log: log}
	tree := filepath.Join(work, "tree")
	apt := filepath.Join(work, "apt")
	if err := os.Mkdir(apt, 0o700); err != nil {
		return fmt.Errorf("make a directory for apt: %w", err)
	}
	// A copy: what dpkg writes to is never the root of the others.
	if _, err := host.Run(ctx, "cp", "-a", "--reflink=auto", root, tree); err != nil {
		return fmt.Errorf("copy the root: %w", err)
	}
	for _, l := range left {
		if err := os.RemoveAll(filepath.Join(tree, l)); err != nil {
			return fmt.Errorf("leave %s out: %w", l, err)
		}
	}
	a, err := debian.NewApt(ctx, tree, apt, mirror, debian.RootSuite, log)
	if err != nil {
		return err
	}
	if err := a.Install(ctx, packages...); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(tree, "usr/sbin/policy-rc.d")); err != nil {
		return fmt.Errorf("let daemons start: %w", err)
	}
	if err := settle(tree); err != nil {
		return err
	}
	if err := addModules(ctx, k, tree, dir, log); err != nil {
		return err
	}
	image := (&Disk{Dir: dir}).Image()
	if _, err := host.Run(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, "-L", "lab", "-E", "lazy_itable_init=1,root_owner=0:0",
		image, fmt.Sprintf("%dM", sizeMiB)); err != nil {
		return fmt.Errorf("make the file system: %w", err)
	}
	return nil
}

// settle writes what makes the root one that boots.
func settle(tree string) error {
	for name, text := range files {
		p := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := os.Symlink(guest.LabDir+"/modules", filepath.Join(tree, guest.ModulesDir)); err != nil {
		return fmt.Errorf("link to where the lab's modules will be: %w", err)
	}
	return nil
}

// addModules copies the kernel's modules to the tree, and those that mount the disk to boot/.
func addModules(ctx context.Context, k *kernels.Kernel, tree, dir string, log io.Writer) error {
	from := filepath.Join(k.Dir, "tree/usr/lib/modules", k.Release)
	to := filepath.Join(tree, "usr/lib/modules", k.Release)
	host := sandbox.Box{Log: log}
	if _, err := host.Run(ctx, "cp", "-a", from, to); err != nil {
		return fmt.Errorf("copy the kernel's modules: %w", err)
	}
	for _, l := range []string{"build", "source"} { // links to headers, which are not there
		if err := os.RemoveAll(filepath.Join(to, l)); err != nil {
			return fmt.Errorf("leave the kernel's headers out: %w", err)
		}
	}
	boot := filepath.Join(dir, "boot")
	if err := os.Mkdir(boot, 0o755); err != nil {
		return fmt.Errorf("make a directory for modules: %w", err)
	}
	box := sandbox.Box{Root: tree, Log: log, Binds: []sandbox.Bind{{From: boot, To: "/lab/build"}}}
	var order []string
	for _, m := range bootModules {
		out, err := box.Run(ctx, "modprobe", "--set-version", k.Release, "--show-depends", m)
		if err != nil && slices.Contains(builtIn, m) && strings.Contains(err.Error(), "not found in directory") {
			continue
		}
		if err != nil {
			return fmt.Errorf("find what %s depends on: %w", m, err)
		}
		for line := range strings.Lines(out) {
			path, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
			if !ok {
				continue // builtin
			}
			path, _, _ = strings.Cut(path, " ")
			name := strings.TrimSuffix(filepath.Base(path), ".xz")
			if slices.Contains(order, name) {
				continue
			}
			script := `case $1 in *.xz) xz -dc "$1" >"$2" ;; *) cp "$1" "$2" ;; esac`
			if _, err := box.Run(ctx, "sh", "-c", script, "sh", path, "/lab/build/"+name); err != nil {
				return fmt.Errorf("unpack %s: %w", name, err)
			}
			order = append(order, name)
		}
	}
	if err := os.WriteFile(filepath.Join(boot, "order"), []byte(strings.Join(order, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("write which modules mount the disk: %w", err)
	}
	return nil
}
