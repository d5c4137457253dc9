// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/bench/https"
	"github.com/nicwright/nicwright/provision/bench/ipsec"
	"github.com/nicwright/nicwright/provision/bench/nfs"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// benchProfile is a profile with that bench, and the app that names it.
func benchProfile(t *testing.T, bench string) *app {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.yaml")
	text := "version: 1\nname: p\ncards: [{name: nic0, select: {vendor: \"15b3\"}, ports: [{name: p0, port: 0, vfs: 4}]}]\nbench:\n" + bench
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{settings: viper.New()}
	a.settings.Set("profile", file)
	return a
}

// What no flag says the profile does; --quick says all of it.
func TestBenchOfAProfile(t *testing.T) {
	a := benchProfile(t, `  turns: 7
  interval: 2.5
  time: 1h
  window: 2s
  limit: 30s
  https: {modes: [user, card-tx], tls: ["1.2"], sizes: [10k, 1M], clients: [1, 50], keepalive: both, rate: [0, 0.5], server-cpu: 0.25, kernel-client: true}
  nfs: {modes: [plain], block: [4096, 8192], size: 1G, reader: own, threads: 3}
  ipsec: {modes: [software], sas: [4], mtu: [9000], sizes: [16k]}
`)
	var h httpsFlags
	c := h.command(a)
	parsed(t, c, "--sizes 1G --turns 9")
	if err := h.fromProfile(c, a, "https"); err != nil {
		t.Fatal(err)
	}
	if err := h.read(); err != nil {
		t.Fatal(err)
	}
	want := https.Axes{
		Modes: []sample.Mode{sample.User, sample.CardTx}, Versions: []string{"1.2"}, Ciphers: []string{"AES-256-GCM"}, Sizes: []uint64{1e9}, Clients: []int{1, 50},
		KeepAlive: []bool{false, true}, Resumption: []bool{false}, Sendfile: []bool{true}, Rates: []float64{0, 0.5},
	}
	if d := cmp.Diff(want, h.in.Axes); d != "" || h.turns != 9 || h.interval != 2.5 || h.time != time.Hour || h.window != 2*time.Second || h.limit != 30*time.Second || h.in.ServerCPU != 0.25 || !h.in.KernelClient {
		t.Errorf("%+v: %s", h, d)
	}
	var n nfsFlags
	c = n.command(a)
	parsed(t, c, "--nconnect 16")
	if err := n.fromProfile(c, a, "nfs"); err != nil {
		t.Fatal(err)
	}
	if err := n.read(); err != nil || !slices.Equal(n.axes.Blocks, []uint64{4096, 8192}) || n.axes.Size != 1e9 || n.reader != "own" || n.threads != 3 || n.turns != 7 || !slices.Equal(n.axes.NConnects, []int{16}) {
		t.Errorf("%+v, %v", n, err)
	}
	var i ipsecFlags
	c = i.command(a)
	parsed(t, c, "")
	if err := i.fromProfile(c, a, "ipsec"); err != nil {
		t.Fatal(err)
	}
	if err := i.read(); err != nil || len(i.axes.Cells()) != 2 || i.axes.Cells()[0].Size != 16000 || i.axes.Cells()[0].SAs != 4 {
		t.Errorf("%+v, %v", i, err)
	}
	var quick httpsFlags
	c = quick.command(a)
	parsed(t, c, "--quick")
	if err := quick.fromProfile(c, a, "https"); err != nil {
		t.Fatal(err)
	}
	if err := quick.read(); err != nil || quick.time != 110*time.Second || quick.turns != 5 || len(quick.in.Axes.Cells()) != 12 {
		t.Errorf("%+v, %v", quick, err)
	}
}

// A flag and the profile have to go together, too, and what is no profile is said.
func TestBenchOfAProfileRefused(t *testing.T) {
	a := benchProfile(t, "  https: {kernel-client: true}\n  window: 5s\n")
	for args, want := range map[string]string{"--resumption on": "goes without --resumption", "--limit 1s": "--window 5s, --limit 1s"} {
		var f httpsFlags
		c := f.command(a)
		parsed(t, c, args)
		if err := f.fromProfile(c, a, "https"); err != nil {
			t.Error(err)
		}
		if err := f.read(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	var f httpsFlags
	bad := benchProfile(t, "  https: {modes: [nic]}\n")
	if err := f.fromProfile(f.command(bad), bad, "https"); err == nil || !strings.Contains(err.Error(), `"nic" is not allowed`) {
		t.Errorf("%v", err)
	}
	none := &app{settings: viper.New(), sets: []string{"bench.turns=3"}}
	if err := f.fromProfile(f.command(none), none, "https"); err == nil || !strings.Contains(err.Error(), "say which with -p") {
		t.Errorf("%v", err)
	}
}

// A key of bench is a flag, and a flag is a key: but for those that are of one run.
func TestBenchKeysAreFlags(t *testing.T) {
	run := []string{"help", "quick", "seed", "variant", "instructions", "out", "access-log", "peer", "address"} // verify.peers has those two
	var schema map[string]any
	if err := json.Unmarshal(profiles.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	under := func(s map[string]any, keys ...string) map[string]any {
		for _, k := range keys {
			s, _ = s["properties"].(map[string]any)[k].(map[string]any)
		}
		return s["properties"].(map[string]any)
	}
	sections := []string{"https", "nfs", "ipsec"}
	common := slices.DeleteFunc(slices.Collect(maps.Keys(under(schema, "bench"))), func(k string) bool { return slices.Contains(sections, k) })
	for name, c := range map[string]*cobra.Command{"https": (&httpsFlags{}).command(nil), "nfs": (&nfsFlags{}).command(nil), "ipsec": (&ipsecFlags{}).command(nil)} {
		keys := slices.Concat(slices.Collect(maps.Keys(under(schema, "bench", name))), common)
		if name == "nfs" {
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == "limit" }) // it has none
		}
		var flags []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !slices.Contains(run, f.Name) {
				flags = append(flags, f.Name)
			}
		})
		slices.Sort(keys)
		slices.Sort(flags)
		if d := cmp.Diff(flags, keys); d != "" {
			t.Errorf("bench %s (-flags +keys):\n%s", name, d)
		}
	}
	enum := func(bench, key string) (all []string) {
		for _, v := range under(schema, "bench", bench)[key].(map[string]any)["items"].(map[string]any)["enum"].([]any) {
			all = append(all, fmt.Sprint(v))
		}
		return all
	}
	for name, modes := range map[string][]sample.Mode{"https": https.Modes, "nfs": nfs.Modes, "ipsec": ipsec.Modes} {
		if got := modesOf(enum(name, "modes")); !slices.Equal(got, modes) {
			t.Errorf("the modes of bench.%s are %v, and it has %v", name, got, modes)
		}
	}
}

// The rule of the file's size knows what is measured where nothing is said.
func TestBenchRuleKnowsTheDefaults(t *testing.T) {
	least := nfs.Full.Blocks[0] * uint64(nfs.Full.Jobs[0]) * uint64(nfs.Full.Depths[0])
	for size, ok := range map[uint64]bool{least: true, least - 1: false} {
		a := benchProfile(t, fmt.Sprintf("  nfs: {size: \"%d\"}\n", size))
		if _, err := profiles.Load(a.profileOptions()); (err == nil) != ok {
			t.Errorf("a file of %d bytes: %v", size, err)
		}
	}
	most := nfs.Full.Size / (nfs.Full.Blocks[0] * uint64(nfs.Full.Jobs[0])) // 1024, the highest that there is
	if most != 1024 {
		t.Errorf("a file of %d bytes takes a depth of %d", nfs.Full.Size, most)
	}
	for jobs, ok := range map[int]bool{4: true, 5: false} {
		a := benchProfile(t, fmt.Sprintf("  nfs: {depth: [%d], jobs: [%d]}\n", most, jobs))
		if _, err := profiles.Load(a.profileOptions()); (err == nil) != ok {
			t.Errorf("%d jobs: %v", jobs, err)
		}
	}
}
