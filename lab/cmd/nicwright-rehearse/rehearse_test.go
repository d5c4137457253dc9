// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Kernels of the lab that are the host's: the one that runs, and the next.
const (
	before = "6.12"
	after  = "7.3"
)

// host is a host's root directory, made of links to the lab's artefacts: none of it is to be written to.
type host struct {
	root, bin, cache string
	release          map[string]string // by the lab's name of the kernel
	driver           string            // mlx5_core with TLS, IPsec and TC, built for before
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

var built = regexp.MustCompile(`(?m)^(root|kernel|module) +(\S+)(?: \((\S+)\))?$`)

// newHost has both kernels installed, each with Debian's own driver, and what the package nicwright-rehearse brings.
func newHost(t *testing.T) *host {
	t.Helper()
	if os.Getenv("NICWRIGHT_BOOT") == "" {
		t.Skip("boots kernels, which takes minutes: make test-rehearse")
	}
	h := &host{bin: t.TempDir(), release: map[string]string{}}
	for _, p := range []string{"cmd/nicwright", "lab/cmd/lab", "lab/cmd/nicwright-rehearse"} {
		run(t, "go", "build", "-ldflags=-s -w", "-o", filepath.Join(h.bin, filepath.Base(p)), "../../../"+p)
	}
	user, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// Beside the lab's cache, so that files can be linked, and so that the card's modules are there the next time.
	h.cache = filepath.Join(user, "nicwright-rehearse")
	if err := os.MkdirAll(h.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(h.cache, "host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h.root = filepath.Join(dir, "root")
	var root, card string
	var kernels []string
	for name, flags := range map[string][]string{before: nil, after: {"--no-modules"}} {
		out := run(t, filepath.Join(h.bin, "lab"), append([]string{"build", "--kernel", name}, flags...)...)
		for _, m := range built.FindAllStringSubmatch(out, -1) {
			what, at := m[1], m[2]
			switch {
			case what == "root" && name == before: // both have the same
				root = at
			case what == "kernel":
				h.release[name] = m[3]
				kernels = append(kernels, at)
			case what == "module" && filepath.Base(at) == "mlx5_core.ko":
				h.driver = at
			case what == "module" && filepath.Base(at) == "connectx_emu.ko":
				card = at
			}
		}
	}
	run(t, "cp", "-al", root, h.root)
	for _, at := range kernels {
		run(t, "cp", "-al", filepath.Join(at, "tree/usr")+"/.", filepath.Join(h.root, "usr"))
		run(t, "sh", "-c", `cp -al "$1"/vmlinuz "$2"/boot/vmlinuz-"$(ls "$1"/tree/usr/lib/modules)"`, "sh", at, h.root)
	}
	// For one kernel the card's module is there, as a package would bring it; for the other one it is built.
	there := filepath.Join(h.root, "usr/lib/nicwright/rehearse", h.release[before])
	if err := os.MkdirAll(there, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", card, there)
	sources := filepath.Join(h.root, "usr/share/nicwright/rehearse/connectx")
	if err := os.MkdirAll(sources, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "sh", "-c", `cp ../../connectx/*.[ch] ../../connectx/Kbuild "$1"`, "sh", sources)
	return h
}

// vendorDriver installs a driver for the kernel that runs as DKMS would, and for the other one not.
func (h *host) vendorDriver(t *testing.T) {
	t.Helper()
	updates := filepath.Join(h.root, "usr/lib/modules", h.release[before], "updates")
	if err := os.MkdirAll(updates, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", h.driver, updates)
	// depmod renames what it writes into its place: the lab's own index stays.
	run(t, "chroot", h.root, "depmod", h.release[before])
}

// state is what the root directory has, with times and sizes.
func (h *host) state(t *testing.T) string {
	t.Helper()
	return run(t, "find", h.root, "-printf", "%P %m %s %T@ %l\n")
}

// rehearse runs the verb, and gives its first line and all that it printed. The host is to be as it was.
func (h *host) rehearse(t *testing.T, code int, args ...string) (line, all string) {
	t.Helper()
	was := h.state(t)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	args = append([]string{
		"rehearse", "--root", h.root, "--against", h.release[before], "--cache", filepath.Join(h.cache, "cache"), "--card", "ports=2,vfs=8",
		"--state-dir", t.TempDir(), "--run-dir", t.TempDir(), "--config-dir", t.TempDir(),
	}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(h.bin, "nicwright"), args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("nicwright %s: %v, want exit status %d\n%s%s", strings.Join(args, " "), err, code, out, said.String())
	}
	if is := h.state(t); is != was {
		t.Error("the host's root directory has changed")
	}
	line, _, _ = strings.Cut(string(out), "\n")
	t.Logf("%s\n%s", said.String(), out)
	return line, string(out)
}

// Both kernels have Debian's driver: what the profile asks for goes with both. As an installed kernel, and from packages.
func TestTheProfileWillGo(t *testing.T) {
	h := newHost(t)
	profile, err := filepath.Abs("../../../examples/legacy-sriov.yaml")
	if err != nil {
		t.Fatal(err)
	}
	line, all := h.rehearse(t, 0, "-p", profile)
	if !strings.HasPrefix(line, "with "+h.release[after]+" your profile will go as it does with "+h.release[before]+" (legacy-sriov): ") {
		t.Errorf("first line %q", line)
	}
	for _, said := range []string{"how fast it is", "MLX5_EN_TLS", "driver vfio-pci", "rehearsal of " + h.release[before]} {
		if !strings.Contains(all, said) {
			t.Errorf("it does not say %q", said)
		}
	}

	_, all = h.rehearse(t, 0, "-p", profile, "--kernel", h.packed(t), "--json")
	var judged []struct{ Verdict, Kernel string }
	if err := json.Unmarshal([]byte(all), &judged); err != nil || len(judged) != 1 || judged[0].Verdict != "goes" || judged[0].Kernel != h.release[after] {
		t.Errorf("from a package: %v, %+v", err, judged)
	}
}

// packed takes the later kernel out of the host and gives the file of a package that has it all.
func (h *host) packed(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "package")
	r := h.release[after]
	for _, d := range []string{"DEBIAN", "boot", "lib/modules", "usr/src"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	control := "Package: kernel-under-test\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: x\n"
	if err := os.WriteFile(filepath.Join(tree, "DEBIAN/control"), []byte(control), 0o644); err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(h.root, "usr/src")
	run(t, "sh", "-c", `cp -a "$1"/boot/vmlinuz-$2 "$3"/boot/ && cp -a "$1"/usr/lib/modules/$2 "$3"/lib/modules/ && cp -a "$1"/usr/src/*$4* "$3"/usr/src/`,
		"sh", h.root, r, tree, strings.TrimSuffix(r, "-amd64"))
	run(t, "sh", "-c", `rm -r "$1"/boot/vmlinuz-$2 "$1"/usr/lib/modules/$2 "$3"/*$4* "$5"/lib/modules/$2/modules.*.bin`,
		"sh", h.root, r, src, strings.TrimSuffix(r, "-amd64"), tree)
	file := filepath.Join(t.TempDir(), "kernel.deb")
	run(t, "dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, file)
	return file
}

// The driver with TLS was installed for the kernel that runs, and not for the next.
func TestTheProfileWillNot(t *testing.T) {
	h := newHost(t)
	h.vendorDriver(t)
	line, all := h.rehearse(t, 3, "-p", "tls-server", "--kernel", after)
	if !strings.HasPrefix(line, "with "+h.release[after]+" your profile will not go (tls-server): ") {
		t.Errorf("first line %q", line)
	}
	if !strings.Contains(all, "module.mlx5_core.in_tree") {
		t.Error("it does not say that the driver is another")
	}
}
