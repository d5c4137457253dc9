// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
)

// readReport is testdata/report/NAME.json, of the host in testdata/hosts/NAME.yaml.
func readReport(t *testing.T, name string) *VerifyReport {
	t.Helper()
	f, err := os.Open("testdata/report/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := new(VerifyReport)
	d := json.NewDecoder(f) // and not golden.Read: YAML has no escape for each that JSON has
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		t.Fatal(err)
	}
	golden.Read(t, "testdata/hosts/"+name+".yaml", &r.Host)
	return r
}

// Each report of testdata/report in every form.
func TestReports(t *testing.T) {
	files, err := filepath.Glob("testdata/report/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no reports: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			r := readReport(t, name)
			stem := strings.TrimSuffix(file, ".json")
			golden.Text(t, stem+".txt", printed(t, func(w io.Writer) error { return r.Print(w, false) }))
			golden.Text(t, stem+"-verbose.txt", printed(t, func(w io.Writer) error { return r.Print(w, true) }))
			golden.Text(t, stem+".xml", printed(t, r.JUnit))
			golden.Text(t, stem+".html", printed(t, r.HTML))
		})
	}
}

// Colour adds nothing but colour: the columns stand where they stand in a pipe.
func TestColourMovesNothing(t *testing.T) {
	r := readReport(t, "three")
	var b strings.Builder
	if err := r.Print(&b, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[") {
		t.Error("there is no colour")
	}
	if d := cmp.Diff(printed(t, func(w io.Writer) error { return r.Print(w, true) }), ansi.Strip(b.String())); d != "" {
		t.Error(d)
	}
}

func TestReportToAWriterThatFails(t *testing.T) {
	r := readReport(t, "small")
	for name, render := range map[string]func(io.Writer) error{
		"text": func(w io.Writer) error { return r.Print(w, false) }, "JUnit": r.JUnit, "HTML": r.HTML,
	} {
		if err := render(brokenWriter{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got %v, want the writer's error", name, err)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestJudgement(t *testing.T) {
	for _, tt := range []struct {
		verdict, require proof.Verdict
		ok               bool
		want, mark       string
		plain            bool
	}{
		{proof.Offloaded, "", true, "offloaded", "ok", true},
		{proof.Holds, proof.Holds, true, "holds", "ok", true},
		{proof.Software, "", true, "software", "ok", false},
		{proof.Software, proof.Offloaded, false, "software, required: offloaded", "FAIL", false},
		{proof.Offloaded, proof.Software, false, "offloaded, required: software", "FAIL", false},
		{proof.Failed, "", false, "failed", "FAIL", false},
		{proof.NotPossible, "", true, "not possible here", "ok", false},
	} {
		j := Judged{Proof: proof.Proof{Verdict: tt.verdict}, Require: tt.require, OK: tt.ok}
		if got := j.Judgement(); got != tt.want || j.plain() != tt.plain || !strings.Contains(j.Mark(), tt.mark) {
			t.Errorf("%s for %q: %q %q, plain %t", tt.verdict, tt.require, got, j.Mark(), j.plain())
		}
	}
}

func TestComparisonIsOfLikeCells(t *testing.T) {
	cell := func(version, cipher string, v proof.Verdict, seconds, cpu float64) Judged {
		return Judged{Proof: proof.Proof{
			Cell: []proof.Field{{Name: "version", Value: version}, {Name: "cipher", Value: cipher}}, Verdict: v, Bytes: 1e9, Seconds: seconds, CPUSeconds: cpu,
		}}
	}
	for _, tt := range []struct {
		name  string
		cells []Judged
		want  string
	}{
		{"the card is faster and cheaper", []Judged{cell("1.2", "A", proof.Offloaded, 1, 2), cell("1.3", "A", proof.Software, 2, 8)}, "offloaded against software: 2.00 times the throughput, 0.25 times the CPU time a byte"},
		{"the card is slower", []Judged{cell("1.3", "A", proof.Software, 1, 2), cell("1.2", "B", proof.Software, 9, 9), cell("1.2", "A", proof.Offloaded, 4, 3)}, "cipher A, offloaded against software: 0.25 times the throughput, 1.50 times the CPU time a byte"},
		{"another cipher is not alike", []Judged{cell("1.2", "A", proof.Offloaded, 1, 2), cell("1.2", "B", proof.Software, 2, 8)}, ""},
		{"one that failed has no say", []Judged{cell("1.2", "A", proof.Offloaded, 1, 2), cell("1.3", "A", proof.Failed, 2, 8)}, ""},
		{"CPU time that was not measured", []Judged{cell("1.2", "A", proof.Offloaded, 1, 0), cell("1.3", "A", proof.Software, 2, 8)}, ""},
	} {
		if got := strings.Join((&section{Cells: tt.cells, Columns: []string{"version", "cipher"}}).Comparison(), "\n"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestCaveats(t *testing.T) {
	measured := []Judged{{Proof: proof.Proof{Verdict: proof.Software, Bytes: 1, Seconds: 1}}}
	card := func(product string, address pci.Address) Host {
		return Host{Cards: []eswitch.Card{{Product: product, Ports: []eswitch.Port{{Address: address}}}}}
	}
	for _, tt := range []struct {
		name     string
		host     Host
		proofs   []Judged
		lines    int
		emulated bool
	}{
		{"nothing was measured", card("ConnectX-6 Dx (emulated)", "0001:3b:00.0"), []Judged{{Proof: proof.Proof{Verdict: proof.Holds}}}, 0, false},
		{"a card", card("ConnectX-6 Dx EN adapter card", "0000:3b:00.0"), measured, 2, false},
		{"the lab's card", card("ConnectX-6 Dx EN adapter card (emulated)", "0001:3b:00.0"), measured, 3, true},
		{"netdevsim", card("", "netdevsim/netdevsim10"), measured, 3, true},
	} {
		got := (&VerifyReport{Host: tt.host, Proofs: tt.proofs}).caveats()
		if len(got) != tt.lines || strings.Contains(strings.Join(got, ""), "emulation's") != tt.emulated {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
