// SPDX-License-Identifier: Apache-2.0

// Package golden runs the golden tests of a domain's Diff: a directory a case,
// testdata/diff/NAME/, with have.yaml (the observed state), want.yaml (the wanted
// one under "want", the replaced functions under "replaced") and plan.txt (the
// steps, or the error). A new case is three files and no code; the environment
// variable NICWRIGHT_UPDATE=1 writes every expected text anew.
package golden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/step"
)

// Diff runs the cases below testdata/diff, each as a subtest. H and W are what
// the domain's Diff takes as have and want, read by their JSON tags.
func Diff[H, W any](t *testing.T, diff func(have H, want W, replaced step.Replaced) ([]step.Step, error)) {
	t.Helper()
	dirs, err := filepath.Glob("testdata/diff/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases in testdata/diff: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var have H
			var want struct {
				Want     W             `json:"want"`
				Replaced step.Replaced `json:"replaced"`
			}
			Read(t, filepath.Join(dir, "have.yaml"), &have)
			Read(t, filepath.Join(dir, "want.yaml"), &want)
			steps, err := diff(have, want.Want, want.Replaced)
			got := Format(steps)
			if err != nil {
				got = "error: " + err.Error() + "\n"
			}
			Text(t, filepath.Join(dir, "plan.txt"), got)
		})
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

// Format writes steps as text: a line each with its phase, and below it what it
// disrupts and why it is there.
func Format(steps []step.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.Phase.String() + ": " + s.String() + "\n")
		if s.Disrupts != "" {
			b.WriteString("    disrupts " + s.Disrupts + "\n")
		}
		if s.Reason != "" {
			b.WriteString("    because " + s.Reason + "\n")
		}
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
