// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/provision"
)

// What a second look takes from the first is nothing that a lease changes: it sees the host as a
// first look does, after a lease with another driver and after its release.
func TestVFLeaseLooksAgain(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "leases.yaml")
	expect(t, exitDone, "apply", "-p", profile)
	text := func(s *snapshot.Snapshot, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.MarshalIndent(provision.HostOf(s), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first, err := snapshot.Read(t.Context())
	before := text(first, err)
	a := leased(t, "--network", "tenants", "--name", "seen", "--driver", "none")
	after := text(snapshot.Read(t.Context()))
	if after == before {
		t.Errorf("no look sees the lease of %s", a.Address)
	}
	if diff := cmp.Diff(after, text(snapshot.Again(t.Context(), first))); diff != "" {
		t.Errorf("after a lease the second look differs from a first (-first +second):\n%s", diff)
	}
	expect(t, exitDone, "vf", "release", "seen")
	if diff := cmp.Diff(text(snapshot.Read(t.Context())), text(snapshot.Again(t.Context(), first))); diff != "" {
		t.Errorf("after a release the second look differs from a first (-first +second):\n%s", diff)
	}
	remove(t, profile)
}
