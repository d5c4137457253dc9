// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// A directory below testdata/plan is a case: have.yaml (a host as observed) and
// want.yaml (a profile) or rollback.yaml (the host to go back to), before.yaml
// (the host before an apply that was interrupted) if there was one; and plan.txt,
// the steps and what is left, or the error.
func TestPlan(t *testing.T) {
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
	r := &Road{Journal: journal.Dir(t.TempDir()), Boot: "b", Tool: "t"}
	golden.Read(t, filepath.Join(dir, "have.yaml"), &r.Have)
	at := func(name string) (h Host, there bool) {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return h, false
		}
		golden.Read(t, file, &h)
		return h, true
	}
	// What an operation touched is not said: all of the host.
	was := func(before Host, outcome journal.Outcome) *journal.Operation {
		b, err := document(before.want())
		if err != nil {
			t.Fatal(err)
		}
		return &journal.Operation{
			Version: journal.Version, ID: "20261128T000000.000Z-apply", Kind: journal.Apply, Outcome: outcome, Boot: "b",
			Profile: journal.Profile{Name: "small"}, Before: b,
		}
	}
	if before, there := at("before.yaml"); there {
		r.ops = append(r.ops, was(before, journal.Failed))
	}
	plan, err := func() (*Plan, error) {
		if back, there := at("rollback.yaml"); there {
			r.ops = append(r.ops, was(back, journal.Done))
			return r.Rollback("", Allowed{})
		}
		p, err := profiles.Load(profiles.Options{Name: filepath.Join(dir, "want.yaml")})
		if err != nil {
			t.Fatal(err)
		}
		want, err := profiles.Resolve(p, r.Have.CardInfos())
		if err != nil {
			return nil, err
		}
		return r.Apply(want, journal.Profile{Name: p.Name}, Allowed{})
	}()
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return golden.Format(step.Result{Steps: plan.Steps, Left: plan.Left})
}

// hostOf reads a host of testdata/hosts.
func hostOf(t *testing.T, name string) (h Host) {
	t.Helper()
	golden.Read(t, filepath.Join("testdata/hosts", name+".yaml"), &h)
	return h
}

// roadOf is a road on a host, without a journal.
func roadOf(t *testing.T, name string) *Road {
	t.Helper()
	return &Road{Journal: journal.Dir(filepath.Join(t.TempDir(), "state")), Have: hostOf(t, name), Boot: "b", Tool: "t"}
}

func TestPlanIsSavedAndReadBack(t *testing.T) {
	r := roadOf(t, "bare")
	plan, err := r.Apply(hostOf(t, "small").want(), journal.Profile{Name: "x"}, Allowed{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Steps) == 0 {
		t.Fatal("there is nothing to do")
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
	now, err := r.Saved(saved)
	if err != nil {
		t.Errorf("what a saved plan wants gives other steps: %v", err)
	}
	if now.op.Profile.Hash != plan.op.Profile.Hash {
		t.Errorf("what was saved wants %s, and %s was saved", now.op.Profile.Hash, plan.op.Profile.Hash)
	}
	r.Have.Switch.HWOffload = true
	var stale *StalePlanError
	if _, err := r.Saved(saved); !errors.As(err, &stale) || len(stale.Gone) != 1 || len(stale.New) != 0 {
		t.Errorf("the host has changed: %v", err)
	}
}

func TestPlanIsStale(t *testing.T) {
	bond0, text := resource.OfBond("bond0"), step.Text
	a := step.Step{Resource: resource.OfFunction(pci.PF("0001:3b:00.0")), Attribute: "vfs", From: text("0"), To: text("2")}
	b := step.Step{Resource: bond0, Attribute: "mode", To: text("802.3ad")}
	c := step.Step{Resource: bond0, Attribute: "miimon", From: text("0"), To: text("100")}
	other, effect := a, b
	other.From = text("1")
	effect.Effects = []step.Effect{{Kind: step.Leaves, On: resource.OfNetdev(pci.PF("0001:3b:00.0")), From: bond0}}
	for _, tt := range []struct {
		name       string
		saved, now []step.Step
		want       []string // what the error says; none: no error
	}{
		{"the same", []step.Step{a, b}, []step.Step{a, b}, nil},
		{"nothing left to do", []step.Step{a}, nil, []string{"plan again", "planned, no longer so: pci/0001:3b:00.0"}},
		{"more to do", []step.Step{a}, []step.Step{a, c}, []string{"not planned: bond/bond0"}},
		{"another value", []step.Step{a}, []step.Step{other}, []string{"no longer so", "not planned"}},
		{"another order", []step.Step{a, b}, []step.Step{b, a}, []string{"plan again"}},
		{"another effect", []step.Step{b}, []step.Step{effect}, []string{"no longer so", "not planned"}},
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
		"of version 1":    `{"version": 1, "want": {"profile": "x"}, "steps": []}`,
		"other version":   `{"version": 3}`,
		"unknown key":     `{"version": 2, "kind": "apply", "want": {"profile": "x"}, "stages": []}`,
		"nothing wanted":  `{"version": 2, "kind": "apply", "steps": []}`,
		"a rollback":      `{"version": 2, "kind": "rollback", "want": {"profile": "x"}}`,
		"two documents":   `{"version": 2, "kind": "apply", "want": {"profile": "x"}} {}`,
		"a wrong type":    `{"version": 2, "kind": "apply", "want": {"profile": "x"}, "steps": 3}`,
		"an unknown step": `{"version": 2, "kind": "apply", "want": {"profile": "x"}, "steps": [{"phase": "later"}]}`,
		"no resource":     `{"version": 2, "kind": "apply", "want": {"profile": "x"}, "steps": [{"phase": "bond", "resource": "eth0"}]}`,
		"a wrong value":   `{"version": 2, "kind": "apply", "want": {"profile": "x"}, "steps": [{"phase": "bond", "from": 3}]}`,
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
	f.Add([]byte(`{"version": 2, "made": "2026-11-24T00:00:00Z", "kind": "apply", "profile": {"name": "x", "hash": "00"}, "want": {"profile": "x"},
 "take": ["all"], "steps": [{"phase": "sriov", "domain": "eswitch", "resource": "pci/0001:3b:00.0", "attribute": "vfs", "action": "change", "from": "0", "to": "2",
 "effects": [{"kind": "remade", "on": "pci/0001:3b:00.0/vf/0/netdev", "for": "apply"}]}], "left": [{"resource": "bond/b", "attribute": "mtu", "reason": "x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePlan(data)
		if err != nil {
			return
		}
		file := filepath.Join(t.TempDir(), "plan.json")
		if err := p.Save(file); err != nil {
			return // a step with a phase or a resource that is none says so
		}
		again, err := LoadPlan(file)
		if err != nil {
			t.Fatalf("a plan that was saved cannot be read: %v", err)
		}
		if err := p.holds(again); err != nil {
			t.Error(err)
		}
		// Whatever a plan wants, planning it anew is an answer or an error.
		r := &Road{Journal: journal.Dir(t.TempDir()), Boot: "b"}
		_, _ = r.Saved(again)
	})
}

// stamps tells the files of a directory apart from ones written anew.
func stamps(t *testing.T, dir journal.Dir) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(string(dir), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			b.WriteString(path + " " + info.ModTime().Format(time.RFC3339Nano) + "\n")
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return b.String()
}
