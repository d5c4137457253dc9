// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// netdevOf is the directory of a VF's netdev in sysfs.
func netdevOf(t *testing.T, address string) string {
	t.Helper()
	nets, err := filepath.Glob("/sys/bus/pci/devices/" + address + "/net/*")
	if err != nil || len(nets) != 1 {
		t.Fatalf("%s has the netdevs %v, %v", address, nets, err)
	}
	return nets[0]
}

// netdevAddress is the MAC address that a VF's own driver has for it.
func netdevAddress(t *testing.T, address string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(netdevOf(t, address), "address"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// startSleep is a process that somebody else may wait for.
func startSleep(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "infinity")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}
