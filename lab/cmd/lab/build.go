// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/debian"
	"github.com/nicwright/nicwright/lab/internal/disk"
	"github.com/nicwright/nicwright/lab/internal/kernels"
	"github.com/nicwright/nicwright/lab/internal/modules"
)

// lab is an open cache and how to talk about what is done with it.
type lab struct {
	flags *flags
	cache *cache.Cache
	start time.Time
	// say is for what takes long, log for what is of interest with -v only.
	say, log func(format string, args ...any)
}

func open(f *flags) (*lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the lab must be run as root: it makes a Debian root directory and shares it with the machine")
	}
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("the lab has kernels for amd64 only, this is %s", runtime.GOARCH)
	}
	dir, err := cache.DefaultDir()
	if err != nil {
		return nil, err
	}
	l := &lab{flags: f, start: time.Now()}
	l.log = func(format string, args ...any) {
		if f.verbose {
			fmt.Fprintf(os.Stderr, "lab: %5.1f s: "+format+"\n", append([]any{time.Since(l.start).Seconds()}, args...)...)
		}
	}
	l.say = l.warn
	if l.cache, err = cache.Open(dir, func(format string, args ...any) { l.say(format, args...) }); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *lab) warn(format string, args ...any) { fmt.Fprintf(os.Stderr, "lab: "+format+"\n", args...) }

func (l *lab) close() {
	if err := l.cache.Close(); err != nil {
		l.warn("%v", err)
	}
}

// parts are what a machine is made from.
type parts struct {
	root    string
	kernel  *kernels.Kernel
	modules []string
	qemu    []string   // nil: the host's is good enough
	disk    *disk.Disk // nil: the machine boots from a root
	larger  string     // the root that is booted from where it is a larger one, "": it is root
	tests   string     // the archive of the kernel's self-tests, "": it is not asked for
}

// hostPrograms are the programs the lab runs on the host, by package.
var hostPrograms = map[string]string{"debootstrap": "debootstrap", "qemu-system-x86_64": "qemu-system-x86"}

// build makes what is not in the cache yet; card says whether the card's
// modules are wanted, which take longest.
func (l *lab) build(ctx context.Context, card bool) (*parts, error) {
	row, err := kernels.Find(l.flags.kernel)
	if err != nil {
		return nil, usageError{err}
	}
	programs := maps.Clone(hostPrograms)
	if l.flags.systemd {
		programs["mke2fs"] = "e2fsprogs"
	}
	if err := debian.Ensure(ctx, programs, l.say); err != nil {
		return nil, err
	}
	mirror, err := debian.Mirror("/etc")
	if err != nil {
		return nil, err
	}
	var out io.Writer
	if l.flags.verbose {
		out = os.Stderr
	}
	p := &parts{}
	// The kernel comes while the root is made, which it is unpacked in.
	inputs, inputsCtx := errgroup.WithContext(ctx)
	rooted := make(chan struct{})
	inputs.Go(func() (err error) {
		if p.root, err = debian.Root(inputsCtx, l.cache, row.Compiler, mirror, out); err == nil {
			close(rooted)
		}
		return err
	})
	inputs.Go(func() (err error) {
		p.kernel, err = kernels.Fetch(inputsCtx, l.cache, row, mirror, out, func() (string, error) {
			select {
			case <-rooted:
				return p.root, nil
			case <-inputsCtx.Done():
				return "", context.Cause(inputsCtx)
			}
		})
		return err
	})
	if err := inputs.Wait(); err != nil {
		return nil, err
	}
	if l.flags.bench {
		// Modules are built in the small one, and so the same ones.
		if p.larger, err = debian.BenchRoot(ctx, l.cache, row.Compiler, mirror, out); err != nil {
			return nil, err
		}
	}
	if l.flags.selftests {
		if p.larger, err = debian.SelftestRoot(ctx, l.cache, row.Compiler, mirror, out); err != nil {
			return nil, err
		}
	}
	if l.flags.fetchTests {
		if p.tests, err = p.kernel.Selftests(ctx, l.cache, p.root, mirror, out); err != nil {
			return nil, err
		}
	}
	if l.flags.systemd {
		if p.disk, err = disk.Make(ctx, l.cache, p.root, debian.RootKey(row.Compiler), p.kernel, mirror, out); err != nil {
			return nil, err
		}
	}
	if l.flags.igb {
		if p.qemu, err = debian.QEMU(ctx, l.cache, "igb", mirror, out); err != nil {
			return nil, err
		}
	}
	if l.flags.noModules {
		return p, nil
	}
	b := &modules.Builder{Cache: l.cache, Root: p.root, Kernel: p.kernel, Log: out}
	builds := []func(context.Context) (string, error){b.NetdevSim}
	if card {
		if b.CardDir, err = cardDir(); err != nil {
			return nil, err
		}
		builds = append(builds, b.MLX5Core, b.EmulatedCard)
	}
	// Side by side, for each has a time when one of its files alone is compiled. One that fails does not end the others:
	// the card's sources change, and the rest is kept.
	p.modules = make([]string, len(builds))
	var group errgroup.Group
	for n, build := range builds {
		group.Go(func() (err error) {
			p.modules[n], err = build(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return p, nil
}

// cardDirVariable names another directory of the card's sources.
const cardDirVariable = "LAB_CARD_DIR"

// cardDir finds the card's sources in the module of the working directory, or
// else where this program was built.
func cardDir() (string, error) {
	if d := os.Getenv(cardDirVariable); d != "" {
		return d, nil
	}
	cwd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the card's sources: %w", err)
	}
	candidates := []string{filepath.Join(moduleRoot(cwd), "lab/connectx")}
	if _, file, _, ok := runtime.Caller(0); ok {
		candidates = append(candidates, filepath.Join(filepath.Dir(file), "../../connectx"))
	}
	for _, c := range candidates {
		if _, err := os.Stat(filepath.Join(c, "Kbuild")); err == nil {
			return c, nil
		}
	}
	return "", fmt.Errorf("find the card's sources: no Kbuild in %q; run the lab inside of nicwright's source", candidates)
}
