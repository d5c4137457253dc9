// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A driver that never comes back from a bind holds the lock of its device, and whoever asks devlink anything waits for that without an end
// that a signal could make. Who applies is told so nevertheless, and the lock of nicwright is let go, though its process cannot end. The
// machine is of no use after that.
func TestADriverThatNeverComesBack(t *testing.T) {
	needLab(t)
	tell(t, "commands", fmt.Sprintf("delay %s 1 %d", neverBack, late))
	out, err := os.CreateTemp(t.TempDir(), "said")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nicwright", "apply", "-p", faultyProfile)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const hint = "The host is between two states"
	said := func() string {
		b, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.TrimSpace(b))
	}
	for end := time.Now().Add(3 * time.Minute); !strings.Contains(said(), hint); time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Fatalf("nicwright says nothing of it:\n%s", said())
		}
	}
	for _, want := range []string{"setting driver to mlx5_core", "the kernel is still at it", "it has not happened within"} {
		if !strings.Contains(said(), want) {
			t.Errorf("it does not say %q:\n%s", want, said())
		}
	}
	witness(t, "flock", "--nonblock", "/run/nicwright/lock", "true")
}
