// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/modules"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// Places of the emulated card: its module where DKMS or a package puts it, and its sources.
var (
	builtPlaces  = []string{"updates/dkms/connectx_emu.ko*", "updates/connectx_emu.ko*", "extra/connectx_emu.ko*"}
	packagePlace = "usr/lib/nicwright/rehearse/%s/connectx_emu.ko*"
	sourcePlaces = []string{"usr/src/nicwright-connectx-*", "usr/share/nicwright/rehearse/connectx", "usr/local/share/nicwright/rehearse/connectx"}
)

// installedCard finds the card's module for a kernel, "" where there is none.
func installedCard(root, modulesDir, release string) string {
	for _, pattern := range builtPlaces {
		if found, err := filepath.Glob(filepath.Join(modulesDir, pattern)); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	found, err := filepath.Glob(filepath.Join(root, fmt.Sprintf(packagePlace, release)))
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}

// cardSources is the directory with the card's sources.
func cardSources(root string) (string, error) {
	for _, pattern := range sourcePlaces {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			continue // the pattern is ours
		}
		for i := len(found) - 1; i >= 0; i-- {
			if _, err := os.Stat(filepath.Join(found[i], "Kbuild")); err == nil {
				return found[i], nil
			}
		}
	}
	return "", refuse("the emulated card's sources are not here: install the package nicwright-rehearse again (looked for %s)", strings.Join(sourcePlaces, ", "))
}

// kernelDir is a kernel's directories: modules and headers, and where it came from
// packages the tree that they were unpacked to.
type kernelDir struct {
	release, image, modules string
	// tree is laid over the root; "": the root has it all.
	tree string
}

// card gives the file of the card's module for a kernel: one that is installed, or one
// that is built against the kernel's headers and kept in the cache.
func card(ctx context.Context, c *cache.Cache, root string, k kernelDir, scratch string, log func(string, ...any)) (string, error) {
	if there := installedCard(root, k.modules, k.release); there != "" {
		to := filepath.Join(scratch, modules.Card)
		return to, unpackModule(ctx, there, to)
	}
	headers, err := headersOf(root, k)
	if err != nil {
		return "", err
	}
	sources, err := cardSources(root)
	if err != nil {
		return "", err
	}
	hash, err := cache.HashTree(sources, modules.IsKernelSource)
	if err != nil {
		return "", err
	}
	// Another build of the same release has other checksums of its symbols.
	symbols, err := os.ReadFile(filepath.Join(headers, "Module.symvers"))
	if err != nil {
		return "", refuse("kernel %s: its headers (%s) have no Module.symvers: install the package of its headers again", k.release, headers)
	}
	dir, err := c.Artefact(ctx, "rehearsal-card", cache.Key("card 1", k.release, hash, cache.Key(string(symbols))), func(ctx context.Context, dir, work string) error {
		log("building the emulated card for kernel %s", k.release)
		return build(ctx, root, k, sources, dir, work)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, modules.Card), nil
}

// headersOf is the directory of a kernel's headers, for which its modules have a link.
func headersOf(root string, k kernelDir) (string, error) {
	link := filepath.Join(k.modules, "build")
	none := refuse("there are no headers of kernel %s (%s): the emulated card cannot be built for it; install linux-headers-%s, or kernel-devel on Fedora and SUSE", k.release, link, k.release)
	to, err := os.Readlink(link)
	if err != nil {
		to = link // a directory, or nothing
	}
	candidates := []string{to}
	if filepath.IsAbs(to) && to != link {
		candidates = []string{filepath.Join(cmp.Or(k.tree, root), to), filepath.Join(root, to)}
	} else if to != link {
		// Relative to the place below usr, also if lib is a link to it.
		place := filepath.Join("usr/lib/modules", k.release, to)
		candidates = []string{filepath.Join(filepath.Dir(link), to), filepath.Join(root, place)}
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "Makefile")); err == nil {
			return dir, nil
		}
	}
	return "", none
}

// workPlace is where the build sees its directory: one that every root has, in the build's own mounts.
const workPlace = "/mnt"

// build compiles the card. Nothing of the host is changed: the sources are a copy, and
// what is mounted is seen by the build alone.
func build(ctx context.Context, root string, k kernelDir, sources, dir, work string) error {
	err := filepath.WalkDir(sources, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(sources, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(work, rel), 0o755)
		}
		if !d.Type().IsRegular() || !modules.IsKernelSource(rel) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(work, rel), text, 0o644)
	})
	if err != nil {
		return fmt.Errorf("copy the emulated card's sources: %w", err)
	}
	box := sandbox.Box{Root: box(root)}
	if k.tree != "" {
		box.Binds = append(box.Binds, sandbox.Bind{From: filepath.Join(k.tree, "usr"), To: "/usr", Over: true})
	}
	box.Binds = append(box.Binds, sandbox.Bind{From: work, To: workPlace})
	_, err = box.Run(ctx, "make", fmt.Sprintf("-j%d", runtime.NumCPU()), "-C", "/lib/modules/"+k.release+"/build", "M="+workPlace,
		"KCFLAGS=-g0", "CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_MODULE_SIG=n", "modules")
	if err != nil {
		return fmt.Errorf("the emulated card could not be built for kernel %s: is there make, and the compiler that its headers name? %w", k.release, err)
	}
	module, err := os.ReadFile(filepath.Join(work, modules.Card))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, modules.Card), module, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep the emulated card's module: %w", err)
	}
	return nil
}

// box is a root as the sandbox has it: "" is the host's.
func box(root string) string {
	if root == "/" {
		return ""
	}
	return root
}

// noMachine refuses where the host lacks what a machine takes.
func noMachine(lookPath func(string) (string, error), arch string) error {
	if arch != "amd64" {
		return refuse("a rehearsal takes an x86-64 host: the machine is one, and this host is %s", arch)
	}
	if _, err := lookPath(qemu); err != nil {
		return refuse("there is no %s: install QEMU (qemu-system-x86 on Debian and Ubuntu, qemu-system-x86-core on Fedora, qemu-x86 on SUSE)", qemu)
	}
	return nil
}

const qemu = "qemu-system-x86_64"

var errNoAnswer = errors.New("the machine gave no answer")
