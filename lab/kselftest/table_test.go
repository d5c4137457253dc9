// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/lab/internal/kernels"
)

// TestTable: what the table says can be done, and each exception has its reason.
func TestTable(t *testing.T) {
	topologies, err := os.ReadFile("machine/topology.sh")
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, r := range kernels.Table() {
		known = append(known, r.Name)
	}
	on := func(t *testing.T, names []string) {
		for _, k := range names {
			if !slices.Contains(known, k) {
				t.Errorf("%q is no kernel of the lab", k)
			}
		}
	}
	files := map[string]bool{}
	for i := range Table {
		test := &Table[i]
		t.Run(test.Name, func(t *testing.T) {
			m, err := FindMachine(test.Machine)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(`(?m)^(.* \| )?` + m.Topology + `( \| .*)?\)$`).Match(topologies) {
				t.Errorf("machine/topology.sh has no %s", m.Topology)
			}
			if files[test.file()] {
				t.Errorf("another one has its outputs in %s too", test.file())
			}
			files[test.file()] = true
			if test.Limit <= 0 || len(test.Command) == 0 || len(test.Results) == 0 {
				t.Error("it has no limit, no command or no kernel")
			}
			on(t, sorted(test.Results))
			on(t, sorted(test.Not))
			for k, n := range test.Results {
				if n <= 0 || test.Not[k] != "" {
					t.Errorf("%d results on %s; not there because: %q", n, k, test.Not[k])
				}
			}
			for _, k := range known {
				if !test.On(k) && test.Not[k] == "" && NotTried[k] == "" {
					t.Errorf("it is not run on %s and does not say why", k)
				}
			}
			for _, e := range test.Edits {
				on(t, e.Kernels)
				if _, err := regexp.Compile(e.From); err != nil || e.Why == "" || filepath.IsAbs(e.File) {
					t.Errorf("the edit %+v: %v", e, err)
				}
			}
			for _, e := range test.Expect {
				on(t, e.Kernels)
				if _, err := regexp.Compile(e.Subtests); err != nil || e.Why == "" || e.Outcome == Pass || (e.Outcome != Either && rank(e.Outcome) < 0) {
					t.Errorf("what is expected, %+v: %v", e, err)
				}
			}
		})
	}
	for _, l := range LeftOut {
		if l.Why == "" || slices.ContainsFunc(Table, func(t Test) bool { return t.Name == l.Name }) {
			t.Errorf("%s is left out without a reason, or is not", l.Name)
		}
	}
	for _, m := range Machines {
		if !slices.ContainsFunc(Table, func(t Test) bool { return t.Machine == m.Name }) {
			t.Errorf("nothing runs in machine %s", m.Name)
		}
	}
}

func TestEdit(t *testing.T) {
	e := Edit{File: "net/x.c", From: `^(static void init)\(int a,\s+int b\)`, To: "$1(int a, int b, ...)", Why: "it does not compile"}
	got, err := e.edit("int x;\nstatic void init(int a,\n\t\tint b)\n{\n")
	if want := "int x;\nstatic void init(int a, int b, ...)\n{\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := e.edit("static void init(void)"); err == nil || !strings.Contains(err.Error(), "net/x.c (it does not compile)") {
		t.Errorf("an edit that matches nothing: %v", err)
	}
}

// TestJudgeAll: outputs of a machine that ran through, of one that was killed and of one that never began.
func TestJudgeAll(t *testing.T) {
	dir := t.TempDir()
	good := &Table[slices.IndexFunc(Table, func(t Test) bool { return t.Name == "drivers/net/ping.py" })]
	killed := &Table[slices.IndexFunc(Table, func(t Test) bool { return t.Machine == "tls" })]
	for name, content := range map[string]string{
		good.Machine + "/" + good.file() + ".log":  "1..3\nok 1 ping.test_v4\nok 2 ping.test_v6\nok 3 ping.test_tcp\n",
		good.Machine + "/" + good.file() + ".json": `{"Status":0,"Ended":true,"Seconds":2.5}`,
		killed.Machine + "/status":                 "124\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	ok, err := JudgeAll(&out, "6.12", dir)
	if ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	for _, want := range []string{
		good.Name + ` +2 s  3 pass +as expected\n`,
		regexp.QuoteMeta(killed.Name) + ` +0 s +worse\n    it did not end: its machine was gone before it ended: it was killed at its limit\n`,
		`    it did not end: its machine was gone before it ended, and it was never started\n`,
		`kernel 6\.12: \d+ self-tests, \d+ not as expected\n$`,
	} {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("it does not say %s:\n%s", want, out.String())
		}
	}
	if _, err := JudgeAll(&out, "5.10", dir); err == nil {
		t.Error("a kernel that nobody knows is as expected")
	}
}

func TestList(t *testing.T) {
	var out bytes.Buffer
	if err := List(&out); err != nil {
		t.Fatal(err)
	}
	for i := range Table {
		for _, e := range Table[i].Expect {
			if !strings.Contains(out.String(), e.Why) {
				t.Errorf("%s: %s is not in the list", Table[i].Name, e.Why)
			}
		}
	}
	for _, l := range LeftOut {
		if !strings.Contains(out.String(), l.Name) {
			t.Errorf("%s is not in the list", l.Name)
		}
	}
}
