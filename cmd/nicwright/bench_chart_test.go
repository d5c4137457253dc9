// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/docs/measurements"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/sample/sampletest"
)

func TestBenchChartWritesPictures(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "charts")
	out, err := ran(t, "bench", "chart", aRunFile(t), "published:seed", "--out", dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"https-throughput.svg", "https-throughput.png", "https-cpu.svg", "https-latency.png", "charts.html"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() < 1000 || !strings.Contains(out, name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "charts.html"))
	if err != nil || !strings.Contains(string(page), "card, sending (seed)") {
		t.Errorf("the page has no line of the seed: %v", err)
	}
}

// Every measurement that ships can be read and drawn.
func TestPublishedMeasurements(t *testing.T) {
	names := measurements.Names()
	if len(names) < 2 {
		t.Fatalf("%v", names)
	}
	for _, name := range names {
		if out, err := ran(t, "bench", "chart", "published:"+name); err != nil || !strings.Contains(out, "card, sending") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	// The lab's has the seed's shape: the slow card loses with small files, and the crossing is where it was found.
	for mix, want := range map[string]string{"10k": "off", "10M": "on"} {
		out, err := ran(t, "advice", "published:lab-weak-server", "--sizes", mix, "--variant", "set-up 5 s", "--json")
		if err != nil || !strings.Contains(out, `"answer": "`+want+`"`) {
			t.Errorf("%s: %v\n%s", mix, err, out)
		}
	}
}

func TestARunOfFindingsIsNoChart(t *testing.T) {
	truth := sampletest.CardTruth
	truth.Finding = "all in software"
	file := filepath.Join(t.TempDir(), "run.ndjson")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := sample.NewWriter(f, sample.Header{Tool: "test", Clock: sample.Wall})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sampletest.Samples(1, 1, 0, sampletest.Sizes, truth) {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := ran(t, "bench", "chart", file); err == nil || !strings.Contains(err.Error(), "all in software") {
		t.Errorf("%v\n%s", err, out)
	}
}
