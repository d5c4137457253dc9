// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Of a stock card without TLS and IPsec nicwright says that the processor does it, and why: the transfers themselves work.
func TestVerifyOnIGB(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "nicwright"), "github.com/nicwright/nicwright/cmd/nicwright")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const profile = `version: 1
name: igb
description: a stock card
cards:
  - {name: i, select: {vendor: "8086:10c9"}, ports: [{name: p0, port: 0, vfs: 2, up: true}]}
verify:
  ktls: {versions: [TLSv1.2], ciphers: [AES-128-GCM], bytes: 65536}
  ipsec: {modes: [transport], bytes: 65536}
`
	if err := os.WriteFile(filepath.Join(dir, "igb.yaml"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	const command = `set -e
PATH=/lab/share:$PATH
modprobe -a tls gcm esp4 esp4_offload xfrm_user seqiv
nicwright apply -p /lab/share/igb.yaml >&2
for i in $(seq 200); do [ $(ls -d /sys/bus/pci/drivers/igbvf/*:*/net/* 2>/dev/null | wc -l) = 2 ] && break; sleep 0.1; done
nicwright verify --json
nicwright doctor >&2`
	stdout, stderr, status := runLab(t, "", "run", "--igb", "--share", dir, "--time-limit", "5m", "--", "bash", "-c", command)
	var r struct {
		Proofs []struct {
			Kind, Verdict, Reason string
			Bytes                 int64
			Cell                  []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 || len(r.Proofs) == 0 {
		t.Fatalf("the status is %d, %v, stdout %q; stderr %s", status, err, stdout, stderr)
	}
	for _, p := range r.Proofs {
		want := "software"
		if p.Kind == "ipsec" && p.Cell[0].Value == "packet" {
			want = "not possible here"
		}
		if p.Verdict != want || p.Reason == "" || want == "software" && p.Bytes != 65536 {
			t.Errorf("%+v, want %s", p, want)
		}
	}
	if !strings.Contains(stderr, "software because") {
		t.Errorf("doctor does not say why:\n%s", stderr)
	}
}
