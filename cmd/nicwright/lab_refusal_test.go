// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A refusal is one clear sentence that says what to do, and leaves the host as it was.
func TestRefusals(t *testing.T) {
	needLab(t)
	small := filepath.Join("testdata", "small.yaml")
	before := witness(t, "ip", "-d", "-j", "link", "show")
	refused := func(t *testing.T, r result, code int, words ...string) {
		t.Helper()
		if r.code != code {
			t.Errorf("the exit status is %d, want %d: %s%s", r.code, code, r.stdout, r.stderr)
		}
		for _, w := range words {
			if !strings.Contains(r.stderr, w) {
				t.Errorf("%q is not in: %s", w, r.stderr)
			}
		}
		if after := witness(t, "ip", "-d", "-j", "link", "show"); after != before {
			t.Errorf("the links have changed:\n%s\n%s", before, after)
		}
	}
	t.Run("not root", func(t *testing.T) {
		for _, args := range [][]string{{"apply", "-p", "vm-host"}, {"rollback"}, {"verify"}} {
			r := command(t, "setpriv", append([]string{"--reuid", "65534", "--clear-groups", "nicwright"}, args...)...)
			refused(t, r, exitError, "as root", "sudo nicwright "+args[0])
		}
	})
	t.Run("no such card", func(t *testing.T) {
		r := command(t, "nicwright", "apply", "-p", small, "--set", "cards.nic0.select.serial=MT0000X00000")
		refused(t, r, exitError, "no card of this host matches", "EMU")
	})
	t.Run("no Open vSwitch", func(t *testing.T) {
		const socket = "/var/run/openvswitch/db.sock"
		if err := os.Rename(socket, socket+".away"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.Rename(socket+".away", socket); err != nil {
				t.Fatal(err)
			}
		}()
		refused(t, command(t, "nicwright", "apply", "-p", small), exitError, "Open vSwitch", "systemctl start openvswitch-switch")
	})
	t.Run("a full disk", func(t *testing.T) {
		dir := t.TempDir()
		witness(t, "mount", "-t", "tmpfs", "-o", "size=8k", "none", dir)
		defer witness(t, "umount", dir)
		// What fits is written before the write fails.
		if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 1<<16), 0o600); err == nil {
			t.Fatal("the file system is not full")
		}
		refused(t, command(t, "nicwright", "apply", "-p", small, "--state-dir", dir), exitError, "no space left on device", "nothing on the host was changed")
	})
	t.Run("a read-only file system", func(t *testing.T) {
		dir := t.TempDir()
		witness(t, "mount", "-t", "tmpfs", "-o", "ro", "none", dir)
		defer witness(t, "umount", dir)
		refused(t, command(t, "nicwright", "apply", "-p", small, "--state-dir", dir), exitError, "read-only file system", "can be written", "--state-dir", "nothing on the host was changed")
	})
	t.Run("nothing applied", func(t *testing.T) {
		dir := t.TempDir()
		refused(t, command(t, "nicwright", "verify", "--state-dir", dir), exitError, "no profile has been applied here")
		refused(t, command(t, "nicwright", "rollback", "--state-dir", dir), exitError, "nothing to roll back to")
	})
}
