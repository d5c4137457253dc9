// SPDX-License-Identifier: Apache-2.0

// Package junit writes JUnit XML: the part of the format that Jenkins' schema
// (junit-10.xsd of its xunit plugin), GitLab and GitHub's actions have in common.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Suites is a document.
type Suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Time     string   `xml:"time,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Suites   []Suite  `xml:"testsuite"`
}

// Suite is a group of test cases.
type Suite struct {
	Name       string      `xml:"name,attr"`
	Time       string      `xml:"time,attr"`
	Timestamp  string      `xml:"timestamp,attr"`
	Tests      int         `xml:"tests,attr"`
	Failures   int         `xml:"failures,attr"`
	Errors     int         `xml:"errors,attr"`
	Skipped    int         `xml:"skipped,attr"`
	Properties *Properties `xml:"properties,omitempty"`
	Cases      []Case      `xml:"testcase"`
}

// Properties are of a suite.
type Properties struct {
	All []Property `xml:"property"`
}

// Property is a named value.
type Property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// Case is a test case: passed, unless it has Skipped or Failure.
type Case struct {
	Name      string  `xml:"name,attr"`
	Class     string  `xml:"classname,attr"`
	Time      string  `xml:"time,attr"`
	Skipped   *Result `xml:"skipped,omitempty"`
	Failure   *Result `xml:"failure,omitempty"`
	SystemOut string  `xml:"system-out,omitempty"`
}

// Result is why a case did not pass.
type Result struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Seconds are as the format has them.
func Seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

// Stamp is a time as the format has it.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

// Add counts the case in; seconds are of the suite so far.
func (s *Suite) Add(c Case, seconds float64) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Time = Seconds(seconds)
}

// Write counts the suites together and writes the document.
func (d Suites) Write(w io.Writer) error {
	for _, s := range d.Suites {
		d.Tests, d.Failures = d.Tests+s.Tests, d.Failures+s.Failures
	}
	b, err := xml.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report as JUnit XML: %w", err)
	}
	if _, err := io.WriteString(w, xml.Header+string(b)+"\n"); err != nil {
		return fmt.Errorf("writing the report as JUnit XML: %w", err)
	}
	return nil
}
