// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/debian"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// fetchRecipe changes when this file makes another artefact from the same packages.
const fetchRecipe = "kernel 1"

// sourceParts are the directories of the kernel's source that modules are built from.
var sourceParts = []string{
	"drivers/net/ethernet/mellanox/mlx5",
	"drivers/net/ethernet/mellanox/mlxfw",
	"drivers/net/netdevsim",
}

// bootModules reach the host and mount the root: loaded from the initramfs, in
// this order. Each kernel has some of them built in.
var bootModules = []string{
	"kernel/drivers/virtio/virtio.ko", "kernel/drivers/virtio/virtio_ring.ko",
	"kernel/drivers/virtio/virtio_pci_modern_dev.ko", "kernel/drivers/virtio/virtio_pci_legacy_dev.ko",
	"kernel/drivers/virtio/virtio_pci.ko", "kernel/drivers/char/virtio_console.ko",
	"kernel/fs/netfs/netfs.ko", "kernel/fs/fscache/fscache.ko",
	"kernel/net/9p/9pnet.ko", "kernel/net/9p/9pnet_virtio.ko",
	"kernel/fs/9p/9p.ko", "kernel/fs/overlayfs/overlay.ko",
}

// Kernel is a fetched kernel.
type Kernel struct {
	Row Row `json:"-"`
	// Dir is its directory: vmlinuz, tree/ (to be laid over the root: modules
	// and headers), source/ (parts of the source) and boot/ (uncompressed
	// modules for the initramfs).
	Dir string `json:"-"`
	// Release is what uname -r says.
	Release string
	// Packages are the packages it was made from, with their versions.
	Packages map[string]string
	// BootModules are the files of boot/ in the order of loading.
	BootModules []string
}

// Fetch returns the kernel of the row, from the cache or from the mirror. It
// is unpacked in a root, which is asked for when the packages are there.
func Fetch(ctx context.Context, c *cache.Cache, row Row, mirror string, log io.Writer, root func() (string, error)) (*Kernel, error) {
	key := cache.Key(fetchRecipe, row.Name, row.Suite, row.Compiler, strings.Join(sourceParts, " "), strings.Join(bootModules, " "))
	dir, err := c.Artefact(ctx, "kernel-"+row.Name, key, func(ctx context.Context, dir, work string) error {
		return fetch(ctx, row, dir, work, mirror, log, root)
	})
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		return nil, fmt.Errorf("read what kernel %s is: %w", row.Name, err)
	}
	k := &Kernel{Row: row, Dir: dir}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("read what kernel %s is, from %s/kernel.json: %w", row.Name, dir, err)
	}
	return k, nil
}

// parts of a kernel that its image and header packages depend on; Debian
// splits them differently from release to release.
var partOfKernel = regexp.MustCompile(`^linux-(image|headers|kbuild|binary|modules|base)-\d`)

func fetch(ctx context.Context, row Row, dir, work, mirror string, log io.Writer, rooted func() (string, error)) error {
	apt, err := debian.NewApt(ctx, "", work, mirror, row.Suite, log)
	if err != nil {
		return err
	}
	k := Kernel{Packages: map[string]string{}}
	if k.Release, err = newest(ctx, apt, row); err != nil {
		return err
	}
	source := "linux-source-" + row.Name
	names, err := closure(ctx, apt, "linux-image-"+k.Release, "linux-headers-"+k.Release)
	if err != nil {
		return err
	}
	names = append(names, source)
	for _, n := range names {
		if k.Packages[n], err = apt.Version(ctx, n); err != nil {
			return err
		}
	}
	debs, err := apt.Download(ctx, names...)
	if err != nil {
		return err
	}
	root, err := rooted()
	if err != nil {
		return err
	}
	for _, d := range []string{"tree", "source", "boot"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("unpack kernel %s: %w", row.Name, err)
		}
	}
	box := sandbox.Box{Root: root, Log: log, Binds: []sandbox.Bind{{From: dir, To: "/lab/build"}, {From: work, To: "/lab/apt", ReadOnly: true}}}
	for name, file := range debs {
		in := "/lab/apt/files/" + filepath.Base(file)
		if name != source {
			if _, err := box.Run(ctx, "dpkg", "-x", in, "/lab/build/tree"); err != nil {
				return fmt.Errorf("unpack %s: %w", name, err)
			}
			continue
		}
		// The tar file in the package is never written out: it is 1.5 GB unpacked.
		script := `set -e; deb=$1; src=$2; shift 2
dpkg --fsys-tarfile "$deb" | tar -xO "./usr/src/$src.tar.xz" | xz -dc -T0 | tar -x -C /lab/build/source --strip-components=1 "$@"`
		args := []string{"bash", "-o", "pipefail", "-c", script, "bash", in, source}
		for _, p := range sourceParts {
			args = append(args, source+"/"+p)
		}
		if _, err := box.Run(ctx, args...); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	if err := arrange(ctx, &k, row, root, dir, log); err != nil {
		return err
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("write down what kernel %s is: %w", row.Name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kernel.json"), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write down what kernel %s is: %w", row.Name, err)
	}
	return nil
}

// newest asks the metapackage for the kernel's release, and where that names
// another kernel, the list of all packages.
func newest(ctx context.Context, apt *debian.Apt, row Row) (string, error) {
	deps, err := apt.Depends(ctx, "linux-image-amd64")
	if err != nil {
		return "", err
	}
	if r := row.Newest(deps); r != "" {
		return r, nil
	}
	names, err := apt.Names(ctx, "linux-image-"+row.Name)
	if err != nil {
		return "", err
	}
	if r := row.Newest(names); r != "" {
		return r, nil
	}
	return "", fmt.Errorf("the mirror's suite %s has no kernel %s", row.Suite, row.Name)
}

func closure(ctx context.Context, apt *debian.Apt, names ...string) ([]string, error) {
	for i := 0; i < len(names); i++ {
		deps, err := apt.Depends(ctx, names[i])
		if err != nil {
			return nil, err
		}
		for _, d := range deps {
			// An unsigned image is offered as another choice for the signed one.
			if partOfKernel.MatchString(d) && !strings.HasSuffix(d, "-unsigned") && !slices.Contains(names, d) {
				names = append(names, d)
			}
		}
	}
	return names, nil
}

// arrange gives the unpacked packages the form that Kernel.Dir documents.
func arrange(ctx context.Context, k *Kernel, row Row, root, dir string, log io.Writer) error {
	tree := filepath.Join(dir, "tree")
	if err := moveImage(k, row, tree, dir); err != nil {
		return err
	}
	// Older packages have /lib, which would hide the root's link to usr/lib.
	if _, err := os.Lstat(filepath.Join(tree, "lib")); err == nil {
		if err := os.MkdirAll(filepath.Join(tree, "usr/lib"), 0o755); err != nil {
			return fmt.Errorf("move the modules: %w", err)
		}
		if err := os.Rename(filepath.Join(tree, "lib/modules"), filepath.Join(tree, "usr/lib/modules")); err != nil {
			return fmt.Errorf("move the modules: %w", err)
		}
		if err := os.RemoveAll(filepath.Join(tree, "lib")); err != nil {
			return fmt.Errorf("move the modules: %w", err)
		}
	}
	if err := moveKbuild(tree); err != nil {
		return err
	}
	for _, d := range []string{"boot", "usr/share", "etc"} {
		if err := os.RemoveAll(filepath.Join(tree, d)); err != nil {
			return fmt.Errorf("drop %s: %w", d, err)
		}
	}
	box := sandbox.Box{Root: root, Log: log, Binds: append(k.binds(dir), sandbox.Bind{From: dir, To: "/lab/build"})}
	if _, err := box.Run(ctx, "depmod", k.Release); err != nil {
		return fmt.Errorf("index the modules: %w", err)
	}
	for _, m := range bootModules {
		path := filepath.Join("usr/lib/modules", k.Release, m)
		name := filepath.Base(m)
		script := `if [ -e "$1.xz" ]; then exec xz -dc "$1.xz" >"$2"; elif [ -e "$1" ]; then exec cp "$1" "$2"; fi`
		if _, err := box.Run(ctx, "sh", "-c", script, "sh", "/"+path, "/lab/build/boot/"+name); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "boot", name)); err == nil {
			k.BootModules = append(k.BootModules, name)
		}
	}
	return nil
}

// moveImage moves the kernel's image to where Kernel.Dir documents it.
func moveImage(k *Kernel, row Row, tree, dir string) error {
	// Since 7.3 the image is beside the modules.
	for _, at := range []string{"boot/vmlinuz-" + k.Release, filepath.Join("usr/lib/modules", k.Release, "vmlinuz")} {
		err := os.Rename(filepath.Join(tree, at), filepath.Join(dir, "vmlinuz"))
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("find the image of kernel %s: it is neither in boot nor beside the modules of %s", row.Name, k.Release)
}

// moveKbuild moves usr/lib/linux-kbuild-* to usr/src, which can be mounted
// over the root's whole, and turns the headers' links to it.
func moveKbuild(tree string) error {
	kbuilds, err := filepath.Glob(filepath.Join(tree, "usr/lib/linux-kbuild-*"))
	if err != nil {
		return fmt.Errorf("find kbuild: %w", err)
	}
	for _, kb := range kbuilds {
		to := filepath.Join(tree, "usr/src", filepath.Base(kb))
		// Some releases have a link there, to what we are moving.
		if err := os.RemoveAll(to); err != nil {
			return fmt.Errorf("move kbuild: %w", err)
		}
		if err := os.Rename(kb, to); err != nil {
			return fmt.Errorf("move kbuild: %w", err)
		}
	}
	links, err := filepath.Glob(filepath.Join(tree, "usr/src/linux-headers-*/*"))
	if err != nil {
		return fmt.Errorf("find the headers' links: %w", err)
	}
	for _, l := range links {
		to, err := os.Readlink(l)
		if err != nil {
			continue // no link
		}
		_, rest, ok := strings.Cut(to, "/linux-kbuild-")
		if !ok {
			continue
		}
		if err := os.Remove(l); err != nil {
			return fmt.Errorf("turn a link of the headers: %w", err)
		}
		if err := os.Symlink("/usr/src/linux-kbuild-"+rest, l); err != nil {
			return fmt.Errorf("turn a link of the headers: %w", err)
		}
	}
	return nil
}

// Binds lay the kernel's modules and headers over the root.
func (k *Kernel) Binds() []sandbox.Bind { return k.binds(k.Dir) }

func (k *Kernel) binds(dir string) []sandbox.Bind {
	return []sandbox.Bind{
		{From: filepath.Join(dir, "tree/usr/src"), To: "/usr/src"},
		{From: filepath.Join(dir, "tree/usr/lib/modules"), To: "/usr/lib/modules"},
	}
}
