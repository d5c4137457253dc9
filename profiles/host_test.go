// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/probe"
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
			found, _ := p.Check(&facts)
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
			if only, _ := p.Check(nil); len(only) > 0 {
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

// A document that is wrong is held against no host.
func TestCheckOfAWrongDocument(t *testing.T) {
	p, err := Read(Options{Name: "testdata/load/rules-references/base.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if found, looked := p.Check(&Facts{}); looked || len(found) == 0 {
		t.Errorf("looked: %t, %v", looked, found)
	}
	if p, err = Load(Options{Name: "vm-host"}); err != nil {
		t.Fatal(err)
	}
	if found, looked := p.Check(&Facts{}); !looked || len(found) != 1 {
		t.Errorf("looked: %t, %v", looked, found)
	}
}

// What a profile does not want, nobody looks for: an apply with nothing to do has
// to be quick.
func TestFactsAreAskedForWhatIsWanted(t *testing.T) {
	never := probe.Lazy(func() probe.Answer {
		t.Error("a fact was looked for that nothing in the profile takes")
		return probe.Answer{}
	})
	text, err := os.ReadFile("testdata/host/no-sriov/facts.json")
	if err != nil {
		t.Fatal(err)
	}
	facts := Facts{DriverTLS: never, DriverIPsec: never, DriverTC: never, AES256: never, HMFS: never, GrantsIPsec: never}
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	for a, f := range facts.Ports {
		f.ShowsLAG, f.WithoutVFs = never, never
		facts.Ports[a] = f
	}
	p, err := Load(Options{Name: "testdata/host/no-sriov/base.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if found, looked := p.Check(&facts); !looked || len(found) != 1 {
		t.Errorf("looked: %t, %v", looked, found)
	}
}

func TestBuiltInProfilesAreWithoutWarnings(t *testing.T) {
	for _, name := range BuiltIn() {
		p, err := Load(Options{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if found, _ := p.Check(nil); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func word(s string) *string { return &s }
func yesNo(b bool) *bool    { return &b }

func TestProofRules(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"tx off", switchesOff([]string{"tx"}, yesNo(false), nil), "its tls-hw-tx-offload is to be off"},
		{"tx left alone", switchesOff([]string{"tx"}, nil, yesNo(false)), ""},
		{"both off", switchesOff([]string{"tx", "rx"}, yesNo(false), yesNo(false)), "its tls-hw-tx-offload is to be off, and its tls-hw-rx-offload is to be off"},
		{"both on", switchesOff([]string{"tx", "rx"}, yesNo(true), yesNo(true)), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestPacketRules(t *testing.T) {
	const steering, encap = "flow_steering_mode is %s in switchdev, and packet offload takes dmfs", "encap-mode is %s in switchdev, and packet offload of tunnels takes none"
	for _, tt := range []struct {
		name string
		port eswitch.PortSpec
		want []string
	}{
		{"smfs", eswitch.PortSpec{Mode: word("switchdev"), Steering: word("smfs"), EncapMode: word("none")}, []string{fmt.Sprintf(steering, "smfs")}},
		{"steering left alone", eswitch.PortSpec{Mode: word("switchdev"), EncapMode: word("none")}, []string{fmt.Sprintf(steering, "not set")}},
		{"smfs in legacy", eswitch.PortSpec{Mode: word("legacy"), Steering: word("smfs")}, nil},
		{"encapsulation", eswitch.PortSpec{Mode: word("switchdev"), Steering: word("dmfs"), EncapMode: word("basic")}, []string{fmt.Sprintf(encap, "basic")}},
		{"both left alone", eswitch.PortSpec{Mode: word("switchdev")}, []string{fmt.Sprintf(steering, "not set"), fmt.Sprintf(encap, "not set")}},
		{"all as it has to be", eswitch.PortSpec{Mode: word("switchdev"), Steering: word("dmfs"), EncapMode: word("none")}, nil},
	} {
		if got := packetUnmet(tt.port); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
