// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/junit"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/style"
)

// JUnit writes the report as JUnit XML: a test suite for the host and one a
// kind of proof, a test case a cell. A verdict that is not as the profile
// requires is a failure, one that is not possible here and need not be is
// skipped.
func (r *Report) JUnit(w io.Writer) error {
	r = r.printable()
	stamp := junit.Stamp(r.Started)
	host := junit.Suite{Name: "host", Timestamp: stamp, Properties: &junit.Properties{All: []junit.Property{
		{Name: "profile", Value: r.Profile}, {Name: "kernel", Value: r.Kernel}, {Name: "quick", Value: strconv.FormatBool(r.Quick)},
	}}}
	for _, t := range r.Taken {
		host.Properties.All = append(host.Properties.All, junit.Property{Name: "taken", Value: t})
	}
	for _, l := range saidLines(r.Said) {
		host.Properties.All = append(host.Properties.All, junit.Property{Name: "kernel-said", Value: l})
	}
	as := junit.Case{Name: "the host is as the profile wants", Class: "nicwright.host", Time: junit.Seconds(0)}
	if len(r.Drift) > 0 {
		lines := make([]string, len(r.Drift))
		for i, s := range r.Drift {
			lines[i] = ansi.Strip(Line(s))
		}
		as.Failure = &junit.Result{
			Type: "drift", Text: strings.Join(lines, "\n"),
			Message: fmt.Sprintf("the host differs from the profile in %s: `nicwright apply` brings it there", style.Count(len(lines), "value")),
		}
	}
	host.Add(as, 0)
	if r.Error != "" {
		host.Add(junit.Case{Name: "verify came to its end", Class: "nicwright.host", Time: junit.Seconds(0), Failure: &junit.Result{Type: "error", Message: r.Error, Text: r.Error}}, 0)
	}
	doc := junit.Suites{Name: "nicwright verify " + r.Profile, Time: junit.Seconds(r.Seconds), Suites: []junit.Suite{host}}
	for _, sec := range r.sections() {
		s := junit.Suite{Name: sec.Title, Timestamp: stamp}
		seconds := 0.0
		for _, j := range sec.Cells {
			seconds += j.Seconds
			s.Add(junitCell(j), seconds)
		}
		doc.Suites = append(doc.Suites, s)
	}
	return doc.Write(w)
}

func junitCell(j Judged) junit.Case {
	c := junit.Case{Name: j.cell(), Class: "nicwright." + j.Kind, Time: junit.Seconds(j.Seconds)}
	lines := append([]string{"verdict: " + string(j.Verdict)}, evidence(j.Proof)...)
	if j.Reason != "" {
		lines = append(lines, "why: "+j.Reason)
	}
	c.SystemOut = strings.Join(lines, "\n")
	switch {
	case !j.OK:
		c.Failure = &junit.Result{Type: string(j.Verdict), Message: strings.TrimSuffix(j.Judgement()+": "+j.Reason, ": "), Text: j.Reason}
	case j.Verdict == proof.NotPossible:
		c.Skipped = &junit.Result{Type: string(j.Verdict), Message: j.Reason}
	}
	return c
}
