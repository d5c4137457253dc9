// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Outcome is how a subtest ended.
type Outcome string

// Outcomes, as the kernel's test frameworks know them.
const (
	Pass  Outcome = "pass"
	Fail  Outcome = "fail"
	Skip  Outcome = "skip"
	XFail Outcome = "xfail" // failed, and the test knows why
)

// Result is one subtest.
type Result struct {
	// Name is as the test has it; where it says a name again, " #2" and so on is added.
	Name    string
	Outcome Outcome
	// Why is what the test said of it in a word, or "".
	Why string
}

// Report is what a test said.
type Report struct {
	Results []Result
	// Planned is how many subtests it announced; -1: it did not say.
	Planned int
}

var (
	ktapPlan   = regexp.MustCompile(`^1\.\.(\d+)\b`)
	ktapResult = regexp.MustCompile(`^(not ok|ok)\b\s*(\d+)?\s*(?:- )?([^#]*)(?:#\s*(.*))?$`)
	ktapRun    = regexp.MustCompile(`^#\s+RUN\s+(\S+) \.\.\.$`)
	forwarding = regexp.MustCompile(`^TEST: (.*?)\s*\[\s*(OK|PASS|FAIL|XFAIL|SKIP)\s*\]$`)
	groRunning = regexp.MustCompile(`^running test (\S+) (\S+)$`)
	groFailed  = regexp.MustCompile(`^failed tests: ([^.]*)\.`)
	ethtool    = regexp.MustCompile(`^(\S.*? [Tt]est)\s+(-?\d+)$`)
)

// maxPlan is more subtests than any test has: what announces more is no plan.
const maxPlan = 100000

// Parse reads what a test wrote: (K)TAP, the "TEST: name [ OK ]" of net/forwarding, what net/gro.sh says, or ethtool -t.
// Lines of no such form are passed over.
func Parse(output string) Report {
	p := parser{report: Report{Planned: -1}, seen: map[string]int{}}
	for line := range strings.Lines(output) {
		p.line(strings.TrimRight(line, "\r\n"))
	}
	return p.report
}

type parser struct {
	report Report
	seen   map[string]int
	// running is the subtest that kselftest_harness.h has begun: it does not name those that it skips.
	running string
	// detail: the line after may say why.
	detail bool
}

func (p *parser) add(name string, o Outcome, why string) {
	name = strings.TrimSpace(name)
	if p.seen[name]++; p.seen[name] > 1 {
		name = fmt.Sprintf("%s #%d", name, p.seen[name])
	}
	p.report.Results = append(p.report.Results, Result{name, o, strings.TrimSpace(why)})
}

func (p *parser) line(line string) {
	detail := p.detail
	p.detail = false
	if m := forwarding.FindStringSubmatch(line); m != nil {
		p.add(m[1], forwardingOutcomes[m[2]], "")
		p.detail = true
		return
	}
	if why, ok := strings.CutPrefix(line, "\t"); ok && detail {
		p.report.Results[len(p.report.Results)-1].Why = strings.TrimSpace(why)
		return
	}
	if m := ktapRun.FindStringSubmatch(line); m != nil {
		p.running = m[1]
		return
	}
	if m := ktapPlan.FindStringSubmatch(line); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n <= maxPlan {
			p.report.Planned = n
		}
		return
	}
	if m := ktapResult.FindStringSubmatch(line); m != nil {
		p.ktap(m[1] == "ok", m[3], m[4])
		return
	}
	if m := groRunning.FindStringSubmatch(line); m != nil {
		p.add(m[1]+"_"+m[2], Pass, "")
		return
	}
	if m := groFailed.FindStringSubmatch(line); m != nil {
		for _, name := range strings.Fields(m[1]) {
			p.failed(name)
		}
		return
	}
	if m := ethtool.FindStringSubmatch(line); m != nil {
		o, why := Pass, ""
		if m[2] != "0" {
			o, why = Fail, m[2]
		}
		p.add(m[1], o, why)
	}
}

var forwardingOutcomes = map[string]Outcome{"OK": Pass, "PASS": Pass, "FAIL": Fail, "XFAIL": XFail, "SKIP": Skip}

func (p *parser) ktap(ok bool, name, directive string) {
	o := Pass
	if !ok {
		o = Fail
	}
	word, why, _ := strings.Cut(strings.TrimSpace(directive), " ")
	switch strings.ToUpper(word) {
	case "SKIP":
		o = Skip
	case "XFAIL", "TODO":
		o = XFail
	case "XPASS":
		o = Pass
	default:
		why = directive
	}
	if name = strings.TrimSpace(name); name == "" {
		name = p.running
	}
	p.running = ""
	p.add(name, o, why)
}

// failed takes back that a subtest passed, which was said when it began.
func (p *parser) failed(name string) {
	for i := range p.report.Results {
		if p.report.Results[i].Name == name {
			p.report.Results[i].Outcome = Fail
			return
		}
	}
	p.add(name, Fail, "")
}
