// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A VF behind an access port of the switch, with a host on the far side of the bond's links.
func TestVerifyWithPeer(t *testing.T) {
	needLab(t)
	profile, err := os.ReadFile(filepath.Join("testdata", "small.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(t.TempDir(), "small.yaml")
	if err := os.WriteFile(small, append(profile, `  peers:
    - {vf: nic0/p1/vf0, address: 198.51.100.10/24, peer: "198.51.100.9:4711"}
`...), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, exitDone, "apply", "-p", small)
	defer rollback(t)
	witness(t, "ip", "-n", "peer", "link", "add", "link", "bond0", "name", "vlan100", "type", "vlan", "id", "100")
	defer witness(t, "ip", "-n", "peer", "link", "delete", "vlan100")
	witness(t, "ip", "-n", "peer", "addr", "add", "198.51.100.9/24", "dev", "vlan100")
	witness(t, "ip", "-n", "peer", "link", "set", "vlan100", "up")

	peer := exec.CommandContext(t.Context(), "ip", "netns", "exec", "peer", "nicwright", "peer", "--listen", "198.51.100.9:4711")
	out, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "listening on 198.51.100.9:4711" {
		t.Fatalf("nicwright peer said %q, %v", lines.Text(), lines.Err())
	}
	// Clients that ask for nothing are not in the way.
	idle := exec.CommandContext(t.Context(), "ip", "netns", "exec", "peer", "bash", "-c", "for i in $(seq 100); do exec {fd}<>/dev/tcp/198.51.100.9/4711; done; exec sleep 3600")
	if err := idle.Start(); err != nil {
		t.Fatal(err)
	}
	before := leftovers(t)
	const cell = " TLSv1.2 AES-128-GCM tx pci/0001:3b:00.1/vf/0 peer 198.51.100.9:4711"
	r := expect(t, exitDone, "verify", "--json")
	assertVerdict(t, r.stdout, "ktls"+cell, "offloaded")
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "198.51.100.10:") || !strings.HasSuffix(lines.Text(), ": TLSv1.2 AES-128-GCM tx, 1048576 bytes: equal") {
		t.Errorf("nicwright peer said %q, %v", lines.Text(), lines.Err())
	}
	_ = idle.Process.Kill()
	_ = idle.Wait()
	if r := command(t, "ip", "netns", "exec", "peer", "nicwright", "peer"); r.code != exitUsage || !strings.Contains(r.stderr, "say on which address") {
		t.Errorf("nicwright peer without an address exited %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if err := peer.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := peer.Wait(); err != nil {
		t.Errorf("nicwright peer, interrupted: %v", err)
	}
	r = expect(t, exitUnproven, "verify", "--json")
	if v := verdicts(t, r.stdout)["ktls"+cell]; v[0] != "failed" || !strings.Contains(v[1], "is `nicwright peer` running there") {
		t.Errorf("without a peer: %v", v)
	}
	if after := leftovers(t); after != before {
		t.Errorf("after:\n%s\nbefore:\n%s", after, before)
	}
}
