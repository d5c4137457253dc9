// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/internal/hostkernel"
	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// unpack gives the kernel that is in packages: its image and modules, and its headers
// if they are among them. They are unpacked into the cache, never installed.
func unpack(ctx context.Context, c *cache.Cache, root string, files []string) (kernelDir, error) {
	key := []string{"packages 1", root}
	for _, f := range files {
		if !strings.HasSuffix(f, ".deb") {
			return kernelDir{}, refuse("%s: only Debian's packages (.deb) are unpacked; install the kernel, and name it by its version", f)
		}
		info, err := os.Stat(f)
		if err != nil {
			return kernelDir{}, fmt.Errorf("read a package: %w", err)
		}
		key = append(key, f, info.ModTime().String(), fmt.Sprint(info.Size()))
	}
	dir, err := c.Artefact(ctx, "rehearsal-kernel", cache.Key(key...), func(ctx context.Context, dir, _ string) error {
		for _, f := range files {
			// dpkg-deb is of the package dpkg, which every Debian has.
			if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", f, dir).CombinedOutput(); err != nil {
				return fmt.Errorf("unpack %s: %w: %s", f, err, strings.TrimSpace(string(out)))
			}
		}
		return arrange(ctx, root, dir)
	})
	if err != nil {
		return kernelDir{}, err
	}
	return inTree(dir)
}

// inTree is the one kernel that was unpacked.
func inTree(dir string) (kernelDir, error) {
	found, err := hostkernel.Find(filepath.Join(dir, "usr")) // lib/modules is below usr
	if err == nil && len(found) == 0 {
		if found, err = hostkernel.Find(dir); err == nil && len(found) == 0 {
			found, err = imageApart(dir)
		}
	}
	switch {
	case err != nil:
		return kernelDir{}, err
	case len(found) == 0:
		return kernelDir{}, refuse("there is no kernel in these packages: an image and its modules. Debian has both in linux-image-VERSION up to 7.2, and then in linux-binary-VERSION and linux-modules-VERSION: name both")
	case len(found) > 1:
		return kernelDir{}, refuse("there are several kernels in these packages (%s and %s): name the packages of one", found[0].Release, found[1].Release)
	}
	return kernelDir{release: found[0].Release, image: found[0].Image, modules: found[0].Modules, tree: dir}, nil
}

// imageApart finds a kernel whose image is in boot and whose modules are below usr.
func imageApart(dir string) ([]hostkernel.Kernel, error) {
	images, err := filepath.Glob(filepath.Join(dir, "boot/vmlinuz-*"))
	if err != nil {
		return nil, fmt.Errorf("look for the kernel's image: %w", err)
	}
	var found []hostkernel.Kernel
	for _, image := range images {
		release := strings.TrimPrefix(filepath.Base(image), "vmlinuz-")
		modules := filepath.Join(dir, "usr/lib/modules", release)
		if _, err := os.Stat(modules); err == nil {
			found = append(found, hostkernel.Kernel{Release: release, Image: image, Modules: modules})
		}
	}
	return found, nil
}

// arrange makes of what was unpacked a tree that can be laid over a root whose lib is a
// link to usr/lib, and indexes its modules, as the package's own script would.
func arrange(ctx context.Context, root, dir string) error {
	modules := filepath.Join(dir, "usr/lib/modules")
	if info, err := os.Lstat(filepath.Join(dir, "lib")); err == nil && info.IsDir() {
		err := os.MkdirAll(filepath.Dir(modules), 0o755)
		if err == nil {
			err = os.Rename(filepath.Join(dir, "lib/modules"), modules)
		}
		if err == nil || errors.Is(err, os.ErrNotExist) {
			err = os.RemoveAll(filepath.Join(dir, "lib"))
		}
		if err != nil {
			return fmt.Errorf("move the modules: %w", err)
		}
	}
	k, err := inTree(dir)
	if err != nil {
		return err
	}
	box := sandbox.Box{Root: box(root), Binds: []sandbox.Bind{{From: modules, To: "/usr/lib/modules"}}}
	if _, err := box.Run(ctx, "depmod", k.release); err != nil {
		return fmt.Errorf("index the modules of kernel %s: %w", k.release, err)
	}
	return nil
}
