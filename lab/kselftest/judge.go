// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Run is one run of a test.
type Run struct {
	// Status is the test's exit status, Ended false if it has none: it was not started, or did not end before its limit.
	Status int
	Ended  bool
	// Problem is why it has none, or "".
	Problem string
	Time    time.Duration
	Report  Report
}

// Class is how a run compares with the table.
type Class string

// Classes, the worst last.
const (
	Expected Class = "as expected"
	Better   Class = "better than expected: change the table"
	Worse    Class = "worse"
)

// Verdict is a test's.
type Verdict struct {
	Class Class
	// Reasons are sentences, one a subtest that is not as expected.
	Reasons []string
	// Counts are how many subtests ended how.
	Counts map[Outcome]int
}

// Whole is the name of the one result of a test that said nothing of subtests.
const Whole = "(whole)"

// skipStatus is the exit status of a test that skipped itself.
const skipStatus = 4

// Judge compares a run of the test on the kernel with the table.
func (t *Test) Judge(kernel string, run Run) Verdict {
	v := Verdict{Class: Expected, Counts: map[Outcome]int{}}
	worse := func(format string, args ...any) {
		v.Class = Worse
		v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
	}
	better := func(format string, args ...any) {
		if v.Class == Expected {
			v.Class = Better
		}
		v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
	}
	results := run.Report.Results
	for _, r := range results {
		v.Counts[r.Outcome]++
	}
	if !run.Ended {
		worse("it did not end: %s", orElse(run.Problem, "nobody says why"))
		return v // what is missing is missing because of that
	}
	if len(results) == 0 {
		results = []Result{{Whole, statusOutcome(run.Status), fmt.Sprintf("status %d", run.Status)}}
		v.Counts[results[0].Outcome]++
	}
	met := map[string]bool{}
	failed := false
	for _, r := range results {
		failed = failed || r.Outcome == Fail
		e := t.expectation(kernel, r.Name)
		if e != nil {
			met[e.Subtests] = true
		}
		switch want := e.outcome(); {
		case want == Either || r.Outcome == want:
		case rank(r.Outcome) > rank(want):
			worse("%s: %s, and %s is expected%s", r.Name, r.Outcome, want, said(r.Why))
		default:
			better("%s: %s, and %s was expected (%s)", r.Name, r.Outcome, want, e.Why)
		}
	}
	for _, e := range t.Expect {
		if e.on(kernel) && !met[e.Subtests] {
			worse("no subtest %s, of which the table says: %s", e.Subtests, e.Why)
		}
	}
	if n := run.Report.Planned; n >= 0 && len(run.Report.Results) < n {
		worse("%d results of the %d subtests that it announced", len(run.Report.Results), n)
	}
	switch want := t.Results[kernel]; {
	case len(results) < want:
		worse("%d results, and %d are expected", len(results), want)
	case len(results) > want:
		better("%d results, and the table knows %d", len(results), want)
	}
	if run.Status != 0 && run.Status != skipStatus && !failed {
		worse("status %d, and no subtest failed", run.Status)
	}
	return v
}

// statusOutcome is what an exit status says of a test without subtests.
func statusOutcome(status int) Outcome {
	switch status {
	case 0:
		return Pass
	case skipStatus:
		return Skip
	}
	return Fail
}

// rank orders outcomes, the worst last.
func rank(o Outcome) int { return slices.Index([]Outcome{Pass, XFail, Skip, Fail}, o) }

func said(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Line is the verdict in a line, and its reasons below.
func (v Verdict) Line(name string, took time.Duration) string {
	var counts []string
	for _, o := range []Outcome{Pass, XFail, Skip, Fail} {
		if v.Counts[o] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", v.Counts[o], o))
		}
	}
	line := fmt.Sprintf("%-42s %4.0f s  %-28s %s", name, took.Seconds(), strings.Join(counts, ", "), v.Class)
	for _, r := range v.Reasons {
		line += "\n    " + r
	}
	return line
}
