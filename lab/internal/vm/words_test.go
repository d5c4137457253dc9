// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os/exec"
	"testing"
	"time"
)

// As QEMU says it, in parts, through a pipe, and goes on running.
func TestKVMThatGivesUp(t *testing.T) {
	w := words{gaveUp: make(chan struct{})}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "printf 'qemu: a warning\nKVM inter' >&2; printf 'nal error. Suberror: 1\nemulation failure\nKVM internal error' >&2; read -r _")
	cmd.Stderr = &w
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.gaveUp:
	case <-time.After(30 * time.Second):
		t.Error("it is not seen")
	}
	_ = in.Close()
	_ = cmd.Wait()
}
