// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// rootRecipe changes when this file makes another root from the same packages.
const rootRecipe = "root 1"

// benchRecipe changes when this file makes another root for benches from the same packages.
const benchRecipe = "bench 1"

// RootSuite is the Debian release of the root.
const RootSuite = "trixie"

// rootPackages are what tests and people use in the machine, and what modules
// are built with.
var rootPackages = []string{
	"iproute2", "ethtool", "openvswitch-switch", "openssl", "kmod", "procps", "pciutils", "udev",
	"iputils-ping", "iperf3", "tcpdump", "strace", "nginx", "wrk", "curl", "jq", "netcat-openbsd", "busybox-static", "charon-systemd",
	"make", "libc6-dev", "bc", "bison", "flex", "libelf-dev", "xz-utils",
}

// benchPackages are what `nicwright bench` and its tests measure with, beside
// rootPackages. fio alone brings forty packages: who boots any other machine does
// not fetch them.
var benchPackages = []string{"fio", "nfs-kernel-server", "nfs-common", "ktls-utils"}

// selftestRecipe changes when this file makes another root for the kernel's self-tests from the same packages.
const selftestRecipe = "selftest 1"

// selftestPackages are what the kernel's own self-tests (lab/kselftest) are written in and send with, beside rootPackages.
var selftestPackages = []string{"python3", "python3-yaml", "python3-jsonschema", "netsniff-ng", "ncat", "socat", "iputils-arping", "libcap-dev", "libmnl-dev"}

// mountPoints are made in the root, which is read-only afterwards.
var mountPoints = []string{"lab/apt", "lab/build", "usr/lib/modules", "usr/src", "etc/ssl/certs"}

// dpkgOptions: a root that is thrown away on any error needs no fsync, and
// nobody reads manuals in it.
const dpkgOptions = `force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
`

// RootKey is the key of the root with the compiler.
func RootKey(compiler string) string {
	return cache.Key(append([]string{rootRecipe, RootSuite, dpkgOptions, compiler, strings.Join(mountPoints, " ")}, rootPackages...)...)
}

// Root returns the directory of the root: Debian with rootPackages and the
// compiler of the kernel.
func Root(ctx context.Context, c *cache.Cache, compiler, mirror string, log io.Writer) (string, error) {
	return c.Artefact(ctx, "root", RootKey(compiler), func(ctx context.Context, dir, work string) error {
		return bootstrap(ctx, dir, work, append(slices.Clone(rootPackages), compiler), mirror, log)
	})
}

// BenchRoot returns the directory of the larger root: Root, and benchPackages.
func BenchRoot(ctx context.Context, c *cache.Cache, compiler, mirror string, log io.Writer) (string, error) {
	return largerRoot(ctx, c, "bench", benchRecipe, compiler, mirror, benchPackages, log)
}

// SelftestRoot returns the directory of the root for the kernel's self-tests: Root, and selftestPackages.
func SelftestRoot(ctx context.Context, c *cache.Cache, compiler, mirror string, log io.Writer) (string, error) {
	return largerRoot(ctx, c, "selftest", selftestRecipe, compiler, mirror, selftestPackages, log)
}

// largerRoot returns the directory of a copy of Root with more packages, so that what others boot stays as it is.
func largerRoot(ctx context.Context, c *cache.Cache, kind, recipe, compiler, mirror string, packages []string, log io.Writer) (string, error) {
	root, err := Root(ctx, c, compiler, mirror, log)
	if err != nil {
		return "", err
	}
	key := cache.Key(append([]string{recipe, RootKey(compiler)}, packages...)...)
	return c.Artefact(ctx, kind, key, func(ctx context.Context, dir, work string) error {
		host := sandbox.Box{Log: log}
		if _, err := host.Run(ctx, "cp", "-a", "--reflink=auto", root+"/.", dir); err != nil {
			return fmt.Errorf("copy the root: %w", err)
		}
		apt, err := NewApt(ctx, dir, work, mirror, RootSuite, log)
		if err != nil {
			return err
		}
		if err := apt.Install(ctx, packages...); err != nil {
			return err
		}
		return tidy(dir)
	})
}

func bootstrap(ctx context.Context, dir, work string, packages []string, mirror string, log io.Writer) error {
	host := sandbox.Box{Log: log}
	if _, err := host.Run(ctx, "debootstrap", "--variant=minbase", RootSuite, dir, mirror); err != nil {
		return err
	}
	for _, d := range mountPoints {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("make a mount point: %w", err)
		}
	}
	files := map[string]string{
		"etc/dpkg/dpkg.cfg.d/lab": dpkgOptions,
		"usr/sbin/policy-rc.d":    "#!/bin/sh\nexit 101\n", // no daemon is started while packages are installed
		"etc/resolv.conf":         "",
		"etc/hosts":               "127.0.0.1 localhost lab\n::1 localhost\n",
		"etc/hostname":            "lab\n",
		"etc/apt/sources.list":    "",
	}
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.RemoveAll(p); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	apt, err := NewApt(ctx, dir, work, mirror, RootSuite, log)
	if err != nil {
		return err
	}
	if err := apt.Install(ctx, packages...); err != nil {
		return err
	}
	return tidy(dir)
}

// tidy takes out of a root what installing left.
func tidy(dir string) error {
	for _, d := range []string{"var/cache/apt/archives", "var/lib/apt/lists", "var/log", "tmp"} {
		entries, err := os.ReadDir(filepath.Join(dir, d))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(dir, d, e.Name())); err != nil {
				return fmt.Errorf("clean the root: %w", err)
			}
		}
	}
	return nil
}
