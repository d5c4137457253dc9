// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/rehearsal"
)

// The machine is asked for with a card like this host's, by the profile that is in force.
// What boots machines is a script here, that keeps what it was asked and refuses.
func TestRehearseAsksForATwin(t *testing.T) {
	needLab(t)
	dir, root := t.TempDir(), t.TempDir()
	program, err := os.ReadFile(filepath.Join(shared, "nicwright"))
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\ncat >%s/request.json\necho '{\"version\":%d,\"release\":\"6.12\",\"refused\":\"the test refuses\"}'\n", dir, rehearsal.Version)
	for name, text := range map[string][]byte{"nicwright": program, rehearsal.Program: []byte(script)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, release := range []string{"6.12", "7.3"} {
		if err := os.MkdirAll(filepath.Join(root, "lib/modules", release), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "lib/modules", release, "vmlinuz"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tool := filepath.Join(dir, "nicwright")
	ask := func(code int, args ...string) string {
		t.Helper()
		r := command(t, tool, append([]string{"rehearse", "--root", root, "--against", "6.12"}, args...)...)
		if r.code != code {
			t.Fatalf("exit status %d, want %d: %s%s", r.code, code, r.stdout, r.stderr)
		}
		return r.stderr
	}
	if said := ask(exitError); !strings.Contains(said, "no profile has been applied") {
		t.Errorf("without a profile: %s", said)
	}
	profile := filepath.Join(dir, "rehearsed.yaml")
	if err := os.WriteFile(profile, []byte("version: 1\nname: rehearsed\ncards:\n  - name: nic0\n    select: {model: ConnectX-6 Dx}\n    ports: [{name: p0, port: 0, vfs: 2}]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, exitDone, "apply", "-p", profile, "--set", "cards.nic0.ports.p0.vfs=3")
	defer rollback(t)
	if said := ask(exitError); !strings.Contains(said, "the test refuses") {
		t.Errorf("what the machine says is not told: %s", said)
	}
	var r rehearsal.Request
	text, err := os.ReadFile(filepath.Join(dir, "request.json"))
	if err != nil || json.Unmarshal(text, &r) != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if len(r.Layers) != 2 || r.Layers[0].Source != profile || r.Layers[1] != (rehearsal.Layer{Source: rehearsal.Override, Text: "cards.nic0.ports.p0.vfs=3"}) || r.Name != "rehearsed" {
		t.Errorf("profile %s: %+v", r.Name, r.Layers)
	}
	if r.Tool != dir || r.Root != root || r.Release != "6.12" || !r.Quick || r.Runs != 1 {
		t.Errorf("%+v", r)
	}
	// The witnesses: devlink, the VPD, sysfs.
	info := witness(t, "devlink", "dev", "info", "pci/"+pfs[0])
	for _, part := range []string{"fw.version " + r.Card.Firmware, "fw.psid " + r.Card.PSID} {
		if !strings.Contains(info, part) {
			t.Errorf("devlink does not say %q:\n%s", part, info)
		}
	}
	vpd, err := os.ReadFile("/sys/bus/pci/devices/" + pfs[0] + "/vpd")
	if err != nil || r.Card.Serial == "" || !strings.Contains(string(vpd), r.Card.Serial) {
		t.Errorf("serial number %q is not in the VPD: %v", r.Card.Serial, err)
	}
	vfs, err := os.ReadFile("/sys/bus/pci/devices/" + pfs[0] + "/sriov_totalvfs")
	if err != nil || strings.TrimSpace(string(vfs)) != fmt.Sprint(r.Card.VFs) {
		t.Errorf("%d VFs, of %s", r.Card.VFs, vfs)
	}
	if at := fmt.Sprintf("%04x:%02x:00.0", r.Card.Domain, r.Card.Bus); at != pfs[0] || r.Card.Ports != len(pfs) || r.Card.Cards != 1 {
		t.Errorf("at %s: %+v", at, r.Card)
	}
}
