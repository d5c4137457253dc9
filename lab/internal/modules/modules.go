// SPDX-License-Identifier: Apache-2.0

// Package modules builds the kernel modules that the lab loads: mlx5_core with
// TLS, IPsec and TC offload, netdevsim, and the emulated card. Each is an
// artefact of its own, keyed by its sources and options, so that a change of
// the card rebuilds the card alone.
package modules

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/kernels"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// Names of the modules' files.
const (
	MLX5      = "mlx5_core.ko"
	Card      = "connectx_emu.ko"
	Netdevsim = "netdevsim.ko"
)

// Builder builds modules for one kernel.
type Builder struct {
	Cache  *cache.Cache
	Root   string
	Kernel *kernels.Kernel
	// CardDir is the directory with the card's sources (lab/connectx).
	CardDir string
	// Log gets the compiler's output; nil drops it.
	Log io.Writer
}

// recipe is what one module is made from, beside the kernel.
type recipe struct {
	name string
	// sources are directories, by their place below /lab/build.
	sources map[string]string
	// dir is where make runs, below /lab/build; result is the module's path below that.
	dir, result string
	options     []string
	cflags      string
	key         []string
	keep        func(rel string) bool
	// bundles is a file that says which sources are compiled together; "": each by itself.
	bundles string
}

var mlx5Options = []string{
	"CONFIG_MLX5_EN_TLS=y", "CONFIG_MLX5_EN_IPSEC=y", "CONFIG_MLX5_CLS_ACT=y", "CONFIG_MLX5_TC_CT=y",
	"CONFIG_MLX5_SF=y", "CONFIG_MLX5_SF_MANAGER=y",
}

// bundlesFile says which sources of mlx5_core do not get in each other's way.
const bundlesFile = "bundles"

// MLX5Core builds mlx5_core from the kernel's own source. The options that
// Debian leaves out are given to make (which files) and to the compiler (what
// is in them); the shim stands for NET_TC_SKB_EXT, which is not there.
func (b *Builder) MLX5Core(ctx context.Context) (string, error) {
	shim := filepath.Join(b.CardDir, "mlx5")
	flags := "-g0"
	for _, o := range mlx5Options {
		flags += " -D" + strings.TrimSuffix(o, "=y") + "=1"
	}
	flags += " -include /lab/build/shim/mlx5-shim.h"
	src := filepath.Join(b.Kernel.Dir, "source/drivers/net/ethernet/mellanox")
	return b.build(ctx, recipe{
		name:    "mlx5",
		sources: map[string]string{"mlx5": filepath.Join(src, "mlx5"), "mlxfw": filepath.Join(src, "mlxfw"), "shim": shim},
		dir:     "mlx5/core",
		result:  MLX5,
		options: mlx5Options,
		cflags:  flags,
		keep:    func(rel string) bool { return strings.HasSuffix(rel, ".h") || rel == bundlesFile },
		key:     []string{shim},
		bundles: filepath.Join(shim, bundlesFile),
	})
}

// NetdevSim builds netdevsim from the kernel's own source.
func (b *Builder) NetdevSim(ctx context.Context) (string, error) {
	return b.build(ctx, recipe{
		name:    "netdevsim",
		sources: map[string]string{"netdevsim": filepath.Join(b.Kernel.Dir, "source/drivers/net/netdevsim")},
		dir:     "netdevsim",
		result:  Netdevsim,
		options: []string{"CONFIG_NETDEVSIM=m", "CONFIG_XFRM_OFFLOAD=y", "CONFIG_MACSEC=m", "CONFIG_PSAMPLE=m"},
		cflags:  "-g0",
	})
}

// EmulatedCard builds the emulated card.
func (b *Builder) EmulatedCard(ctx context.Context) (string, error) {
	return b.build(ctx, recipe{
		name:    "card",
		sources: map[string]string{"card": b.CardDir},
		dir:     "card",
		result:  Card,
		cflags:  "-g0",
		keep:    IsKernelSource,
		key:     []string{b.CardDir},
	})
}

// IsKernelSource tells what the card is built from, from notes, tests and
// what a build by hand leaves, by its path below the card's sources.
func IsKernelSource(rel string) bool {
	base := filepath.Base(rel)
	if strings.HasSuffix(base, ".mod.c") {
		return false
	}
	switch filepath.Ext(base) {
	case ".c", ".h", ".S":
		return true
	}
	return base == "Kbuild" || base == "Makefile"
}

func (b *Builder) build(ctx context.Context, r recipe) (string, error) {
	parts := []string{"modules 1", r.name, b.Kernel.Release, fmt.Sprint(b.Kernel.Packages), b.Kernel.Row.Compiler, strings.Join(r.options, " "), r.cflags}
	// The kernel's own sources are named by its packages' versions; ours are hashed.
	for _, dir := range r.key {
		h, err := cache.HashTree(dir, r.keep)
		if err != nil {
			return "", err
		}
		parts = append(parts, h)
	}
	dir, err := b.Cache.Artefact(ctx, r.name+"-"+b.Kernel.Row.Name, cache.Key(parts...), func(ctx context.Context, dir, work string) error {
		return b.compile(ctx, r, dir, work)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, r.result), nil
}

func (b *Builder) compile(ctx context.Context, r recipe, dir, work string) error {
	for to, from := range r.sources {
		if err := os.CopyFS(filepath.Join(work, to), os.DirFS(from)); err != nil {
			return fmt.Errorf("copy the sources: %w", err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "build.log"))
	if err != nil {
		return fmt.Errorf("write the build's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	out := io.Writer(log)
	if b.Log != nil {
		out = io.MultiWriter(log, b.Log)
	}
	box := sandbox.Box{Root: b.Root, Log: out, Binds: append(b.Kernel.Binds(), sandbox.Bind{From: work, To: "/lab/build"})}
	args := []string{
		"make", fmt.Sprintf("-j%d", runtime.NumCPU()),
		"-C", "/lib/modules/" + b.Kernel.Release + "/build", "M=/lab/build/" + r.dir,
		"KCFLAGS=" + r.cflags, "CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_MODULE_SIG=n",
	}
	args = append(append(args, r.options...), "modules")
	if err := b.make(ctx, box, r, work, args); err != nil {
		return fmt.Errorf("compile %s for %s: %w", r.result, b.Kernel.Release, err)
	}
	ko, err := os.ReadFile(filepath.Join(work, r.dir, r.result))
	if err != nil {
		return fmt.Errorf("find the module that was built: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, r.result), ko, 0o644); err != nil {
		return fmt.Errorf("keep the module: %w", err)
	}
	return nil
}

// make compiles a module, in bundles where it has some. Another kernel's sources may
// get in each other's way: then each is compiled by itself.
func (b *Builder) make(ctx context.Context, box sandbox.Box, r recipe, work string, args []string) error {
	if r.bundles != "" {
		together, err := b.bundle(ctx, box, r, work)
		if err != nil {
			return err
		}
		module := strings.TrimSuffix(r.result, ".ko")
		_, err = box.Run(ctx, append(slices.Clone(args), module+"-y="+together, module+"-m=")...)
		if err == nil || ctx.Err() != nil {
			return err
		}
		fmt.Fprintln(box.Log, "The bundles do not compile: each source is compiled by itself.")
	}
	_, err := box.Run(ctx, args...)
	return err
}
