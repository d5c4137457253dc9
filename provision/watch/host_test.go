// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
)

// here is this host with a journal of its own, in which these are in force.
func here(t *testing.T, ops ...*journal.Operation) Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a look at all of the host needs root")
	}
	if _, err := os.Lstat("/run/nicwright/verify.json"); err == nil {
		t.Skip("a verify is at work on this host, or was killed: what it left is not a test's to put back")
	}
	dir := journal.Dir(t.TempDir())
	ended := time.Now()
	for _, o := range ops {
		o.Version, o.Kind, o.Ended, o.Begun = journal.Version, journal.Apply, &ended, ended.Add(-time.Minute)
		if err := dir.Write(o); err != nil {
			t.Fatal(err)
		}
	}
	return Host{Journal: dir, RunDir: t.TempDir(), Tool: "test", Args: []string{"nicwright", "watch"}}
}

func op(id, profile, want string) *journal.Operation {
	return &journal.Operation{ID: id, Outcome: journal.Done, Profile: journal.Profile{Name: profile}, Want: []byte(want)}
}

func TestLookOfThisHost(t *testing.T) {
	open := op("20261128T000003.000Z-apply", "empty", `{}`)
	open.Outcome = journal.Failed
	h := here(t, op("20261128T000000.000Z-apply", "gone", `{"ports":{"0000:ff:1f.7":{"vfs":4}}}`), op("20261128T000001.000Z-apply", "empty", `{}`), open)
	seen, err := h.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if seen.Open != open.ID || seen.Waits || len(seen.Profiles) != 2 {
		t.Fatalf("seen: %+v", seen)
	}
	for i, c := range []struct{ name, says string }{{"gone", "interrupted"}, {"empty", ""}} {
		p := seen.Profiles[i]
		if p.Name != c.name || len(p.Steps) > 0 || (p.Err == nil) != (c.says == "") || p.Err != nil && !strings.Contains(p.Err.Error(), c.says) {
			t.Errorf("%d: %+v, want %q", i, p, c.says)
		}
	}
	h.Only = "empty"
	if seen, err = h.Look(t.Context()); err != nil || len(seen.Profiles) != 1 {
		t.Errorf("of one: %+v, %v", seen.Profiles, err)
	}
}

func TestRepairOfThisHost(t *testing.T) {
	h := here(t, op("20261128T000000.000Z-apply", "gone", `{"ports":{"0000:ff:1f.7":{"vfs":4}}}`), op("20261128T000001.000Z-apply", "empty", `{}`))
	for profile, says := range map[string]string{"empty": "", "nobody's": "", "gone": "no such card"} {
		did, err := h.Repair(t.Context(), profile, nil)
		if did.Operation != "" || did.Refused != "" || (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", profile, did, err)
		}
	}
	lock, err := provision.TakeLock(h.RunDir, []string{"nicwright", "apply"})
	if err != nil {
		t.Fatal(err)
	}
	if busy, err := h.Busy(); err != nil || !busy {
		t.Errorf("busy: %v, %v", busy, err)
	}
	if _, err := h.Repair(t.Context(), "empty", nil); err == nil || !strings.Contains(err.Error(), "another nicwright") {
		t.Errorf("while somebody is at work: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if ops, err := h.Journal.List(); err != nil || len(ops) != 2 {
		t.Errorf("%d operations, %v: nothing was to be done", len(ops), err)
	}
}
