// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/bench/advice"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/sample/sampletest"
)

// aRunFile is a run of the seed's shape.
func aRunFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.ndjson")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := sample.NewWriter(f, sample.Header{Tool: "test", Clock: sample.Wall})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sampletest.Samples(1, 5, 0.05, append(sampletest.Sizes, 100_000_000), sampletest.UserTruth, sampletest.KernelTruth, sampletest.CardTruth) {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// in runs a command line with a configuration directory that stays.
func in(t *testing.T, config string, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out strings.Builder
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--state-dir", t.TempDir(), "--run-dir", t.TempDir(), "--config-dir", config))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// From an access log to a profile that does what is advised.
func TestAdviceIsWrittenIntoTheProfile(t *testing.T) {
	run, config := aRunFile(t), t.TempDir()
	log := filepath.Join(t.TempDir(), "access.log")
	line := `192.0.2.7 - - [28/Nov/2026:12:00:01 +0000] "GET /a HTTP/1.1" 200 10240 "-" "x"` + "\n"
	if err := os.WriteFile(log, []byte(strings.Repeat(line, 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	tx := func() bool {
		t.Helper()
		p, err := profiles.Load(profiles.Options{Name: "tls-server", ConfigDir: config})
		if err != nil {
			t.Fatal(err)
		}
		return *p.Cards[0].Ports[0].Offload.TLSTx
	}
	out, err := in(t, config, "advice", run, "--workload", log, "-p", "tls-server", "--write", "--requests", "5000")
	if err != nil || !strings.Contains(out, "60-advice.yaml") || tx() {
		t.Errorf("%v, tx %v\n%s", err, tx(), out)
	}
	// Another workload, another advice, in the same place.
	if out, err := in(t, config, "advice", run, "--sizes", "100M", "-p", "tls-server", "--write"); err != nil || !tx() {
		t.Errorf("%v, tx %v\n%s", err, tx(), out)
	}
	// Nothing advised is nothing written, and what was written stays.
	if out, err := in(t, config, "advice", run, "--sizes", "100M", "--tls", "1.3", "-p", "tls-server", "--write"); err == nil || !strings.Contains(err.Error(), "nothing to write") || !tx() {
		t.Errorf("%v, tx %v\n%s", err, tx(), out)
	}
	// Somebody else's file is left.
	file := filepath.Join(config, "profiles.d", "tls-server", adviceDropIn)
	if err := os.WriteFile(file, []byte("version: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := in(t, config, "advice", run, "--sizes", "10k", "-p", "tls-server", "--write"); err == nil || !strings.Contains(err.Error(), "somebody else's") {
		t.Error(err)
	}
	// And a link is not written through.
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte(advice.Mark+"\nversion: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(file), os.Symlink(target, file)); err != nil {
		t.Fatal(err)
	}
	if _, err := in(t, config, "advice", run, "--sizes", "10k", "-p", "tls-server", "--write"); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Error(err)
	}
}

// A proof that a later layer requires does not go with what is off: that is told.
func TestAdviceThatAProfileDoesNotGoWith(t *testing.T) {
	config := t.TempDir()
	dir := filepath.Join(config, "profiles.d", "vm-host")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "70-proof.yaml"), []byte("version: 1\nverify:\n  ktls: {require: offloaded}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := in(t, config, "advice", aRunFile(t), "--sizes", "10k", "--received", "0", "-p", "vm-host", "--write")
	if err == nil || !strings.Contains(err.Error(), "does not go with it") || !strings.Contains(err.Error(), adviceDropIn) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAdviceAsJSON(t *testing.T) {
	out, err := in(t, t.TempDir(), "advice", aRunFile(t), "--sizes", "10k:99%,100M:1%", "--json", "-p", "vm-host")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Tx    struct{ Answer string }
		Split struct{ Bytes float64 }
		Ways  []struct {
			Throughput struct{ Value, Low, High float64 }
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Tx.Answer != "off" || doc.Split.Bytes < 1e6 || len(doc.Ways) != 3 || doc.Ways[0].Throughput.Low <= 0 {
		t.Errorf("%v: %+v\n%s", err, doc, out)
	}
	out, err = in(t, t.TempDir(), "advice", aRunFile(t), "--sizes", "10k:99%,100M:1%", "-p", "vm-host")
	if err != nil || !strings.Contains(out, "small-files") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAdviceThatIsAskedWrongly(t *testing.T) {
	run := aRunFile(t)
	for _, args := range [][]string{
		{"advice"},
		{"advice", run},
		{"advice", run, "--sizes", "1k", "--workload", "x"},
		{"advice", run, "--sizes", "lots"},
		{"advice", run, "--sizes", "1k", "--tls", "1.1"},
		{"advice", run, "--sizes", "1k", "--clients", "-4"},
		{"advice", run, "--sizes", "1k", "--write"},
		{"advice", run, "--sizes", "1k", "--connections", "1m"},
		{"advice", run, "--connections", "5ms"},
		{"bench", "chart"},
		{"bench", "chart", "a", "b", "c"},
	} {
		_, err := ran(t, args...)
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage {
			t.Errorf("%v gave %v, want exit status %d", args, err, exitUsage)
		}
	}
	for want, args := range map[string][]string{
		"no such file":           {"advice", "/nowhere", "--sizes", "1k"},
		"there is no published":  {"advice", "published:nothing", "--sizes", "1k"},
		"not in a form":          {"advice", run, "--workload", run},
		"reading the access log": {"advice", run, "--workload", "/nowhere"},
	} {
		if _, err := ran(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gave %v, want %q", args, err, want)
		}
	}
}
