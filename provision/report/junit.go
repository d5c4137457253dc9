// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/style"
)

// The part of the JUnit format that Jenkins' schema (junit-10.xsd of its xunit
// plugin), GitLab and GitHub's actions have in common.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Time     string       `xml:"time,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string           `xml:"name,attr"`
		Time       string           `xml:"time,attr"`
		Timestamp  string           `xml:"timestamp,attr"`
		Tests      int              `xml:"tests,attr"`
		Failures   int              `xml:"failures,attr"`
		Errors     int              `xml:"errors,attr"`
		Skipped    int              `xml:"skipped,attr"`
		Properties *junitProperties `xml:"properties,omitempty"`
		Cases      []junitCase      `xml:"testcase"`
	}
	junitProperties struct {
		All []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string       `xml:"name,attr"`
		Class     string       `xml:"classname,attr"`
		Time      string       `xml:"time,attr"`
		Skipped   *junitResult `xml:"skipped,omitempty"`
		Failure   *junitResult `xml:"failure,omitempty"`
		SystemOut string       `xml:"system-out,omitempty"`
	}
	junitResult struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report as JUnit XML: a test suite for the host and one a
// kind of proof, a test case a cell. A verdict that is not as the profile
// requires is a failure, one that is not possible here and need not be is
// skipped.
func (r *Report) JUnit(w io.Writer) error {
	r = r.printable()
	stamp := r.Started.UTC().Format("2006-01-02T15:04:05")
	host := junitSuite{Name: "host", Timestamp: stamp, Properties: &junitProperties{[]junitProperty{
		{"profile", r.Profile}, {"kernel", r.Kernel}, {"quick", strconv.FormatBool(r.Quick)},
	}}}
	for _, t := range r.Taken {
		host.Properties.All = append(host.Properties.All, junitProperty{"taken", t})
	}
	for _, l := range saidLines(r.Said) {
		host.Properties.All = append(host.Properties.All, junitProperty{"kernel-said", l})
	}
	as := junitCase{Name: "the host is as the profile wants", Class: "nicwright.host", Time: junitTime(0)}
	if len(r.Drift) > 0 {
		lines := make([]string, len(r.Drift))
		for i, s := range r.Drift {
			lines[i] = ansi.Strip(Line(s))
		}
		as.Failure = &junitResult{
			Type: "drift", Text: strings.Join(lines, "\n"),
			Message: fmt.Sprintf("the host differs from the profile in %s: `nicwright apply` brings it there", style.Count(len(lines), "value")),
		}
	}
	host.add(as, 0)
	if r.Error != "" {
		host.add(junitCase{Name: "verify came to its end", Class: "nicwright.host", Time: junitTime(0), Failure: &junitResult{Type: "error", Message: r.Error, Text: r.Error}}, 0)
	}
	doc := junitSuites{Name: "nicwright verify " + r.Profile, Time: junitTime(r.Seconds), Suites: []junitSuite{host}}
	for _, sec := range r.sections() {
		s := junitSuite{Name: sec.Title, Timestamp: stamp}
		seconds := 0.0
		for _, j := range sec.Cells {
			seconds += j.Seconds
			s.add(junitCell(j), seconds)
		}
		doc.Suites = append(doc.Suites, s)
	}
	for _, s := range doc.Suites {
		doc.Tests, doc.Failures = doc.Tests+s.Tests, doc.Failures+s.Failures
	}
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report as JUnit XML: %w", err)
	}
	if _, err := io.WriteString(w, xml.Header+string(b)+"\n"); err != nil {
		return fmt.Errorf("writing the report as JUnit XML: %w", err)
	}
	return nil
}

// add counts the case in; seconds are of the suite so far.
func (s *junitSuite) add(c junitCase, seconds float64) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Time = junitTime(seconds)
}

func junitCell(j Judged) junitCase {
	c := junitCase{Name: j.cell(), Class: "nicwright." + j.Kind, Time: junitTime(j.Seconds)}
	lines := append([]string{"verdict: " + string(j.Verdict)}, evidence(j.Proof)...)
	if j.Reason != "" {
		lines = append(lines, "why: "+j.Reason)
	}
	c.SystemOut = strings.Join(lines, "\n")
	switch {
	case !j.OK:
		c.Failure = &junitResult{Type: string(j.Verdict), Message: strings.TrimSuffix(j.Judgement()+": "+j.Reason, ": "), Text: j.Reason}
	case j.Verdict == proof.NotPossible:
		c.Skipped = &junitResult{Type: string(j.Verdict), Message: j.Reason}
	}
	return c
}

func junitTime(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) }
