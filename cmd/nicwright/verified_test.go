// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
)

func TestWordsOfTheLastVerification(t *testing.T) {
	ended := time.Date(2026, 11, 28, 3, 1, 0, 0, time.Local)
	cell := []proof.Field{{Name: "version", Value: "TLSv1.2"}, {Name: "direction", Value: "rx"}}
	good := journal.Proved{Kind: "vlan", Verdict: proof.Holds, OK: true}
	bad := journal.Proved{Kind: "ktls", Cell: cell, Verdict: proof.Software}
	const head = "vm-host at 2026-11-28 03:01:00 (2h0m0s ago) on 6.12.0: "
	for name, tt := range map[string]struct {
		proofs []journal.Proved
		with   func(*lastVerified)
		want   string
	}{
		"good":            {[]journal.Proved{good, good}, func(v *lastVerified) { v.OK, v.Status = true, 0 }, "2 proofs, all as required"},
		"quick, old":      {[]journal.Proved{good}, func(v *lastVerified) { v.OK, v.Quick, v.OtherKernel = true, true, true }, "quick, 1 proof, all as required, of another kernel"},
		"one is not":      {[]journal.Proved{good, bad}, nil, "2 proofs, of which ktls TLSv1.2 rx is software"},
		"two are not":     {[]journal.Proved{bad, good, bad}, func(v *lastVerified) { v.Outdated = true }, "3 proofs, of which 2 are not as required: ktls TLSv1.2 rx is software, ..., before the last apply or rollback"},
		"it did not end":  {[]journal.Proved{good}, func(v *lastVerified) { v.Status, v.Error = 1, "stopped\nmore" }, "1 proof, and it did not end: stopped"},
		"drift alone":     {[]journal.Proved{good}, func(v *lastVerified) { v.Drift = 2 }, "1 proof, and the host was 2 steps away from the profile"},
		"nobody knows":    {nil, nil, "0 proofs, exit status 3"},
		"another's words": {[]journal.Proved{{Kind: "ktls", Verdict: "failed"}}, nil, "1 proof, of which ktls is failed"},
	} {
		v := lastVerified{Verified: &journal.Verified{Ended: ended, Kernel: "6.12.0", Profile: "vm-host", Proofs: tt.proofs, Status: exitUnproven}}
		if tt.with != nil {
			tt.with(&v)
		}
		if got := ansi.Strip(v.words(ended.Add(2 * time.Hour))); got != head+tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What verify keeps is what status tells.
func TestTheLastVerificationIsKept(t *testing.T) {
	dir := t.TempDir()
	state := journal.Dir(dir)
	op := did(0, "vm-host", journal.Done, "")
	a := &app{settings: newSettings(t.TempDir(), dir)}
	r := &report.Report{Profile: "vm-host", Started: time.Now(), Kernel: kernel(), OK: true, Proofs: []report.Judged{{Proof: proof.Proof{Kind: "vlan", Verdict: proof.Holds}, OK: true}}}
	want := &profiles.Want{Profile: "vm-host"}
	a.keepVerified(r, want, nil)
	if v, err := state.LastVerified(); v != nil || err != nil {
		t.Fatalf("with nothing in force it is kept: %+v, %v", v, err)
	}
	if err := state.Write(op); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ok     bool
		err    error
		status int
	}{{true, nil, exitDone}, {false, nil, exitUnproven}, {false, errors.New("stopped"), exitError}} {
		r.OK = tt.ok
		a.keepVerified(r, want, tt.err)
		if v, err := state.LastVerified(); err != nil || v.Status != tt.status || v.Operation != op.ID || v.Tool != version() {
			t.Errorf("%+v, %v", v, err)
		}
	}
	r.OK = true
	a.keepVerified(r, want, nil)
	var s hostStatus
	s.verified(state, []*journal.Operation{op}, kernel())
	if v := s.Verified; v == nil || !v.OK || v.OtherKernel || v.Outdated || len(s.Unknown) != 0 {
		t.Errorf("%+v, %q", v, s.Unknown)
	}
	text, err := json.Marshal(s)
	if err != nil || !strings.Contains(string(text), `"ok":true,"of_another_kernel":false,"before_the_last_apply":false`) || !strings.Contains(string(text), `"verdict":"holds"`) {
		t.Errorf("%v\n%s", err, text)
	}
	for name, ops := range map[string][]*journal.Operation{"of an operation before": {op, did(1, "vm-host", journal.Done, "")}, "of one that was taken back": {did(0, "vm-host", journal.Done, "later")}} {
		var s hostStatus
		if s.verified(state, ops, "5.14.0"); s.Verified == nil || !s.Verified.Outdated || !s.Verified.OtherKernel {
			t.Errorf("%s: %+v", name, s.Verified)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "verified.json"), []byte(`{"version": 1, "ki`), 0o600); err != nil {
		t.Fatal(err)
	}
	s = hostStatus{}
	if s.verified(state, nil, ""); s.Verified != nil || len(s.Unknown) != 1 || !strings.Contains(s.Unknown[0], "verified.json") {
		t.Errorf("a torn one: %+v, %q", s.Verified, s.Unknown)
	}
}
