// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

const examples = "../examples/"

// exampleHosts are the hosts of testdata/hosts that an example is planned on, if not
// on the bare one.
var exampleHosts = map[string][]string{"adopt-management-bond": {"mgmt-bond", "mgmt-uplink"}}

func exampleNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(examples + "*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".yaml")
	}
	return files
}

// Each example loads, breaks no rule (not even one that warns), resolves and is
// planned: testdata/examples/NAME@HOST.txt is the plan.
func TestExamples(t *testing.T) {
	for _, name := range exampleNames(t) {
		hosts := exampleHosts[name]
		if hosts == nil {
			hosts = []string{"bare"}
		}
		for _, host := range hosts {
			t.Run(name+"@"+host, func(t *testing.T) {
				p, err := profiles.Load(profiles.Options{Name: examples + name + ".yaml"})
				if err != nil {
					t.Fatal(err)
				}
				if p.Name != name || p.Description == "" {
					t.Errorf("it has the name %q and the description %q", p.Name, p.Description)
				}
				r := roadOf(t, host)
				r.Have.Tuning = tuningOf(r.Have)
				found, looked := p.Check(&profiles.Facts{Cards: r.Have.CardInfos()})
				for _, e := range found {
					t.Error(e)
				}
				if !looked {
					t.Error("it was not held against the host")
				}
				want, err := profiles.Resolve(p, r.Have.CardInfos())
				if err != nil {
					t.Fatal(err)
				}
				plan, err := r.Apply(want, journal.Profile{Name: p.Name}, Allowed{})
				if err != nil {
					t.Fatal(err)
				}
				if len(plan.Steps) == 0 {
					t.Error("there is nothing to do: the host is no test of it")
				}
				golden.Text(t, filepath.Join("testdata/examples", name+"@"+host+".txt"), formatted(plan))
			})
		}
	}
}

// On a host as a model has it, an example comes to its end, and a rollback takes all
// of it back.
func TestExamplesComeToTheirEnd(t *testing.T) {
	beyond := map[string]string{
		"adopt-management-bond": "nothing hangs on the model's netdevs",
		"ipsec-gateway":         "port function attributes",
		"tls-server":            "updelay, min_links",
		"vlans":                 "native VLANs, dot1q-tunnel",
	}
	for _, name := range exampleNames(t) {
		if beyond[name] != "" {
			continue // the model has none of that: the lab does
		}
		t.Run(name, func(t *testing.T) {
			f := newFlow(t)
			before := asWant(t, f.m.copy(t))
			want, doc := wantedOf(t, f.m.copy(t), examples+name+".yaml")
			f.apply(-1, doc.Name, want, Allowed{})
			if plan, err := f.look().Apply(want, doc, Allowed{}); err != nil || len(plan.Steps) > 0 {
				t.Errorf("applied once more it is not done: %v, %v", err, plan)
			}
			back := f.rollback(-1, "")
			if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
				t.Errorf("the host is not as it was: %s; the rollback:\n%s", d, formatted(back))
			}
		})
	}
}

func TestExamplesAreListed(t *testing.T) {
	readme, err := os.ReadFile(examples + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range exampleNames(t) {
		if !strings.Contains(string(readme), "]("+name+".yaml) |") {
			t.Errorf("examples/README.md does not list %s", name)
		}
	}
}
