// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// newFlowV1 is the host that version 1 left, with files of its state directory.
func newFlowV1(t *testing.T, files ...string) *flow {
	t.Helper()
	f := &flow{t: t, m: newModel(t, "small"), dir: journal.Dir(t.TempDir()), boot: "b"}
	for i := range f.m.Bonds.Bonds { // its marks named no profile
		f.m.Bonds.Bonds[i].Alias, f.m.Bonds.Bonds[i].Owner = step.NoOwner, step.NoOwner
	}
	for i := range f.m.Switch.Bridges {
		b := &f.m.Switch.Bridges[i]
		b.Owner = step.NoOwner
		for j := range b.Ports {
			b.Ports[j].Owner = step.NoOwner
		}
	}
	f.m.sync()
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join("testdata/v1", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(string(f.dir), name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// settled tells that the journal alone counts now.
func (f *flow) settled() {
	f.t.Helper()
	for _, name := range []string{checkpointV1, previousV1, appliedV1} {
		if _, err := os.Stat(filepath.Join(string(f.dir), name)); !errors.Is(err, os.ErrNotExist) {
			f.t.Errorf("%s is still there: %v", name, err)
		}
	}
}

func TestVersion1IsRolledBack(t *testing.T) {
	f := newFlowV1(t, previousV1, appliedV1)
	f.journal("apply small done")
	f.rollback(-1, "")
	f.journal("apply small done undone", "rollback small done")
	f.settled()
	if d := cmp.Diff(asWant(t, newModel(t, "bare").copy(t)), asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("it is another host than before (-before +now):\n%s", d)
	}
}

func TestVersion1GoesOnToTheNewOne(t *testing.T) {
	f := newFlowV1(t, previousV1, appliedV1)
	p, err := profiles.Load(profiles.Options{Name: "testdata/plan/converged/want.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	want, err := profiles.Resolve(p, f.m.CardInfos())
	if err != nil {
		t.Fatal(err)
	}
	plan := f.apply(-1, "small", want, Allowed{})
	for _, s := range plan.Steps {
		if s.Attribute != "mark" {
			t.Errorf("more than the marks changes: %s", s)
		}
	}
	f.settled()
	if o := f.m.Bonds.Bonds[0].Owner; o != "small" {
		t.Errorf("the bond is %q's", o)
	}
	if w, err := AppliedWant(f.dir, ""); err != nil || w.Profile != "small" {
		t.Errorf("what was applied: %+v, %v", w, err)
	}
	f.remove(-1, "small")
	if d := cmp.Diff(asWant(t, newModel(t, "bare").copy(t)), asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("removed, it is another host than before all (-before +now):\n%s", d)
	}
}

func TestApplyOfVersion1ThatWasInterrupted(t *testing.T) {
	f := newFlowV1(t, previousV1, appliedV1, checkpointV1)
	f.journal("apply small done", "apply tls-server ")
	before := asWant(t, f.m.copy(t))
	f.apply(5, "tls-server", wantVFs(pf0, 0), Allowed{Replace: []string{"small"}}) // interrupted once more
	f.settled()
	f.rollback(-1, "")
	if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("(-before +now):\n%s", d)
	}
}

func TestWantOfVersion1IsOfEachVF(t *testing.T) {
	f := newFlowV1(t, previousV1, appliedV1)
	w, err := AppliedWant(f.dir, "small")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range w.Ports {
		if len(s.Functions) != 2 || *s.Functions[1].Driver != "mlx5_core" || !*s.Functions[1].RepresentorUp {
			t.Errorf("got %+v", s)
		}
	}
	if len(w.OVS.Bridges[0].Ports) != 5 || len(w.Bonds) != 1 || len(w.Offload) != 6 {
		t.Errorf("got %+v", w)
	}
}

func TestFilesOfVersion1ThatAreNone(t *testing.T) {
	for name, text := range map[string]string{"not JSON": "x", "of another version": `{"version": 9}`, "a wrong type": `{"version": 1, "host": 3, "want": 3}`} {
		for _, file := range []string{checkpointV1, previousV1, appliedV1} {
			t.Run(name+" "+file, func(t *testing.T) {
				dir := journal.Dir(t.TempDir())
				path := filepath.Join(string(dir), file)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := History(dir); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

func FuzzDecodeV1(f *testing.F) {
	for _, name := range []string{checkpointV1, appliedV1} {
		b, err := os.ReadFile(filepath.Join("testdata/v1", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// Whatever they hold, planning a way back is an answer or an error.
		dir := journal.Dir(t.TempDir())
		for _, name := range []string{checkpointV1, previousV1, appliedV1} {
			if err := os.WriteFile(filepath.Join(string(dir), name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ops, err := readJournal(dir)
		if err != nil {
			return
		}
		r := &Road{Journal: dir, Boot: "b", ops: ops}
		_, _ = r.Rollback("", Allowed{})
		for _, o := range ops {
			_, _ = r.Remove(o.Profile.Name, Allowed{})
		}
	})
}
