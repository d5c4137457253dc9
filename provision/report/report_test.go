// SPDX-License-Identifier: Apache-2.0

package report

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
func readReport(t *testing.T, name string) *Report {
	t.Helper()
	f, err := os.Open("testdata/report/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := new(Report)
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

// A cell of n samples of a gigabyte, each with its seconds and CPU seconds.
func sampled(version, cipher string, v proof.Verdict, n int, seconds, cpu float64) Judged {
	p := proof.Proof{
		Kind: "ktls", Cell: []proof.Field{{Name: "version", Value: version}, {Name: "cipher", Value: cipher}}, Verdict: v,
		Bytes: int64(n) * 1e9, Seconds: float64(n) * seconds, CPUSeconds: float64(n) * cpu,
	}
	for range n {
		p.Samples = append(p.Samples, proof.Sample{Bytes: 1e9, Seconds: seconds, CPUSeconds: cpu})
	}
	return Judged{Proof: p}
}

// Whether offload is worth it is said of like cells, with enough samples on both sides, or it is said why not.
func TestComparison(t *testing.T) {
	cell := sampled
	noCPU := cell("1.3", "A", proof.Software, 10, 2, 0)
	noCPU.NoCPU = "the kernel only samples"
	many := func(n int, j Judged) (all []Judged) {
		for range n {
			all = append(all, j)
		}
		return all
	}
	uneven := cell("1.3", "A", proof.Software, 10, 2, 8)
	uneven.Samples[3].Seconds, uneven.Samples[4].Seconds = 1, 3
	for _, tt := range []struct {
		name  string
		cells []Judged
		want  string // how the lines begin; "": none
		also  string
	}{
		{"the card is faster and cheaper", []Judged{cell("1.2", "A", proof.Offloaded, 10, 1, 2), cell("1.3", "A", proof.Software, 10, 2, 8)}, "offloaded against software: 2.00 times the throughput, 0.25 times the CPU time a byte\n", "software: 4000.0 Mbit/s (4000.0 to 4000.0), 8.00 CPU s/GB (8.00 to 8.00), in 10 samples of 20.0 s in all"},
		{"the card is slower", []Judged{cell("1.3", "A", proof.Software, 10, 1, 2), cell("1.2", "B", proof.Software, 10, 9, 9), cell("1.2", "A", proof.Offloaded, 10, 4, 3)}, "cipher A, offloaded against software: 0.25 times the throughput, 1.50 times the CPU time a byte\n", ""},
		{"the spread", []Judged{cell("1.2", "A", proof.Offloaded, 10, 1, 2), uneven}, "offloaded", "software: 4000.0 Mbit/s (2666.7 to 8000.0)"},
		{"several cells are one side", append(many(5, cell("1.2", "A", proof.Offloaded, 2, 1, 2)), many(5, cell("1.3", "A", proof.Software, 2, 2, 8))...), "offloaded against software: 2.00 times", "10 samples"},
		{"nine samples", []Judged{cell("1.2", "A", proof.Offloaded, 9, 1, 2), cell("1.3", "A", proof.Software, 10, 2, 8)}, "offloaded against software: no figure: it takes 10 samples and 1 s a side, and there are 9 of 9.0 s offloaded, 10 of 20.0 s in software; set verify.ktls.bytes to ", ""},
		{"less than a second", []Judged{cell("1.2", "A", proof.Offloaded, 10, 0.09, 1), cell("1.3", "A", proof.Software, 10, 2, 8)}, "offloaded against software: no figure: ", "10 of 0.9 s offloaded"},
		{"no samples", []Judged{cell("1.2", "A", proof.Offloaded, 10, 1, 2), {Proof: proof.Proof{Cell: cell("1.3", "A", "", 0, 1, 1).Cell, Verdict: proof.Software, Bytes: 1 << 20, Seconds: 0.01}}}, "offloaded against software: no figure: ", "0 of 0.0 s in software"},
		{"another cipher is not alike", []Judged{cell("1.2", "A", proof.Offloaded, 10, 1, 2), cell("1.2", "B", proof.Software, 10, 2, 8)}, "", ""},
		{"one that failed has no say", []Judged{cell("1.2", "A", proof.Offloaded, 10, 1, 2), cell("1.3", "A", proof.Failed, 10, 2, 8)}, "", ""},
		{"CPU time that the kernel does not know", []Judged{cell("1.2", "A", proof.Offloaded, 10, 1, 2), noCPU}, "offloaded against software: 2.00 times the throughput; no figure of CPU time: the kernel only samples\n", "4000.0 Mbit/s (4000.0 to 4000.0), in 10"},
		{"CPU time that is lost in the rounding", []Judged{cell("1.2", "A", proof.Offloaded, 10, 1, 0.05), cell("1.3", "A", proof.Software, 10, 2, 8)}, "offloaded against software: 2.00 times the throughput; no figure of CPU time: 0.50 s of CPU time in 1 transfer are too little", ""},
	} {
		got := strings.Join((&section{Kind: "ktls", Cells: tt.cells, Columns: []string{"version", "cipher"}}).Comparison(), "\n")
		if !strings.HasPrefix(got, tt.want) || !strings.Contains(got, tt.also) || tt.want == "" && got != "" {
			t.Errorf("%s:\n%s\nwant\n%s ... %s", tt.name, got, tt.want, tt.also)
		}
	}
}

// The bytes that are asked for make the samples that are asked for.
func TestEnoughBytes(t *testing.T) {
	w := &work{}
	w.add(proof.Proof{Bytes: 1e6, Seconds: 0.01}) // 100 MB/s
	w.add(proof.Proof{Bytes: 1e6, Seconds: 0.01})
	if got := w.enough(); got < 110e6 || got > 112e6 {
		t.Errorf("%d bytes in each of two transfers at 100 MB/s", got)
	}
}

// The CPU time of a transfer that was too short for it is no figure.
func TestCPUFigure(t *testing.T) {
	for _, tt := range []struct {
		p    proof.Proof
		want string
	}{
		{proof.Proof{Bytes: 1e9, Seconds: 2, CPUSeconds: 3}, "3.00"},
		{proof.Proof{Bytes: 1e9, Seconds: 0.9, CPUSeconds: 3}, ""},
		{proof.Proof{Bytes: 1e9, Seconds: 2, CPUSeconds: 0.5}, ""},
		{proof.Proof{Bytes: 1e9, Seconds: 2}, ""},
	} {
		if got := cpuPerGB(tt.p); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.p, got, tt.want)
		}
	}
}

func TestJudged(t *testing.T) {
	for _, tt := range []struct {
		verdict, require proof.Verdict
		ok               bool
	}{
		{proof.Offloaded, "", true},
		{proof.Software, "", true},
		{proof.NotPossible, "", true},
		{proof.Failed, "", false},
		{proof.Offloaded, proof.Offloaded, true},
		{proof.Software, proof.Offloaded, false},
		{proof.NotPossible, proof.Offloaded, false},
		{proof.Offloaded, proof.Software, false},
		{proof.Failed, proof.Holds, false},
	} {
		r := &Report{OK: true}
		if j := r.Judge(proof.Proof{Verdict: tt.verdict}, tt.require); r.OK != tt.ok || j.OK != tt.ok || r.Proofs[0].OK != tt.ok {
			t.Errorf("%s where %q is required: %t", tt.verdict, tt.require, r.OK)
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
		got := (&Report{Host: tt.host, Proofs: tt.proofs}).caveats()
		if len(got) != tt.lines || strings.Contains(strings.Join(got, ""), "emulation's") != tt.emulated {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
