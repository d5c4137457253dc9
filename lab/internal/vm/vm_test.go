// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/lab/internal/wire"
)

// TestArchiveUnpacks has cpio itself as the judge.
func TestArchiveUnpacks(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio on this machine to unpack with")
	}
	dir := t.TempDir()
	cmd := exec.Command(cpio, "--extract", "--make-directories", "--no-preserve-owner")
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(cpioArchive([]file{
		{name: "d", mode: modeDir},
		{name: "d/odd", mode: modeFile, data: []byte("12345")},
		{name: "d/empty", mode: modeFile},
		{name: "d/last", mode: modeFile, data: bytes.Repeat([]byte("x"), 4096)},
	}))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	for name, want := range map[string]string{"d/odd": "12345", "d/empty": "", "d/last": strings.Repeat("x", 4096)} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s has %d bytes, %v", name, len(b), err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "d/odd")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("d/odd: %v, %v", info, err)
	}
}

func TestLoadedPart(t *testing.T) {
	build := func(env ...string) []byte {
		t.Helper()
		dir := t.TempDir()
		src := filepath.Join(dir, "main.go")
		if err := os.WriteFile(src, []byte("package main\nimport \"fmt\"\nfunc main() { fmt.Print(\"runs\") }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "p"), src)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v: %s", err, out)
		}
		b, err := os.ReadFile(filepath.Join(dir, "p"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole := build("CGO_ENABLED=0")
	part, err := loadedPart(whole)
	if err != nil {
		t.Fatal(err)
	}
	if len(part) >= len(whole) {
		t.Errorf("nothing was cut off %d bytes", len(whole))
	}
	p := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(p, part, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(p).Output(); err != nil || string(out) != "runs" {
		t.Errorf("what is left does not run: %q, %v", out, err)
	}

	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Skip("no /bin/sh on this machine")
	}
	if _, err := loadedPart(shell); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("a dynamic program gives %v", err)
	}
	if _, err := loadedPart([]byte("#!/bin/sh\n")); err == nil {
		t.Error("a script was taken")
	}
}

func TestConsoleKeepsTheLastLines(t *testing.T) {
	var c console
	for range 10 {
		for _, part := range []string{"first\r\nsec", "ond\r\n\r\n", strings.Repeat("line\n", consoleLines), "torn"} {
			if _, err := c.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tail := c.tail(3)
	if want := "  line\n  line\n  torn"; tail != want {
		t.Errorf("the tail is %q, want %q", tail, want)
	}
	if n := strings.Count(c.tail(1000), "\n"); n > consoleLines {
		t.Errorf("%d lines are kept", n)
	}
	if _, err := c.Write([]byte("\n[ 36.8] Oops: int3: 0000 [#1] PREEMPT SMP\n" + strings.Repeat("trace\n", 2*consoleLines))); err != nil || c.died() != "[ 36.8] Oops: int3: 0000 [#1] PREEMPT SMP" {
		t.Errorf("a kernel died with %q, %v", c.died(), err)
	}
	if got := (&console{}).tail(3); !strings.Contains(got, "nothing") {
		t.Errorf("a silent console's tail is %q", got)
	}
}

func TestCardNeedsItsMemory(t *testing.T) {
	m := &Machine{Memory: MinMemory - 1, Request: wire.Request{Card: &wire.Card{Ports: 2}}}
	status, err := m.Run(context.Background())
	if err == nil || status != StatusLab || !strings.Contains(err.Error(), "memory") {
		t.Errorf("got %d, %v", status, err)
	}
}
