// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

//go:embed machine
var machineFiles embed.FS

// Places in an archive of tests.
const (
	testsDir    = "tools/testing/selftests"
	machineDir  = "machine"
	problemsDir = "problems"
)

// PreparedFile is the name of the archive that Prepare makes.
const PreparedFile = "prepared.tar"

// inRoot is where a root sees what is built in it.
const inRoot = "/lab/build"

// Prepare unpacks the archive with the kernel's self-tests, edits and compiles those of the table in root, as the table says, and writes an archive for the kernel's
// machines to the directory out. A test with which that fails is not run: the archive says why.
func Prepare(ctx context.Context, kernel, root, archive, out string, log io.Writer) error {
	tree, err := os.MkdirTemp(out, "tree-")
	if err != nil {
		return fmt.Errorf("prepare the self-tests of kernel %s: %w", kernel, err)
	}
	defer func() { _ = os.RemoveAll(tree) }()
	host := sandbox.Box{Log: log}
	if _, err := host.Run(ctx, "tar", "-x", "-C", tree, "-f", archive); err != nil {
		return fmt.Errorf("unpack the self-tests of kernel %s: %w", kernel, err)
	}
	if err := os.CopyFS(tree, machineFiles); err != nil {
		return fmt.Errorf("prepare the self-tests of kernel %s: %w", kernel, err)
	}
	if err := os.WriteFile(filepath.Join(tree, testsDir, "net/forwarding/forwarding.config"), []byte(config), 0o644); err != nil {
		return fmt.Errorf("configure net/forwarding: %w", err)
	}
	if err := os.Mkdir(filepath.Join(tree, problemsDir), 0o755); err != nil {
		return fmt.Errorf("prepare the self-tests of kernel %s: %w", kernel, err)
	}
	box := sandbox.Box{Root: root, Log: log, Binds: []sandbox.Bind{{From: tree, To: inRoot}}}
	edited := map[string]bool{}
	for i := range Table {
		t := &Table[i]
		if !t.On(kernel) {
			continue
		}
		if problem := t.prepare(ctx, box, kernel, tree, edited); problem != nil {
			fmt.Fprintf(log, "%s is not run: %v\n", t.Name, problem)
			if err := os.WriteFile(filepath.Join(tree, problemsDir, t.file()), []byte(problem.Error()), 0o644); err != nil {
				return fmt.Errorf("write down why %s is not run: %w", t.Name, err)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("prepare the self-tests of kernel %s: %w", kernel, err)
	}
	if err := os.RemoveAll(filepath.Join(tree, "headers")); err != nil {
		return fmt.Errorf("leave the headers out: %w", err)
	}
	if _, err := host.Run(ctx, "tar", "-c", "-C", tree, "-f", filepath.Join(out, PreparedFile), "."); err != nil {
		return fmt.Errorf("pack the self-tests of kernel %s: %w", kernel, err)
	}
	return nil
}

// prepare edits and compiles a test. edited has the edits that are done, which tests share.
func (t *Test) prepare(ctx context.Context, box sandbox.Box, kernel, tree string, edited map[string]bool) error {
	for _, e := range t.Edits {
		id := e.File + "\x00" + e.From
		if !(&Expect{Kernels: e.Kernels}).on(kernel) || edited[id] {
			continue
		}
		path := filepath.Join(tree, testsDir, e.File)
		before, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("edit %s: %w", e.File, err)
		}
		after, err := e.edit(string(before))
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(after), 0o755); err != nil {
			return fmt.Errorf("edit %s: %w", e.File, err)
		}
		edited[id] = true
	}
	if len(t.Build) == 0 {
		return nil
	}
	// The roots have a compiler of one version, by its name with the version.
	script := `set -e
cd "$0"
cc=$(ls /usr/bin | grep -Ex 'gcc-[0-9]+' | tail -n 1)
build() { "$cc" -O1 -w -I"$TOP/headers/usr/include" -I"$TOP/headers/usr/include/x86_64-linux-gnu" -I"$TOP/` + testsDir + `" "$@"; }
` + strings.Join(t.Build, "\n")
	box.Env = append(box.Env, "TOP="+inRoot)
	if _, err := box.Run(ctx, "bash", "-c", script, filepath.Join(inRoot, testsDir, t.dir())); err != nil {
		return fmt.Errorf("compile it: %w", err)
	}
	return nil
}
