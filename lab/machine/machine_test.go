// SPDX-License-Identifier: Apache-2.0

// Package machine has the test in which a machine gets a VF of the emulated
// card: a machine in the lab's machine, so all of it is emulated twice.
package machine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/debian"
	"github.com/nicwright/nicwright/lab/internal/kernels"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// timeLimit of the lab's machine: three minutes on a quiet host, and far more on one with much else to do.
const timeLimit = "60m"

func TestMain(m *testing.M) {
	sandbox.Hook(1)
	os.Exit(m.Run())
}

// TestMachine runs machine.sh in the lab. NICWRIGHT_MACHINE_FLAGS are more flags of the lab's (--cpus 1).
func TestMachine(t *testing.T) {
	if os.Getenv("NICWRIGHT_MACHINE") != "1" {
		t.Skip("boots a machine in a machine: NICWRIGHT_MACHINE=1 or make test-machine runs it")
	}
	ctx := t.Context()
	guest := t.TempDir()
	qemu, kernel := parts(ctx, t)
	if err := uncompress(ctx, filepath.Join(kernel, "vmlinuz"), filepath.Join(guest, "vmlinux")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "../../bin/lab", "run", "--kernel", kernels.Default, "--card", "ports=2,vfs=4,load=no", "--mem", "3G",
		"--time-limit", timeLimit, "--share", "../connectx/tests", "--share", ".:/lab/machine:ro", "--share", "../../bin:/lab/nicwright:ro", "--share", guest+":/lab/guest:ro",
		"--share", qemu+":/lab/qemu:ro", "--", "/lab/machine/machine.sh")
	cmd.Env = append(os.Environ(), "LAB_FLAGS="+os.Getenv("NICWRIGHT_MACHINE_FLAGS"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, os.Stderr), os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("the lab's machine: %v", err)
	}
	if !strings.HasSuffix(out.String(), "\nPASS\n") {
		t.Error("the script did not say PASS at its end")
	}
}

// parts returns the directories of a QEMU that the lab's machine can run and of the kernel.
func parts(ctx context.Context, t *testing.T) (qemu, kernel string) {
	t.Helper()
	if err := debian.Ensure(ctx, map[string]string{"zstd": "zstd"}, t.Logf); err != nil {
		t.Fatal(err)
	}
	mirror, err := debian.Mirror("/etc")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := cache.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if qemu, err = debian.QEMURoot(ctx, c, mirror, nil); err != nil {
		t.Fatal(err)
	}
	row, err := kernels.Find(kernels.Default)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernels.Fetch(ctx, c, row, mirror, nil, func() (string, error) { return debian.Root(ctx, c, row.Compiler, mirror, nil) })
	if err != nil {
		t.Fatal(err)
	}
	return qemu, k.Dir
}

// uncompress takes the ELF image out of a kernel that is compressed with zstd
// (Documentation/arch/x86/boot.rst): the kernel itself would take minutes for
// that where it is emulated twice.
func uncompress(ctx context.Context, from, to string) error {
	const setupSects, payloadOffset, payloadLength = 0x1f1, 0x248, 0x24c
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if len(b) < 0x250 {
		return fmt.Errorf("%s: %d bytes are no kernel", from, len(b))
	}
	start := (int(b[setupSects])+1)*512 + int(binary.LittleEndian.Uint32(b[payloadOffset:]))
	end := start + int(binary.LittleEndian.Uint32(b[payloadLength:])) - 4 // its size comes last
	if end > len(b) || start > end || !bytes.HasPrefix(b[start:end], []byte("\x28\xb5\x2f\xfd")) {
		return fmt.Errorf("%s: not compressed with zstd", from)
	}
	cmd := exec.CommandContext(ctx, "zstd", "-d", "-q", "-f", "-o", to)
	cmd.Stdin = bytes.NewReader(b[start:end])
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("zstd: %w: %s", err, out)
	}
	return nil
}
