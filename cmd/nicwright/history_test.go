// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision/journal"
)

// listed is what history prints of a state directory.
func listed(t *testing.T, dir string, args ...string) string {
	t.Helper()
	var out strings.Builder
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(append([]string{"history", "--state-dir", dir, "--config-dir", t.TempDir()}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestHistorySaysHowEachOperationStands(t *testing.T) {
	dir := t.TempDir()
	if got := listed(t, dir); got != "no operations: nicwright has changed nothing here\n" {
		t.Errorf("of an empty journal: %q", got)
	}
	begun := time.Date(2026, 11, 28, 3, 55, 12, 0, time.UTC)
	ended := begun.Add(time.Minute)
	for i, tt := range []struct {
		o    journal.Operation
		want string
	}{
		{journal.Operation{Kind: journal.Apply, Outcome: journal.Done}, "in force"},
		{journal.Operation{Kind: journal.Apply, Outcome: journal.Done, UndoneBy: "later"}, "taken back by later"},
		{journal.Operation{Kind: journal.Rollback, Outcome: journal.Done}, "done"},
		{journal.Operation{Kind: journal.Apply, Outcome: journal.Superseded}, "superseded"},
		{journal.Operation{Kind: journal.Apply, Outcome: journal.Failed, Error: "the kernel said no\n  still: bond0 mtu"}, "failed: the kernel said no"},
		{journal.Operation{Kind: journal.Remove}, "interrupted, or under way"},
	} {
		o := tt.o
		o.Version, o.Profile.Name, o.Begun = journal.Version, "rack7", begun.Add(time.Duration(i)*time.Hour)
		o.ID = o.Begun.Format("20060102T150405.000Z") + "-" + string(o.Kind)
		if o.Outcome != "" {
			o.Ended = &ended
		}
		if err := journal.Dir(dir).Write(&o); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(listed(t, dir)), "\n")
		last := lines[len(lines)-1]
		if f := strings.Fields(last); len(lines) != i+2 || f[0] != o.ID || f[1] != "rack7" || !strings.HasSuffix(last, "  "+tt.want) {
			t.Errorf("the last line is %q, want %s of rack7: %s", last, o.ID, tt.want)
		}
	}
	var all []entry
	if err := json.Unmarshal([]byte(listed(t, dir, "--json")), &all); err != nil || len(all) != 6 {
		t.Fatalf("%d operations, %v", len(all), err)
	}
	for i, e := range all {
		if e.InForce != (i == 0) || e.Open != (i >= 4) {
			t.Errorf("%s: in force %v, open %v", e.ID, e.InForce, e.Open)
		}
	}
}
