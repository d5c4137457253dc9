// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A directory below testdata/host is a case: base.yaml, facts.json (what the
// host is like), and findings.txt, what the rules on the host find. -update
// writes findings.txt anew.
func TestHostRules(t *testing.T) {
	cases, err := filepath.Glob("testdata/host/*")
	if err != nil || len(cases) == 0 {
		t.Fatalf("cases: %v, %v", cases, err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Chdir(dir)
			p, err := Load(Options{Name: "base.yaml"})
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile("facts.json")
			if err != nil {
				t.Fatal(err)
			}
			var facts Facts
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&facts); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			found := p.Check(&facts)
			for _, e := range found {
				got.WriteString(e.Error() + "\n")
			}
			if err := p.CheckHost(facts); (err != nil) != (len(found.Fatal()) > 0) {
				t.Errorf("CheckHost says %v", err)
			}
			if *update {
				if err := os.WriteFile("findings.txt", []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile("findings.txt")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("findings.txt (-want +got):\n%s", diff)
			}
			if only := p.Check(nil); len(only) > 0 {
				t.Errorf("the case is of the host, and the profile alone breaks: %v", only)
			}
		})
	}
}

// Every rule is broken in a golden file, and has a sentence and, if it is about
// the hardware, a source.
func TestEveryRuleIsTested(t *testing.T) {
	var all strings.Builder
	for _, pattern := range []string{"testdata/load/*/*.txt", "testdata/host/*/findings.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	before := ""
	for _, r := range Rules() {
		if !strings.Contains(all.String(), ": "+r.ID+": ") {
			t.Errorf("no test breaks %s: %s", r.ID, r.Sentence)
		}
		if r.ID <= before || r.Sentence == "" || r.Severity == "" || r.ID > "NW150" && (r.Source == "" || !r.Host) {
			t.Errorf("rule %+v", r)
		}
		before = r.ID
	}
}

func TestBuiltInProfilesAreWithoutWarnings(t *testing.T) {
	for _, name := range BuiltIn() {
		p, err := Load(Options{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if found := p.Check(nil); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}
