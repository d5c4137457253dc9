// SPDX-License-Identifier: Apache-2.0

// Package golden runs the golden tests of a domain's Diff: a directory a case,
// testdata/diff/NAME/, with have.yaml (the observed state), want.yaml (the wanted
// one under "want", the effects of steps before under "effects", the operation's
// owner under "owner", what it may take under "take" and what a rollback's operation
// touched under "touched") and plan.txt (the steps
// and what is left, or the error). A new case is three files and no code; the
// environment variable NICWRIGHT_UPDATE=1 writes every expected text anew.
package golden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Diff runs the cases below testdata/diff, each as a subtest. H and W are what
// the domain's Diff takes as have and want, read by their JSON tags.
func Diff[H, W any](t *testing.T, diff func(have H, want W, effects step.Effects, opt step.Options) (step.Result, error)) {
	t.Helper()
	dirs, err := filepath.Glob("testdata/diff/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases in testdata/diff: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var have H
			var want struct {
				Want    W                        `json:"want"`
				Effects step.Effects             `json:"effects"`
				Owner   string                   `json:"owner"`
				Take    []resource.ID            `json:"take"`
				Touched map[resource.ID][]string `json:"touched"`
			}
			Read(t, filepath.Join(dir, "have.yaml"), &have)
			Read(t, filepath.Join(dir, "want.yaml"), &want)
			opt := step.Options{Owner: want.Owner, Take: map[resource.ID]bool{}}
			for _, id := range want.Take {
				opt.Take[id] = true
			}
			if want.Touched != nil {
				opt.Touched = func(id resource.ID, attribute string) bool { return slices.Contains(want.Touched[id], attribute) }
			}
			result, err := diff(have, want.Want, want.Effects, opt)
			got := Format(result)
			if err != nil {
				got = "error: " + err.Error() + "\n"
			}
			Text(t, filepath.Join(dir, "plan.txt"), got)
		})
	}
}

// ToItself fails where a want that brings have back, as the journal has had it, needs a step or leaves anything.
func ToItself[H, W any](t *testing.T, have H, want W, diff func(have H, want W, effects step.Effects, opt step.Options) (step.Result, error)) {
	t.Helper()
	b, err := json.Marshal(want)
	var back W
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := diff(have, back, nil, step.Options{Owner: "me"})
	if err != nil || len(r.Steps)+len(r.Left) > 0 {
		t.Errorf("%v, %v", r, err)
	}
}

// Text compares got with the file, or writes the file anew.
func Text(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("NICWRIGHT_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, d)
	}
}

// Format writes a result as text: a line each step with its phase, and below it
// its effects and why it is there; then what is left.
func Format(r step.Result) string {
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString(s.Phase.String() + ": " + s.Action.Glyph() + " " + s.String() + "\n")
		for _, e := range s.Effects {
			b.WriteString("    " + string(e.Kind) + ": " + e.Words() + "\n")
		}
		if s.Reason != "" {
			b.WriteString("    because " + s.Reason + "\n")
		}
	}
	for _, l := range r.Left {
		b.WriteString("left: " + l.Resource.String() + " " + l.Attribute + "\n    because " + l.Reason + "\n")
	}
	return b.String()
}

// Read decodes a YAML file by the JSON tags of into, strictly.
func Read(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j, err := yaml.YAMLToJSON(b)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	d := json.NewDecoder(bytes.NewReader(j))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
