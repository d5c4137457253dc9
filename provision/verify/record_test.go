// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
)

func TestRecord(t *testing.T) {
	at := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	cell := []proof.Field{{Name: "version", Value: "TLSv1.2"}}
	r := &report.Report{
		Profile: "a", Started: at, Seconds: 62.0005, Kernel: "6.12.0", Quick: true, Drift: []step.Step{{}}, Error: "stopped",
		Proofs: []report.Judged{{Proof: proof.Proof{Kind: "ktls", Cell: cell, Verdict: proof.Software, Reason: "long"}, Require: proof.Offloaded}},
	}
	op := func(id, profile, want string, kind journal.Kind) *journal.Operation {
		return &journal.Operation{ID: id, Kind: kind, Outcome: journal.Done, Profile: journal.Profile{Name: profile}, Want: json.RawMessage(want)}
	}
	ops := []*journal.Operation{
		op("old", "a", `{"profile": "a"}`, journal.Apply), op("in", "a", `{"profile": "a", "verify": {"in-use": true}}`, journal.Apply),
		op("other", "b", `{"profile": "b"}`, journal.Apply), op("torn", "c", `7`, journal.Apply),
	}
	want := &journal.Verified{
		Ended: at.Add(62 * time.Second), Kernel: "6.12.0", Tool: "v1", Profile: "a", Operation: "in", Quick: true, Drift: 1, Status: 3, Error: "stopped",
		Proofs: []journal.Proved{{Kind: "ktls", Cell: cell, Verdict: proof.Software}},
	}
	if d := cmp.Diff(want, Record(r, &profiles.Want{Profile: "a"}, ops, "v1", 3)); d != "" {
		t.Error(d)
	}
	for name, w := range map[string]*profiles.Want{
		"another profile": {Profile: "z"}, "none": {}, "of another want": {Profile: "b", Ports: map[pci.Address]eswitch.PortSpec{"0000:3b:00.0": {}}}, "one that cannot be read": {Profile: "c"},
	} {
		if v := Record(r, w, ops, "v1", 0); v != nil {
			t.Errorf("%s is kept: %+v", name, v)
		}
	}
	ops[0].UndoneBy, ops[1].UndoneBy = "x", "x"
	if v := Record(r, &profiles.Want{Profile: "a"}, ops, "v1", 0); v != nil {
		t.Errorf("with nothing in force it is kept: %+v", v)
	}
}
