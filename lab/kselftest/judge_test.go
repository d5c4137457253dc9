// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"reflect"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	test := Test{
		Name:    "net/x.sh",
		Results: map[string]int{"6.12": 3, "7.3": 2},
		Expect: []Expect{
			{Subtests: `mpls .*`, Outcome: Fail, Kernels: []string{"6.12"}, Why: "the driver matches MPLS over UDP only"},
			{Subtests: `slow`, Outcome: Either, Why: "it counts on a fast machine"},
		},
	}
	ended := func(status int, results ...Result) Run {
		return Run{Ended: true, Status: status, Report: Report{results, -1}}
	}
	pass, slow, mpls := Result{"ping", Pass, ""}, Result{"slow", Pass, ""}, Result{"mpls label", Fail, ""}
	for name, c := range map[string]struct {
		kernel string
		run    Run
		class  Class
		why    []string
	}{
		"as expected":       {"6.12", ended(1, pass, slow, mpls), Expected, nil},
		"either":            {"6.12", ended(1, pass, Result{"slow", Fail, ""}, mpls), Expected, nil},
		"on another kernel": {"7.3", ended(0, pass, slow), Expected, nil},
		"fails on another kernel": {
			"7.3", ended(1, slow, mpls), Worse,
			[]string{"mpls label: fail, and pass is expected"},
		},
		"fails": {
			"6.12", ended(1, Result{"ping", Fail, "no answer"}, slow, mpls), Worse,
			[]string{"ping: fail, and pass is expected: no answer"},
		},
		"skipped": {
			"6.12", ended(1, Result{"ping", Skip, ""}, slow, mpls), Worse,
			[]string{"ping: skip, and pass is expected"},
		},
		"passes": {
			"6.12", ended(0, pass, slow, Result{"mpls label", Pass, ""}), Better,
			[]string{"mpls label: pass, and fail was expected (the driver matches MPLS over UDP only)"},
		},
		"worse is worse than better": {
			"6.12", ended(1, Result{"ping", Fail, ""}, slow, Result{"mpls label", Pass, ""}), Worse,
			[]string{"ping: fail, and pass is expected", "mpls label: pass, and fail was expected (the driver matches MPLS over UDP only)"},
		},
		"one is missing": {"6.12", ended(1, slow, mpls), Worse, []string{"2 results, and 3 are expected"}},
		"an expected one is missing": {
			"6.12", ended(1, pass, mpls, Result{"ping #2", Pass, ""}), Worse,
			[]string{"no subtest slow, of which the table says: it counts on a fast machine"},
		},
		"a new one": {
			"6.12", ended(1, pass, slow, mpls, Result{"new", Pass, ""}), Better,
			[]string{"4 results, and the table knows 3"},
		},
		"cut short": {
			"6.12",
			Run{Ended: true, Status: 1, Report: Report{[]Result{pass, slow, mpls}, 5}},
			Worse,
			[]string{"3 results of the 5 subtests that it announced"},
		},
		"a status that no subtest explains": {"7.3", ended(1, pass, slow), Worse, []string{"status 1, and no subtest failed"}},
		"killed": {
			"6.12",
			Run{Problem: "it was ended at its limit of 3m0s", Report: Report{[]Result{pass}, -1}},
			Worse,
			[]string{"it did not end: it was ended at its limit of 3m0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := test.Judge(c.kernel, c.run)
			if v.Class != c.class || !reflect.DeepEqual(v.Reasons, c.why) {
				t.Errorf("got %s, %q\nwant %s, %q", v.Class, v.Reasons, c.class, c.why)
			}
		})
	}
}

func TestJudgeOfATestThatSaysNothing(t *testing.T) {
	skips := Test{Results: map[string]int{"6.12": 1}, Expect: []Expect{{Subtests: `\(whole\)`, Outcome: Skip, Why: "it wants two cards"}}}
	runs := Test{Results: map[string]int{"6.12": 1}}
	for status, want := range map[int][2]Class{0: {Better, Expected}, 1: {Worse, Worse}, skipStatus: {Expected, Worse}} {
		run := Run{Ended: true, Status: status, Report: Report{Planned: -1}}
		if got := [2]Class{skips.Judge("6.12", run).Class, runs.Judge("6.12", run).Class}; got != want {
			t.Errorf("status %d: %q, want %q", status, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	v := Verdict{Class: Worse, Reasons: []string{"a: fail, and pass is expected"}, Counts: map[Outcome]int{Pass: 3, Fail: 1}}
	want := "net/x.sh                                     12 s  3 pass, 1 fail               worse\n    a: fail, and pass is expected"
	if got := v.Line("net/x.sh", 12*time.Second); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
