// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

var (
	bond0 = resource.OfBond("bond0")
	pf    = resource.OfFunction(pci.PF("0000:3b:00.0"))
)

func list(t *testing.T, d Dir) []*Operation {
	t.Helper()
	all, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func begin(t *testing.T, d Dir, o Operation) *Operation {
	t.Helper()
	if err := d.Begin(&o, list(t, d)); err != nil {
		t.Fatal(err)
	}
	return &o
}

func end(t *testing.T, d Dir, o *Operation, outcome error) {
	t.Helper()
	if err := d.End(o, outcome, list(t, d)); err != nil {
		t.Fatal(err)
	}
}

func TestAnOperationIsWrittenAndReadBack(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "state"))
	o := begin(t, d, Operation{
		Kind: Apply, Profile: Profile{Name: "a", Hash: "h", Layers: []Layer{{"a.yaml", "version: 1\n"}}},
		Want: json.RawMessage(`{"profile":"a"}`), Before: json.RawMessage(`{}`), Touched: Touched{bond0: {"bond", "mode"}, pf: {All}}, Boot: "b", Tool: "t",
	})
	info, err := os.Stat(filepath.Join(string(d), "operations", o.ID+".json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	all := list(t, d)
	if len(all) != 1 || !all[0].Open() || all[0].InForce() || OpenOne(all) != all[0] || all[0].Attempts != 1 {
		t.Fatalf("begun: %+v", all)
	}
	end(t, d, o, errors.New("the kernel says no"))
	if all = list(t, d); !all[0].Open() || all[0].Error != "the kernel says no" {
		t.Errorf("failed: %+v", all[0])
	}
	o = all[0]
	if err := d.Begin(o, all); err != nil {
		t.Fatal(err)
	}
	end(t, d, o, nil)
	all = list(t, d)
	if all[0].Open() || !all[0].InForce() || all[0].Error != "" || all[0].Attempts != 2 || len(all) != 1 {
		t.Errorf("resumed and done: %+v", all[0])
	}
	if got := all[0].Touched; !got.Has(bond0, "mode") || got.Has(bond0, "mtu") || !got.Has(pf, "anything") || got.Resource(resource.OfBond("bond1")) {
		t.Errorf("touched: %+v", got)
	}
}

func TestWhatIsOpenAndWhatIsInForce(t *testing.T) {
	d := Dir(t.TempDir())
	first := begin(t, d, Operation{Kind: Apply, Profile: Profile{Name: "a"}})
	end(t, d, first, nil)
	second := begin(t, d, Operation{Kind: Apply, Profile: Profile{Name: "b"}})
	third := begin(t, d, Operation{Kind: Apply, Profile: Profile{Name: "b"}, Resumes: []string{second.ID}})
	all := list(t, d)
	if o := OpenOne(all); o.ID != third.ID || Find(all, second.ID).Outcome != Superseded {
		t.Errorf("open is %s; %+v", o.ID, Find(all, second.ID))
	}
	end(t, d, third, nil)
	back := begin(t, d, Operation{Kind: Rollback, Profile: Profile{Name: "b"}, Undoes: []string{third.ID}})
	if o := OpenOne(list(t, d)); o.ID != back.ID || len(InForce(list(t, d), "")) != 2 {
		t.Errorf("a rollback that was interrupted: %+v", o)
	}
	end(t, d, back, nil)
	all = list(t, d)
	if got := InForce(all, ""); len(got) != 1 || got[0].ID != first.ID || OpenOne(all) != nil {
		t.Errorf("after the rollback: %+v", got)
	}
	if len(InForce(all, "b")) != 0 || Find(all, "2") != nil || Find(all, back.ID[:len(back.ID)-1]).ID != back.ID {
		t.Error("operations are not found by profile or the beginning of their ID")
	}
}

func TestACutWhileOneTakesAnothersPlace(t *testing.T) {
	d := Dir(t.TempDir())
	first := begin(t, d, Operation{Kind: Apply})
	second := begin(t, d, Operation{Kind: Rollback}) // its Resumes were not marked any more
	if o := OpenOne(list(t, d)); o.ID != second.ID {
		t.Errorf("open is %s, not %s (first %s)", o.ID, second.ID, first.ID)
	}
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	d := Dir(t.TempDir())
	now := time.Now().UTC()
	ended := now.Add(-time.Hour)
	write := func(age time.Duration, o Operation) string {
		o.Version, o.Begun = Version, now.Add(-age)
		o.ID = newID(o.Begun, o.Kind, list(t, d))
		if o.Outcome != "" {
			o.Ended = &ended
		}
		if err := d.Write(&o); err != nil {
			t.Fatal(err)
		}
		return o.ID
	}
	const old = 2 * KeepAge
	inForce := write(old+3, Operation{Kind: Apply, Outcome: Done})
	undone := write(old+2, Operation{Kind: Apply, Outcome: Done, UndoneBy: "x"})
	open := write(old+1, Operation{Kind: Apply})
	last := write(old, Operation{Kind: Rollback, Outcome: Done})
	if err := d.Prune(now); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, o := range list(t, d) {
		ids = append(ids, o.ID)
	}
	if slices.Contains(ids, undone) || !slices.Contains(ids, inForce) || !slices.Contains(ids, open) || !slices.Contains(ids, last) {
		t.Errorf("kept are %v of in force %s, undone %s, open %s, last %s", ids, inForce, undone, open, last)
	}
	for i := range KeepNumber + 10 {
		write(time.Duration(i)*time.Second, Operation{Kind: Rollback, Outcome: Superseded})
	}
	if err := d.Prune(now); err != nil {
		t.Fatal(err)
	}
	if n := len(list(t, d)); n != KeepNumber+3 {
		t.Errorf("%d operations are kept", n)
	}
}

func TestDocumentsOfOtherVersions(t *testing.T) {
	// Of a later version that this one can read: what is unknown stays in the file.
	text := `{"version":3,"min_version":2,"id":"20261128T035512.123Z-apply","kind":"apply","profile":{"name":"a"},"begun":"2026-11-28T03:55:12Z","later":{"until":"x"}}`
	o, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o.Outcome = Done
	b, err := json.Marshal(o)
	if err != nil || !strings.Contains(string(b), `"later":{"until":"x"}`) || !strings.Contains(string(b), `"min_version":2`) {
		t.Errorf("%s, %v", b, err)
	}
	for name, bad := range map[string]string{
		"a later version":             `{"version":9,"id":"20261128T035512.123Z-apply"}`,
		"an earlier version":          `{"version":1}`,
		"not JSON":                    `x`,
		"two documents":               text + text,
		"a name that leads elsewhere": `{"version":2,"id":"../../etc/passwd"}`,
	} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func TestGoldenDocument(t *testing.T) {
	// A file that today's version wrote: every later one has to read it.
	b, err := os.ReadFile("testdata/v2.json")
	if err != nil {
		t.Fatal(err)
	}
	o, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Touched{bond0: {"bond", "mode"}, pf: {"eswitch-mode", "vfs"}}
	if d := cmp.Diff(want, o.Touched); d != "" || o.Profile.Layers[0].Source != "two.yaml" || !o.InForce() || len(o.Before) == 0 {
		t.Errorf("%+v %s", o, d)
	}
}

func TestAJournalThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Dir(filepath.Join(file, "state")).Begin(&Operation{Kind: Apply}, nil)
	if !errors.Is(err, unix.ENOTDIR) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "nothing on the host was changed") {
		t.Errorf("got %v", err)
	}
	d := Dir(t.TempDir())
	if err := os.MkdirAll(d.operations(), 0o700); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(d.operations(), "20261128T035512.123Z-apply.json")
	for _, text := range []string{"x", `{"version":2,"id":"20261128T035512.124Z-apply"}`} {
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.List(); err == nil || !strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTouchedWith(t *testing.T) {
	got := Touched{bond0: {"mode"}}.With(Touched{bond0: {"mtu", "mode"}, pf: {"vfs"}})
	if d := cmp.Diff(Touched{bond0: {"mode", "mtu"}, pf: {"vfs"}}, got); d != "" {
		t.Error(d)
	}
	if Touched(nil).With(got) != nil || !Touched(nil).Has(pf, "x") {
		t.Error("a document that does not say what it touched is about all")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":2,"id":"20261128T035512.123Z-apply","kind":"apply","profile":{"name":"a"},"begun":"2026-11-28T03:55:12Z","touched":{"bond/bond0":["mode"]},"x":1}`))
	f.Add([]byte(`{"version":2,"id":"20261128T035512.123Z-apply","kind":"apply","profile":{"name":"a"},"begun":"2026-11-28T03:55:12Z","outcome":"done","confirm":{"within":120,"deadline":"2026-11-28T03:57:12Z","probe":["192.0.2.1"],"probe_lost":0.5}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := Decode(data)
		if err != nil {
			return
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := Decode(b)
		if err != nil || again.ID != o.ID || fmt.Sprint(again.Touched) != fmt.Sprint(o.Touched) || again.Waits() != o.Waits() {
			t.Fatalf("%s: %v", b, err)
		}
	})
}
