// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/install"
	"github.com/nicwright/nicwright/provision/journal"
)

// did is an operation of the journal, n hours after the first.
func did(n int, profile string, outcome journal.Outcome, undone string) *journal.Operation {
	begun := time.Date(2026, 11, 28, 3+n, 0, 0, 0, time.UTC)
	ended := begun.Add(time.Minute)
	o := &journal.Operation{
		Version: journal.Version, Kind: journal.Apply, Profile: journal.Profile{Name: profile}, Begun: begun, Outcome: outcome, UndoneBy: undone,
		ID: begun.Format("20060102T150405.000Z") + "-apply", Tool: fmt.Sprintf("v0.%d", n), Want: json.RawMessage(`{"profile": "` + profile + `"}`),
	}
	if outcome != "" {
		o.Ended = &ended
	}
	return o
}

func TestStatusIsWhatTheJournalSays(t *testing.T) {
	ops := []*journal.Operation{
		did(0, "vm-host", journal.Done, ""), did(1, "other", journal.Done, ""), did(2, "vm-host", journal.Done, ""),
		did(3, "vm-host", journal.Done, "later"), did(4, "third", journal.Superseded, ""), did(5, "vm-host", journal.Failed, ""),
	}
	s := statusOf(ops)
	var got []string
	for _, f := range s.InForce {
		got = append(got, f.Profile+" by "+f.Operation+" of "+f.Tool)
	}
	want := []string{"vm-host by 20261128T050000.000Z-apply of v0.2", "other by 20261128T040000.000Z-apply of v0.1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if s.Interrupted == nil || s.Interrupted.ID != ops[5].ID {
		t.Errorf("interrupted: %+v", s.Interrupted)
	}
	if s := statusOf(nil); len(s.InForce) != 0 || s.Interrupted != nil {
		t.Errorf("of an empty journal: %+v", s)
	}
}

func TestStatusSaysWhatGoesBack(t *testing.T) {
	at := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	op := did(0, "vm-host", journal.Done, "")
	op.Confirm = &journal.Confirm{Deadline: &at}
	f := statusOf([]*journal.Operation{op}).InForce[0]
	if words := ansi.Strip(f.words(at)); f.GoesBack == nil || !strings.HasSuffix(words, "; goes back at "+at.Local().Format(time.DateTime)+" unless it is confirmed") {
		t.Errorf("it waits: %s", words)
	}
	op.Confirm.Confirmed = &at
	if f := statusOf([]*journal.Operation{op}).InForce[0]; f.GoesBack != nil || strings.Contains(f.words(at), "goes back") {
		t.Errorf("it was confirmed: %s", f.words(at))
	}
}

func TestDriftIsWhatApplyWouldDo(t *testing.T) {
	op := did(0, "vm-host", journal.Done, "")
	bond := resource.OfBond("bond0")
	vf := resource.OfFunction(pci.VF("0000:3b:00.0", 1))
	var f force
	f.drift(func(w *profiles.Want) (*provision.Plan, error) {
		if w.Profile != "vm-host" {
			t.Errorf("planned for %q", w.Profile)
		}
		return &provision.Plan{
			Steps: []step.Step{{Resource: bond, Attribute: "mtu", From: step.Text("1500"), To: step.Text("9000")}},
			Left:  []step.Left{{Resource: vf, Reason: "it is in use"}},
		}, nil
	}, op)
	if len(f.Drift) != 1 || !strings.Contains(f.Drift[0], "bond0 mtu") || len(f.Left) != 1 || f.Error != "" {
		t.Errorf("%+v", f)
	}
	f = force{}
	f.drift(func(*profiles.Want) (*provision.Plan, error) { return &provision.Plan{}, nil }, op)
	if f.Drift == nil || len(f.Drift) != 0 {
		t.Errorf("of none: %+v", f)
	}
	f = force{}
	f.drift(func(*profiles.Want) (*provision.Plan, error) { return nil, errors.New("no such card") }, op)
	if f.Drift != nil || f.Error != "no such card" {
		t.Errorf("of a plan that cannot be made: %+v", f)
	}
	op.Want = json.RawMessage(`7`)
	f = force{}
	f.drift(func(*profiles.Want) (*provision.Plan, error) { t.Error("planned"); return nil, nil }, op)
	if f.Error == "" {
		t.Errorf("of a want that cannot be read: %+v", f)
	}
}

func TestTheInstalledProfileIsHeldAgainstWhatIsInForce(t *testing.T) {
	op := did(0, "vm-host", journal.Done, "")
	if !wants(op, &profiles.Want{Profile: "vm-host"}) {
		t.Error("the same is told to be another")
	}
	if wants(op, &profiles.Want{Profile: "vm-host", Bonds: nil, Verify: &profiles.VerifySpec{}}) {
		t.Error("another is told to be the same")
	}
}

func TestStatusIsOneScreen(t *testing.T) {
	ended := time.Date(2026, 11, 28, 3, 1, 0, 0, time.Local)
	yes, no := true, false
	var drift []string
	for i := range 20 {
		drift = append(drift, fmt.Sprintf("bond/bond%d mtu: 1500 -> 9000", i))
	}
	in := force{Profile: "vm-host", Operation: "20261128T030000.000Z-apply", Applied: &ended, Tool: "v0.3.1", Drift: []string{}}
	drifted, unknown, old := in, in, in
	drifted.Drift, drifted.Left = drift, []string{"pci/0000:3b:00.0/vf/1: it is in use"}
	unknown.Drift, unknown.Error = nil, "no such card\nmore"
	old.Drift, old.Tool = nil, ""
	for name, tt := range map[string]struct {
		s    hostStatus
		want string
	}{
		"nothing": {hostStatus{}, "installed  nothing comes up at boot (nicwright install)\nin force   nothing\n"},
		"good": {
			hostStatus{Installed: &boot{Profile: "vm-host", InForce: &yes, Unit: &install.Running{Load: "loaded", Active: "active", Result: "success", Says: "the host is as the profile says"}}, InForce: []force{in}},
			"installed  vm-host, the same as is in force\nunit       nicwright.service: active: the host is as the profile says\n" +
				"in force   vm-host since 2026-11-28 03:01:00 (2h0m0s ago), by 20261128T030000.000Z-apply of nicwright v0.3.1\ndrift      none\nverified   never (nicwright verify)\n",
		},
		"drifted": {
			hostStatus{Installed: &boot{Profile: "vm-host", InForce: &no, Unit: &install.Running{Load: "not-found", Active: "inactive"}}, InForce: []force{drifted}},
			"installed  vm-host, which is not what is in force: the next boot changes that\nunit       nicwright.service: not-found\n" +
				"in force   vm-host since 2026-11-28 03:01:00 (2h0m0s ago), by 20261128T030000.000Z-apply of nicwright v0.3.1\ndrift      20 steps away: nicwright apply -p vm-host\n" +
				"           " + strings.Join(drift[:8], "\n           ") + "\n           ... nicwright plan -p vm-host has all\nleft       1 thing as it is: nicwright plan -p vm-host says why\nverified   never (nicwright verify)\n",
		},
		"went back": {
			hostStatus{Installed: &boot{Profile: "vm-host", InForce: &no, Unconfirmed: "20261128T030000.000Z-apply", Unit: &install.Running{Load: "loaded", Active: "failed", Result: "exit-code"}}},
			"installed  vm-host, which went back unconfirmed (20261128T030000.000Z-apply): no boot applies it before you do\n" +
				"unit       nicwright.service: failed (exit-code)\nin force   nothing\n",
		},
		"bad": {
			hostStatus{
				Installed: &boot{Error: "not YAML\nmore", Unit: &install.Running{Load: "loaded", Active: "failed", Result: "exit-code"}}, InForce: []force{unknown},
				Interrupted: &entry{ID: "X-apply", Profile: "vm-host", Outcome: journal.Failed, Error: "EBUSY\nmore", Open: true}, Unknown: []string{"drift: needs root\nmore"},
			},
			"installed    its profile cannot be read: not YAML\nunit         nicwright.service: failed (exit-code)\n" +
				"in force     vm-host since 2026-11-28 03:01:00 (2h0m0s ago), by 20261128T030000.000Z-apply of nicwright v0.3.1\ndrift        not known: no such card\nverified     never (nicwright verify)\n" +
				"interrupted  X-apply of vm-host: failed: EBUSY: nicwright rollback, or apply\nnot known    drift: needs root\n",
		},
		"stored": {
			hostStatus{Installed: &boot{Profile: "vm-host"}, AwaitsReset: []journal.Stored{
				{On: resource.OfFunction(pci.PF("0000:3b:00.0")), Attribute: "params total_vfs permanent", From: "8", To: "16"},
				{On: resource.OfFunction(pci.PF("0000:3b:00.1")), Attribute: "params total_vfs permanent", From: "8", To: "16"},
			}},
			"installed  vm-host\nin force   nothing\n" +
				"reboot     pci/0000:3b:00.0 params total_vfs permanent: 8 -> 16: it is stored in the card, which goes by it after a reboot of the host or a reset of the firmware (devlink dev reload pci/0000:3b:00.0 action fw_activate)\n" +
				"           pci/0000:3b:00.1 params total_vfs permanent: 8 -> 16: it is stored in the card, which goes by it after a reboot of the host or a reset of the firmware (devlink dev reload pci/0000:3b:00.1 action fw_activate)\n",
		},
		"not looked": {
			hostStatus{Installed: &boot{Profile: "vm-host"}, InForce: []force{old}},
			"installed  vm-host\nin force   vm-host since 2026-11-28 03:01:00 (2h0m0s ago), by 20261128T030000.000Z-apply of nicwright -\nverified   never (nicwright verify)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{out: &out}
			if err := a.printStatus(tt.s, ended.Add(2*time.Hour)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, ansi.Strip(out.String())); d != "" {
				t.Error(d)
			}
		})
	}
}
