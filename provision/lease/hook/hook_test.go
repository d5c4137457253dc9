// SPDX-License-Identifier: Apache-2.0

package hook

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script hands on what libvirt gives it, and is taken away again.
func TestHook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "qemu.d")
	program := filepath.Join(t.TempDir(), "a program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s|' \"$@\"\ncat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path, err := Write(dir, program)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o755 {
		t.Errorf("the script is %v, %v", info, err)
	}
	cmd := exec.CommandContext(t.Context(), path, "web 1", "prepare", "begin", "-")
	cmd.Stdin = strings.NewReader("<domain/>")
	if out, err := cmd.Output(); err != nil || string(out) != "vf|hook|web 1|prepare|begin|-|<domain/>" {
		t.Errorf("it calls with %q, %v", out, err)
	}
	if _, err := Write(dir, program); err != nil {
		t.Errorf("written again: %v", err)
	}
	for range 2 {
		if _, err := Remove(dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// What somebody else put there stays, a link too.
func TestHookOfSomebodyElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, file)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("#!/bin/sh\n"+mark+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for what, put := range map[string]func() error{
		"a script": func() error { return os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755) },
		"a link":   func() error { return os.Symlink(victim, path) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		_, err := Write(dir, "/usr/bin/nicwright")
		_, err2 := Remove(dir)
		for _, err := range []error{err, err2} {
			if err == nil || !strings.Contains(err.Error(), "is not nicwright's") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Errorf("%s has gone: %v", what, err)
		}
	}
	if _, err := Write(dir, "/usr/bin/it's"); err == nil {
		t.Error("a path with a quote is written into a script")
	}
}
