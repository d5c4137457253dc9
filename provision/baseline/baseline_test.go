// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	reflector "github.com/invopop/jsonschema"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/provision/report"
)

// The published schema is that of the types, with their doc comments.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	r := &reflector.Reflector{Anonymous: true, DoNotReference: true}
	for _, dir := range []string{".", "../../internal/proof", "../../internal/health"} {
		pkg := "github.com/nicwright/nicwright/" + filepath.ToSlash(filepath.Join("provision/baseline", dir))
		if err := r.AddGoComments(pkg, dir, reflector.WithFullComment()); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range r.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(text), " ")
	}
	s := r.ReflectFromType(reflect.TypeFor[Baseline]())
	s.Title = "a baseline of nicwright"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "schema.json", string(text)+"\n")
}

// Documents of each version that there was are read, and hold what they held: a new
// version adds a file, and changes none.
func TestDocumentsOfEachVersion(t *testing.T) {
	files, err := filepath.Glob("testdata/version-*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(JSONSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if b.Software["kernel.release"] != "6.12.117" || len(b.Runs) != 1 || b.Runs[0].Proofs[0].Verdict != proof.Offloaded {
			t.Errorf("%s: %+v", file, b)
		}
		if b.Version != Version {
			continue
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(v); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		again, err := Encode(b)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s is written anew as (%v):\n%s", file, err, again)
		}
	}
}

func small(name string) *Baseline {
	return &Baseline{
		Version: Version, Name: name, Taken: time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC),
		Software: Facts{"kernel.release": "6.12.117"}, Cards: map[string]Facts{}, Shown: map[string]Facts{}, Runs: []Run{},
	}
}

func TestStore(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "baselines"))
	if all, err := d.List(); len(all) != 0 || err != nil {
		t.Error(all, err)
	}
	if _, err := d.Load("none"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	for _, name := range []string{"before", "6.12.117+deb13-amd64"} {
		if err := d.Save(small(name)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(string(d) + "/before.json")
	if err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	got, err := d.Load("before")
	if d := cmp.Diff(small("before"), got); d != "" || err != nil {
		t.Error(err, d)
	}
	if got, err = d.Load(string(d) + "/before.json"); err != nil || got.Name != "before" {
		t.Error(got, err)
	}
	if err := os.WriteFile(string(d)+"/torn.json", []byte(`{"version": 1, "na`), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := d.List()
	if err == nil || !strings.Contains(err.Error(), "torn.json") || len(all) != 2 || all[0].Name != "6.12.117+deb13-amd64" {
		t.Error(all, err)
	}
	if err := d.Delete("before"); err != nil {
		t.Error(err)
	}
	if err := d.Delete("before"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "-rf", ".hidden", "a b", "x.json", strings.Repeat("x", 129)} {
		if err := Dir(t.TempDir()).Save(small(name)); err == nil {
			t.Errorf("%q is taken as a name", name)
		}
		if err := Dir(t.TempDir()).Delete(name); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%q is taken as a name: %v", name, err)
		}
	}
}

func TestWhatIsNoBaseline(t *testing.T) {
	for text, want := range map[string]string{
		`nothing`:                       "no baseline",
		`{}`:                            "no version",
		`{"version": 2, "tool": "9.1"}`: "of version 2, and this nicwright reads up to 1: it was recorded by a later one (9.1)",
		`{"version": 1}`:                "says not what of",
		`{"version": 1, "name": "a", "taken": "2026-11-28T20:00:00Z", "software": {}, "cards": {}, "shown": {}, "runs": []} {}`:                            "more follows",
		`{"version": 1, "name": "a", "taken": "2026-11-28T20:00:00Z", "software": {}, "cards": {}, "shown": {}, "runs": [{"proofs": [{"kind": "ktls"}]}]}`: `the verdict ""`,
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	if text, err := os.ReadFile("testdata/version-1.json"); err == nil {
		f.Add(text)
	}
	f.Add([]byte(`{"version": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Decode(text)
		if err != nil {
			return
		}
		again, err := Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again); err != nil {
			t.Errorf("what was read is written so that it cannot be: %v\n%s", err, again)
		}
	})
}

func TestRunOf(t *testing.T) {
	var r report.Report
	r.Judge(proof.Proof{Kind: "ktls", Verdict: proof.Offloaded, Bytes: 10, Seconds: 2, CPUSeconds: 1}, proof.Offloaded)
	r.Judge(proof.Proof{Kind: "ktls", Verdict: proof.Software, CPUSeconds: 1, NoCPU: "not exact", Reason: "why"}, proof.Offloaded)
	got := RunOf(&r, 3)
	want := Run{Others: 3, Proofs: []Result{
		{Kind: "ktls", Verdict: proof.Offloaded, OK: true, Bytes: 10, Seconds: 2, CPU: 1}, {Kind: "ktls", Verdict: proof.Software, Reason: "why"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
