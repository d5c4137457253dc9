// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/health"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/baseline"
)

// idle is what goes over the uplinks of a host that has no traffic but a proof's own
// frames and LACP, in bytes a second.
const idle = 1e6

// cell is one proof in all runs of a baseline.
type cell struct {
	name    string
	results []baseline.Result
	busy    bool // others' traffic went over the uplinks in one of the runs
}

// cells are the proofs of a baseline, in their order. A netdev in a proof's name stands
// for the function whose it is: names are what kernels change.
func cells(b *baseline.Baseline) (keys []string, all map[string]*cell) {
	subjects := map[string]string{}
	for subject, facts := range b.Shown {
		if name := facts["netdev"]; name != "" && !strings.HasPrefix(subject, "bond ") {
			subjects[name] = subject
		}
	}
	all = map[string]*cell{}
	for _, run := range b.Runs {
		for _, p := range run.Proofs {
			name := p.Kind
			for _, f := range p.Cell {
				for _, word := range strings.Fields(f.Value) {
					if s := subjects[word]; s != "" {
						word = s
					}
					name += " " + word
				}
			}
			if all[name] == nil {
				all[name] = &cell{name: name}
				keys = append(keys, name)
			}
			c := all[name]
			c.results = append(c.results, p)
			c.busy = c.busy || run.Others > idle
		}
	}
	return keys, all
}

// verdicts are how often each was found, the most frequent first.
func (c *cell) verdicts() []proof.Verdict {
	var all []proof.Verdict
	count := map[proof.Verdict]int{}
	for _, r := range c.results {
		if count[r.Verdict]++; count[r.Verdict] == 1 {
			all = append(all, r.Verdict)
		}
	}
	slices.SortStableFunc(all, func(a, b proof.Verdict) int { return count[b] - count[a] })
	return all
}

// words are "offloaded", or "offloaded (4 of 5), software (1 of 5)".
func (c *cell) words() string {
	verdicts := c.verdicts()
	if len(verdicts) == 1 {
		return string(verdicts[0])
	}
	var parts []string
	for _, v := range verdicts {
		n := 0
		for _, r := range c.results {
			if r.Verdict == v {
				n++
			}
		}
		parts = append(parts, fmt.Sprintf("%s (%d of %d)", v, n, len(c.results)))
	}
	return strings.Join(parts, ", ")
}

// why is the reason of the worst verdict.
func (c *cell) why() string {
	worst := c.results[0]
	for _, r := range c.results {
		if rank[r.Verdict] < rank[worst.Verdict] {
			worst = r
		}
	}
	return worst.Reason
}

// rank orders verdicts: what is less is worse.
var rank = map[proof.Verdict]int{proof.Failed: 0, proof.NotPossible: 1, proof.Software: 2, proof.Holds: 3, proof.Offloaded: 3}

// best and worst are the ranks of the best and of the worst of verdicts.
func best(all []proof.Verdict) (r int) {
	for _, v := range all {
		r = max(r, rank[v])
	}
	return r
}

func worst(all []proof.Verdict) int {
	r := rank[all[0]]
	for _, v := range all {
		r = min(r, rank[v])
	}
	return r
}

func (c *comparison) proofs() {
	keys, before := cells(c.a)
	_, after := cells(c.b)
	if len(keys) == 0 {
		c.add(Finding{Class: NotTried, Area: Proofs, What: "all of them", Words: "the earlier baseline has no proofs, so nobody knows what worked: record one with `nicwright baseline save -p PROFILE`"})
		return
	}
	for _, key := range keys {
		was, is := before[key], after[key]
		if is == nil {
			if !slices.Equal(was.verdicts(), []proof.Verdict{proof.NotPossible}) {
				c.add(Finding{Class: NotTried, Area: Proofs, What: key, Before: was.words(), Words: "it was not among the proofs this time: not tried is not passed"})
			}
			continue
		}
		c.proof(was, is)
	}
}

// proof judges one.
func (c *comparison) proof(was, is *cell) {
	f := Finding{Class: Broken, Area: Proofs, What: is.name, Before: was.words(), After: is.words(), Words: is.why()}
	a, b := was.verdicts(), is.verdicts()
	switch {
	case len(a) == 1 && len(b) == 1 && a[0] == b[0]:
		c.same(was, is)
		return
	case (len(a) > 1 || len(b) > 1) && best(b) >= worst(a):
		f.Class = Flaky // once at least it was no worse than it had been
	case b[0] == proof.NotPossible && is.busy && is.results[0].Refused == nil:
		f.Class, f.Words = Inconclusive, "others' traffic went over the uplinks meanwhile: "+f.Words
	case rank[b[0]] > rank[a[0]] && len(a) == 1:
		f.Class = Noise
		if b[0] == proof.NotPossible {
			f.Class = Inconclusive
		}
	}
	if f.Class == Broken || f.Class == Noise {
		if e := c.known(f); e != nil {
			f.Known = e
			// What the profile does not require to be otherwise is no loss.
			if ok := !slices.ContainsFunc(is.results, func(r baseline.Result) bool { return !r.OK }); ok {
				f.Class = Known
			}
		}
	}
	c.add(f)
}

// same looks at a proof whose verdict is what it was: what was refused may be otherwise.
func (c *comparison) same(was, is *cell) {
	if is.verdicts()[0] == proof.NotPossible || is.verdicts()[0] == proof.Failed {
		c.Never = append(c.Never, is.name)
	} else {
		c.Passed = append(c.Passed, is.name)
	}
	if a, b := refusal(was.results[0].Refused), refusal(is.results[0].Refused); a != b {
		c.change(Finding{Area: Proofs, What: is.name + " (what is refused)", Before: a, After: b})
	}
}

func refusal(r *proof.Refusal) string {
	if r == nil {
		return ""
	}
	return strings.TrimSuffix(r.Op+": "+r.Errno+": "+r.ExtAck, ": ")
}

// said compares what the kernel said while the proofs ran.
func (c *comparison) said() {
	heard := func(b *baseline.Baseline) (bugs, warnings map[string]string, reporters map[string]health.Reporter) {
		bugs, warnings, reporters = map[string]string{}, map[string]string{}, map[string]health.Reporter{}
		for _, r := range b.Runs {
			for _, s := range r.Said.Bugs {
				first, _, _ := strings.Cut(s, "\n")
				bugs[health.WithoutNumbers(first)] = s
			}
			for _, w := range r.Said.Warnings {
				warnings[health.WithoutNumbers(w.Message)] = w.Message
			}
			for _, h := range r.Said.Reporters {
				reporters[h.Name] = h
			}
		}
		return bugs, warnings, reporters
	}
	bugsA, warningsA, reportersA := heard(c.a)
	bugsB, warningsB, reportersB := heard(c.b)
	told := func(what string, was, is map[string]string, words string) {
		for key, text := range is {
			if _, before := was[key]; before {
				continue
			}
			f := Finding{Class: Broken, Area: Said, What: what, After: text, Words: words}
			if e := c.known(f); e != nil {
				f.Class, f.Known = Known, e
			}
			c.add(f)
		}
	}
	told("an error of the kernel itself", bugsA, bugsB, "it was not there before; dmesg has more of it")
	told("a driver's warning", warningsA, warningsB, "the driver did not say it before, with the same proofs")
	for name, h := range reportersB {
		if _, before := reportersA[name]; !before {
			c.add(Finding{Class: Broken, Area: Said, What: "health reporter " + name, After: style.Count(int(h.Errors), "error"), Words: "devlink health dump show, and diagnose, tell more"})
		}
	}
}
