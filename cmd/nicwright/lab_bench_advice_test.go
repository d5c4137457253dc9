// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// The whole way of `make demo-bench`, small: what was measured is drawn, and advised on.
// An emulated card is no faster than a processor: which way is better is not asked here.
func TestBenchToChartToAdvice(t *testing.T) {
	benchVFs(t)
	file, out := filepath.Join(t.TempDir(), "run.ndjson"), filepath.Join(t.TempDir(), "charts")
	run, r := sampledInto(t, file, tinyBench("--modes", "user,card-tx", "--sizes", "1k,100k", "--turns", "3", "--control", "0", "--seed", "1")...)
	lines := map[string]int{}
	for _, s := range run.Samples {
		if s.Bytes > 0 {
			lines[string(s.Cell.Mode)+" "+s.Cell.TLS+" "+string(s.Gate.Verdict)]++
		}
	}
	for line, want := range map[string]int{"user 1.2 as-said": 6, "user 1.3 as-said": 6, "card-tx 1.2 as-said": 6, "card-tx 1.3 finding": 4} { // left out after the second
		if lines[line] != want {
			t.Errorf("%s: %d samples, want %d: %v\n%s", line, lines[line], want, lines, r.stdout)
		}
	}
	drawn := expect(t, exitDone, "bench", "chart", file, "--out", out, "--terminal")
	words := strings.Join(strings.Fields(drawn.stdout), " ") // lines are broken
	for _, has := range []string{"throughput over size of the file", "no figure of card, sending, TLS 1.3: ", "100% software", filepath.Join(out, "charts.html")} {
		if !strings.Contains(words, has) {
			t.Errorf("the charts do not say %q:\n%s", has, drawn.stdout)
		}
	}
	for _, name := range []string{"https-throughput.svg", "https-throughput.png", "charts.html"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var doc struct {
		Tx struct {
			Answer string
			Why    []string
		}
		Ways []struct{ Mode sample.Mode }
	}
	for version, answers := range map[string][]string{"1.2": {"on", "off", "no difference", "cannot tell"}, "1.3": {"no difference"}} {
		said := expect(t, exitDone, "advice", file, "--sizes", "1k:50%,100k:50%", "--tls", version, "--json").stdout
		if err := json.Unmarshal([]byte(said), &doc); err != nil || !slices.Contains(answers, doc.Tx.Answer) || len(doc.Tx.Why) == 0 {
			t.Errorf("TLS %s: %v\n%s", version, err, said)
		}
		if version == "1.2" && len(doc.Ways) != 2 {
			t.Errorf("it weighs %v, and TLS by nginx and by the card were measured\n%s", doc.Ways, said)
		}
		if version == "1.3" && !strings.Contains(doc.Tx.Why[0], "kernel") {
			t.Errorf("TLS 1.3 is not the kernel's lack: %v", doc.Tx.Why)
		}
	}
}
