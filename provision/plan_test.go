// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

// A directory below testdata/plan is a case: have.yaml (a host as observed) and
// want.yaml (a profile) or rollback.yaml (the host to go back to), before.yaml
// (the host before an unfinished apply) if there was one; and plan.txt, the steps
// or the error.
func TestNewPlan(t *testing.T) {
	dirs, err := filepath.Glob("testdata/plan/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			golden.Text(t, filepath.Join(dir, "plan.txt"), planCase(t, dir))
		})
	}
}

func planCase(t *testing.T, dir string) string {
	t.Helper()
	host := func(name string) *Host {
		file := filepath.Join(dir, name+".yaml")
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		h := new(Host)
		golden.Read(t, file, h)
		return h
	}
	have := host("have")
	var want *profiles.Want
	if back := host("rollback"); back != nil {
		want = back.want("rollback")
	} else {
		p, err := profiles.Load(profiles.Options{Name: filepath.Join(dir, "want.yaml")})
		if err != nil {
			t.Fatal(err)
		}
		if want, err = profiles.Resolve(p, have.CardInfos()); err != nil {
			return "error: " + err.Error() + "\n"
		}
	}
	plan, err := NewPlan(*have, want, host("before"))
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return golden.Format(plan.Steps)
}

func TestPlanForACardThatIsGone(t *testing.T) {
	var small, bare Host
	golden.Read(t, "testdata/hosts/small.yaml", &small)
	golden.Read(t, "testdata/hosts/bare.yaml", &bare)
	bare.Cards = nil
	_, err := NewPlan(bare, small.want("x"), nil)
	if err == nil || !strings.Contains(err.Error(), "no such card") {
		t.Errorf("planning for a card that is not there: %v", err)
	}
}

func TestPlanIsSavedAndReadBack(t *testing.T) {
	var have, then Host
	golden.Read(t, "testdata/hosts/small.yaml", &have)
	golden.Read(t, "testdata/hosts/bare.yaml", &then)
	plan, err := NewPlan(have, then.want("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	if err := plan.Save(file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a saved plan: %v, %v", info, err)
	}
	saved, err := LoadPlan(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := saved.holds(plan); err != nil {
		t.Errorf("a plan differs from itself, saved: %v", err)
	}
	if again, err := NewPlan(have, saved.Want, nil); err != nil || saved.holds(again) != nil {
		t.Errorf("what a saved plan wants gives other steps: %v", err)
	}
}

func TestPlanIsStale(t *testing.T) {
	a := step.Step{Resource: "pci/0001:3b:00.0", Attribute: "vfs", From: "0", To: "2"}
	b := step.Step{Resource: "bond/bond0", Attribute: "mode", To: "802.3ad"}
	c := step.Step{Resource: "bond/bond0", Attribute: "miimon", From: "0", To: "100"}
	for _, tt := range []struct {
		name       string
		saved, now []step.Step
		want       []string // what the error says; none: no error
	}{
		{"the same", []step.Step{a, b}, []step.Step{a, b}, nil},
		{"nothing left to do", []step.Step{a}, nil, []string{"plan again", "planned, no longer so: pci/0001:3b:00.0"}},
		{"more to do", []step.Step{a}, []step.Step{a, c}, []string{"not planned: bond/bond0"}},
		{"another value", []step.Step{a}, []step.Step{{Resource: a.Resource, Attribute: "vfs", From: "1", To: "2"}}, []string{"no longer so", "not planned"}},
		{"another order", []step.Step{a, b}, []step.Step{b, a}, []string{"plan again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := (&Plan{Steps: tt.saved}).holds(&Plan{Steps: tt.now})
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestPlanFilesThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"not JSON":        "plan",
		"other version":   `{"version": 2}`,
		"unknown key":     `{"version": 1, "want": {"profile": "x"}, "stages": []}`,
		"nothing wanted":  `{"version": 1, "steps": []}`,
		"two documents":   `{"version": 1, "want": {"profile": "x"}} {}`,
		"a wrong type":    `{"version": 1, "want": {"profile": "x"}, "steps": 3}`,
		"an unknown step": `{"version": 1, "want": {"profile": "x"}, "steps": [{"phase": "later"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "plan.json")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadPlan(file); err == nil || !strings.Contains(err.Error(), "nicwright plan -o") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := LoadPlan(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func FuzzDecodePlan(f *testing.F) {
	f.Add([]byte(`{"version": 1, "made": "2026-11-24T00:00:00Z", "want": {"profile": "x"}, "steps": [{"phase": "sriov", "domain": "eswitch", "resource": "pci/0001:3b:00.0", "attribute": "vfs", "from": "0", "to": "2"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePlan(data)
		if err != nil {
			return
		}
		file := filepath.Join(t.TempDir(), "plan.json")
		if err := p.Save(file); err != nil {
			t.Fatalf("a plan that was read cannot be saved: %v", err)
		}
		again, err := LoadPlan(file)
		if err != nil {
			t.Fatalf("a plan that was saved cannot be read: %v", err)
		}
		if err := p.holds(again); err != nil {
			t.Error(err)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(`{"version": 1, "taken": "2026-11-24T00:00:00Z", "profile": "x", "host": {"cards": [{"ports": [{"address": "0001:3b:00.0", "vfs": [{"index": 0}]}]}], "switch": {"bridges": [{"name": "b"}]}}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		c, err := decodeState[Checkpoint](data)
		if err != nil {
			return
		}
		// Whatever a checkpoint holds, planning a way back is an answer or an error.
		_, _ = NewPlan(Host{}, c.Host.want("x"), nil)
		_, _ = NewPlan(c.Host, c.Host.want("x"), &c.Host)
	})
}

func TestStateIsKeptUntilTheEnd(t *testing.T) {
	d := StateDir(filepath.Join(t.TempDir(), "state"))
	if _, _, err := RollbackWant(d); err == nil || !strings.Contains(err.Error(), "nothing to roll back to") {
		t.Errorf("rollback without a checkpoint: %v", err)
	}
	if _, err := AppliedWant(d); err == nil || !strings.Contains(err.Error(), "no profile has been applied") {
		t.Errorf("verify without an apply: %v", err)
	}
	var bare, small Host
	golden.Read(t, "testdata/hosts/bare.yaml", &bare)
	golden.Read(t, "testdata/hosts/small.yaml", &small)
	for _, begin := range []Host{bare, small} { // the second is of an apply that goes on: the first one counts
		if err := d.Begin("vm-host", begin); err != nil {
			t.Fatal(err)
		}
	}
	if w, c, err := RollbackWant(d); err != nil || c.Profile != "vm-host" || len(w.Bonds) != 0 || w.Profile != "rollback of vm-host" {
		t.Fatalf("rollback of an unfinished apply: %+v, %v", w, err)
	}
	want := small.want("vm-host")
	if err := d.End(want); err != nil {
		t.Fatal(err)
	}
	if c, err := d.Unfinished(); err != nil || c != nil {
		t.Errorf("an apply that has ended is unfinished: %v, %v", c, err)
	}
	if w, _, err := RollbackWant(d); err != nil || len(w.Bonds) != 0 {
		t.Errorf("rollback of an apply that has ended: %+v, %v", w, err)
	}
	if w, err := AppliedWant(d); err != nil || w.Profile != "vm-host" {
		t.Errorf("what was applied: %+v, %v", w, err)
	}
	before := stamps(t, d)
	if err := d.End(want); err != nil {
		t.Fatal(err)
	}
	if after := stamps(t, d); after != before {
		t.Errorf("recording the same again wrote: %s, then %s", before, after)
	}
	if err := d.End(bare.want("other")); err != nil {
		t.Fatal(err)
	}
	if w, err := AppliedWant(d); err != nil || w.Profile != "other" {
		t.Errorf("what was applied next: %+v, %v", w, err)
	}
}

// stamps tells the files of a directory apart from rewritten ones: a file that is replaced has another inode.
func stamps(t *testing.T, d StateDir) string {
	t.Helper()
	entries, err := os.ReadDir(string(d))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Name() + " " + info.ModTime().Format(time.RFC3339Nano) + "\n")
	}
	return b.String()
}

func TestStateThatIsNotOurs(t *testing.T) {
	for name, text := range map[string]string{"not JSON": "x", "of a later version": `{"version": 9}`} {
		t.Run(name, func(t *testing.T) {
			d := StateDir(t.TempDir())
			if err := os.WriteFile(filepath.Join(string(d), checkpointFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := d.Begin("x", Host{})
			if err == nil || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("beginning over it: %v", err)
			}
			if b, err := os.ReadFile(filepath.Join(string(d), checkpointFile)); err != nil || string(b) != text {
				t.Errorf("it was written over: %q, %v", b, err)
			}
		})
	}
}

func TestStateDirectoryThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := StateDir(filepath.Join(file, "state")).Begin("x", Host{}); !errors.Is(err, unix.ENOTDIR) || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}
