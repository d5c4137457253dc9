// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// refusal is an error that is said as it is: a sentence of why nothing is booted, and
// what to do.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// needs are the modules without which the machine does not come to its root, and what
// each is for.
var needs = []struct{ name, option, why string }{
	{"virtio_pci", "CONFIG_VIRTIO_PCI", "by which a virtual machine has devices"},
	{"virtio_console", "CONFIG_VIRTIO_CONSOLE", "over which the machine says what it found"},
	{"9pnet_virtio", "CONFIG_NET_9P_VIRTIO", "over which the host's files are shared with the machine"},
	{"9p", "CONFIG_9P_FS", "over which the host's files are shared with the machine"},
	{"overlay", "CONFIG_OVERLAY_FS", "by which what the machine writes stays in its memory"},
}

// bootModules are the files of the modules that bring the machine to its root, below the
// directory of a kernel's modules, in the order of loading. What is built in needs none.
func bootModules(dir, release string) ([]string, error) {
	deps, err := dependencies(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := builtIn(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	var order []string
	for _, n := range needs {
		files, there := deps[n.name]
		if !there {
			if builtin[n.name] {
				continue
			}
			return nil, refuse("kernel %s cannot be rehearsed: it has no module %s (%s), %s. Red Hat's kernels are built so; Debian's, Ubuntu's and SUSE's are not", release, n.name, n.option, n.why)
		}
		for _, f := range files {
			if !slices.Contains(order, f) {
				order = append(order, f)
			}
		}
	}
	return order, nil
}

// moduleName is what the kernel calls the module of a file.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// dependencies reads modules.dep (depmod(8)): by a module's name its files and those it
// needs, in the order of loading.
func dependencies(file string) (map[string][]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read which modules need which: %w; `depmod -a` makes that file", err)
	}
	defer func() { _ = f.Close() }()
	all, err := readDependencies(f)
	if err != nil {
		return nil, fmt.Errorf("read which modules need which, in %s: %w", file, err)
	}
	return all, nil
}

func readDependencies(r io.Reader) (map[string][]string, error) {
	all := map[string][]string{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		module, needed, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			continue
		}
		files := strings.Fields(needed)
		slices.Reverse(files) // what is needed most is last
		all[moduleName(module)] = append(files, module)
	}
	return all, lines.Err()
}

// builtIn are the names of what would be modules and is in the image.
func builtIn(file string) (map[string]bool, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read which modules are built in: %w", err)
	}
	all := map[string]bool{}
	for _, line := range strings.Fields(string(text)) {
		all[moduleName(line)] = true
	}
	return all, nil
}

// decompressors are the programs that unpack a module, by the end of its name.
var decompressors = map[string]string{".xz": "xz", ".zst": "zstd"}

// unpackModule writes a module as the kernel loads it.
func unpackModule(ctx context.Context, from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read a module: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("unpack a module: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	ext := filepath.Ext(from)
	switch program := decompressors[ext]; {
	case program != "":
		at, err := exec.LookPath(program)
		if err != nil {
			return refuse("the modules of this kernel are packed (%s), and there is no program %s: install it", filepath.Base(from), program)
		}
		cmd := exec.CommandContext(ctx, at, "-dc")
		var said strings.Builder
		cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", from, err, strings.TrimSpace(said.String()))
		}
		return nil
	case ext == ".gz":
		z, err := gzip.NewReader(in)
		if err == nil {
			_, err = io.Copy(out, z)
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", from, err)
		}
		return nil
	}
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}
