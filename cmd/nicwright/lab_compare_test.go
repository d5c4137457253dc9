// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
)

// A driver or card that became worse is found, each time and by what it did; one that did not is not. The kernel is the same
// all the while: what a kernel would do is planted.
func TestCompare(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", profile)
	t.Cleanup(func() {
		tell(t, "commands", "clear")
		for _, file := range []string{"no_encrypt", "still", "warn"} {
			tell(t, file, "0")
		}
	})
	saved := expect(t, exitDone, "baseline", "save", "before", "--quick", "--runs", "1")
	if !strings.Contains(saved.stdout, "baseline before: kernel ") || strings.Contains(saved.stdout, "not as the profile requires") {
		t.Errorf("%s", saved.stdout)
	}
	if info, err := os.Stat("/var/lib/nicwright/baselines/before.json"); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	assertRecorded(t)

	found := compared(t, exitDone, "before")
	for _, f := range found.Findings {
		if f.Class != compare.Noise {
			t.Errorf("nothing is different, and compare says: %+v", f)
		}
	}
	if len(found.Passed) == 0 {
		t.Error("nothing passed")
	}
	if r := expect(t, exitDone, "compare", "before", "before"); !strings.HasPrefix(r.stdout, "KEEP IT: nothing is worse") {
		t.Errorf("%s", r.stdout)
	}

	for _, tt := range []struct {
		name     string
		do, undo func()
		want     []finding
	}{
		{
			"no encryption", func() { tell(t, "no_encrypt", "1") }, func() { tell(t, "no_encrypt", "0") },
			[]finding{{compare.Broken, compare.Proofs, "ktls "}},
		},
		{
			// CREATE_ and MODIFY_GENERAL_OBJECT (include/linux/mlx5/mlx5_ifc.h): no key for TLS or IPsec; the driver says so in the log
			"a refused command", func() {
				tell(t, "commands", "fail 0xa00 1000000 3 0xbeef")
				tell(t, "commands", "fail 0xa01 1000000 3 0xbeef")
			}, func() { tell(t, "commands", "clear") },
			[]finding{{compare.Broken, compare.Proofs, "ktls "}, {compare.Broken, compare.Said, "a driver's warning"}},
		},
		{
			"a counter that stands still", func() { tell(t, "still", "1") }, func() { tell(t, "still", "0") },
			[]finding{{compare.Broken, compare.Proofs, "flows "}},
		},
		{
			"a warning in the log", func() { tell(t, "warn", "1") }, func() { tell(t, "warn", "0") },
			[]finding{{compare.Broken, compare.Said, "an error of the kernel itself"}},
		},
		{
			"a switch", func() { setTLS(t, "off") }, func() { setTLS(t, "on") },
			[]finding{{compare.Broken, compare.Proofs, "ktls "}, {compare.Unknown, compare.Shown, "feature.tls-hw-tx-offload"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.do()
			found := compared(t, exitUnproven, "before")
			tt.undo()
			for _, w := range tt.want {
				if !slices.ContainsFunc(found.Findings, w.is) {
					t.Errorf("%+v is not found, but %+v", w, found.Findings)
				}
			}
		})
	}
	found = compared(t, exitDone, "before") // and it is as it was
	if n := len(found.Of(compare.Broken)); n != 0 {
		t.Errorf("%+v", found.Findings)
	}
	expect(t, exitDone, "baseline", "delete", "before")
	expect(t, exitError, "compare", "before")
	remove(t, profile)
}

// A card that is 30% slower is found each time, and one that is not is not, in five tries. On a machine whose time is the
// instructions that it runs (lab run --icount): on any other, what else the host does makes as much of a difference.
func TestCompareSpeed(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", profile, "--set", "verify.ktls.bytes=4194304")
	t.Cleanup(func() { tell(t, "slow_ns", "0") })
	expect(t, exitDone, "baseline", "save", "before", "--runs", "5")
	var b baseline.Baseline
	if err := json.Unmarshal([]byte(expect(t, exitDone, "baseline", "show", "before").stdout), &b); err != nil {
		t.Fatal(err)
	}
	ns := 0.0 // for 1000 bytes of the fastest kTLS transfer
	for _, p := range b.Runs[0].Proofs {
		if p.Kind == "ktls" && p.Seconds > 0 && (ns == 0 || p.Seconds/float64(p.Bytes)*1e12 < ns) {
			ns = p.Seconds / float64(p.Bytes) * 1e12
		}
	}
	if ns == 0 {
		t.Fatalf("no kTLS transfer was measured: %+v", b.Runs[0].Proofs)
	}
	slower := strconv.Itoa(int(ns * (1/0.7 - 1)))
	speed := func(name string) (all []compare.Finding) {
		r := command(t, "nicwright", "compare", "before", "--runs", "5", "--json")
		c := new(compare.Comparison)
		if err := json.Unmarshal([]byte(r.stdout), c); err != nil {
			t.Fatalf("%s: %v: %s%s", name, err, r.stdout, r.stderr)
		}
		for _, f := range c.Findings {
			t.Logf("%s: %s, %s: %s -> %s: %s", name, f.Class, f.Name(), f.Before, f.After, f.Words)
			if f.Class == compare.Broken && f.Area == compare.Speed {
				all = append(all, f)
			}
		}
		return all
	}
	for n := range 5 {
		if found := speed("as before"); len(found) > 0 {
			t.Errorf("try %d: nothing is slower, and compare says: %+v", n, found)
		}
		tell(t, "slow_ns", slower)
		if !slices.ContainsFunc(speed("30% slower"), finding{compare.Broken, compare.Speed, "throughput of ktls"}.is) {
			t.Errorf("try %d: a card that is 30%% slower (%s ns for 1000 bytes) is not found", n, slower)
		}
		tell(t, "slow_ns", "0")
	}
	remove(t, profile)
}

// finding is a class, an area, and the beginning of what.
type finding struct {
	class compare.Class
	area  compare.Area
	what  string
}

func (w finding) is(f compare.Finding) bool {
	return f.Class == w.class && f.Area == w.area && strings.HasPrefix(f.What, w.what)
}

// compared compares a baseline with now.
func compared(t *testing.T, status int, name string) *compare.Comparison {
	t.Helper()
	r := expect(t, status, "compare", name, "--quick", "--runs", "1", "--json")
	c := new(compare.Comparison)
	if err := json.Unmarshal([]byte(r.stdout), c); err != nil {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	return c
}

// assertRecorded holds what a baseline says against what stock tools say.
func assertRecorded(t *testing.T) {
	t.Helper()
	var b struct {
		Profile  string
		Software map[string]string
		Cards    map[string]map[string]string
		Shown    map[string]map[string]string
		Apply    map[string]float64
	}
	if err := json.Unmarshal([]byte(expect(t, exitDone, "baseline", "show", "before").stdout), &b); err != nil {
		t.Fatal(err)
	}
	if got, want := b.Software["kernel.release"], strings.TrimSpace(witness(t, "uname", "-r")); got != want {
		t.Errorf("the kernel's release is %q, says uname: %q", got, want)
	}
	// The lab's driver is not the kernel's own (lab/internal/modules).
	if got, taint := b.Software["module.mlx5_core.in_tree"], witness(t, "cat", "/sys/module/mlx5_core/taint"); got != "false" || !strings.Contains(taint, "O") {
		t.Errorf("that the driver is the kernel's own is %q, and its taint %q", got, taint)
	}
	if got, want := b.Software["package.openvswitch-switch"], strings.TrimSpace(witness(t, "dpkg-query", "-W", "-f", "${Version}", "openvswitch-switch")); got != want {
		t.Errorf("openvswitch-switch is %q, says dpkg-query: %q", got, want)
	}
	if len(b.Apply) == 0 {
		t.Error("it does not say how long the apply took")
	}
	for _, pf := range pfs {
		card, shown, name := b.Cards[pf], b.Shown["pci/"+pf], uplink(t, pf)
		if shown["netdev"] != name || shown["eswitch.mode"] != "switchdev" || card["pcie.width"] == "" {
			t.Errorf("%s: %v, %v", pf, card, shown)
		}
		if info := witness(t, "devlink", "dev", "info", "pci/"+pf); !strings.Contains(info, card["firmware.running.fw.version"]) || !strings.Contains(info, card["firmware.fixed.fw.psid"]) {
			t.Errorf("devlink says %s, and the baseline %v", info, card)
		}
		ethtool := witness(t, "ethtool", name)
		if speed := strings.Fields(card["link.speed"]); len(speed) != 2 || !strings.Contains(ethtool, "Speed: "+speed[0]+"Mb/s") {
			t.Errorf("ethtool says %s, and the baseline %v", ethtool, card)
		}
		for line := range strings.Lines(witness(t, "ethtool", "-k", name)) {
			feature, state, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if got, there := shown["feature."+feature]; ok && there && got != state {
				t.Errorf("ethtool says that %s of %s is %q, and the baseline %q", feature, name, state, got)
			}
		}
		params := witness(t, "devlink", "dev", "param", "show", "pci/"+pf, "name", "flow_steering_mode")
		if v := shown["param.flow_steering_mode.runtime"]; v == "" || !strings.Contains(params, "cmode runtime value "+v) {
			t.Errorf("devlink says %s, and the baseline %q", params, v)
		}
	}
}
