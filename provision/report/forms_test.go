// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/junit"
	"github.com/nicwright/nicwright/internal/proof"
)

// junitShape is Jenkins' junit-10.xsd, as far as it is about elements that are
// written: what may be in an element, the attributes it must have (!) and may have.
var junitShape = map[string]struct{ inside, attributes []string }{
	"":           {inside: []string{"testsuites"}},
	"testsuites": {[]string{"testsuite"}, []string{"name", "time", "tests", "failures", "errors"}},
	"testsuite": {
		[]string{"testsuite", "properties", "testcase", "system-out", "system-err"},
		[]string{"!name", "!tests", "!failures", "!errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
	},
	"properties": {inside: []string{"property"}},
	"property":   {attributes: []string{"!name", "!value"}},
	"testcase":   {[]string{"skipped", "error", "failure", "system-out", "system-err"}, []string{"!name", "time", "classname", "group"}},
	"failure":    {attributes: []string{"type", "message"}},
	"skipped":    {attributes: []string{"type", "message"}},
	"system-out": {},
}

// checkJUnit fails where the document is not as the schema has it, or its counts
// are not those of its cases.
func checkJUnit(t *testing.T, doc string) junit.Suites {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(doc))
	open := []string{""}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, doc)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name, in := e.Name.Local, open[len(open)-1]
			if !slices.Contains(junitShape[in].inside, name) {
				t.Errorf("%q may not be in %q", name, in)
			}
			allowed := junitShape[name].attributes
			for _, a := range e.Attr {
				if !slices.Contains(allowed, a.Name.Local) && !slices.Contains(allowed, "!"+a.Name.Local) {
					t.Errorf("%q has the attribute %q", name, a.Name.Local)
				}
			}
			for _, a := range allowed {
				must, ok := strings.CutPrefix(a, "!")
				if ok && !slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == must }) {
					t.Errorf("%q has no attribute %q", name, must)
				}
			}
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			in := open[len(open)-1]
			if len(junitShape[in].inside) > 0 && strings.TrimSpace(string(e)) != "" {
				t.Errorf("there is text in %q: %s", in, e)
			}
		}
	}
	var read junit.Suites
	if err := xml.Unmarshal([]byte(doc), &read); err != nil {
		t.Fatal(err)
	}
	var all, failed int
	for _, s := range read.Suites {
		var failures, skipped int
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Skipped != nil {
				skipped++
			}
			if _, err := strconv.ParseFloat(c.Time, 64); err != nil {
				t.Errorf("case %q took %q", c.Name, c.Time)
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Skipped != skipped {
			t.Errorf("suite %q counts %d, %d failed, %d skipped; it has %d, %d, %d", s.Name, s.Tests, s.Failures, s.Skipped, len(s.Cases), failures, skipped)
		}
		all, failed = all+s.Tests, failed+failures
	}
	if read.Tests != all || read.Failures != failed {
		t.Errorf("the document counts %d, %d failed; it has %d, %d", read.Tests, read.Failures, all, failed)
	}
	return read
}

func TestJUnitSaysWhatTheReportSays(t *testing.T) {
	for _, name := range []string{"bare", "small", "three"} {
		r := readReport(t, name)
		doc := checkJUnit(t, printed(t, r.JUnit))
		if failed := doc.Failures > 0; failed == r.OK {
			t.Errorf("%s: %d failures, and the report is %t", name, doc.Failures, r.OK)
		}
		want := len(r.Proofs) + 1
		if r.Error != "" {
			want++ // that it did not come to its end
		}
		if doc.Tests != want {
			t.Errorf("%s: %d cases, want %d", name, doc.Tests, want)
		}
	}
}

func TestJUnitOfEachVerdict(t *testing.T) {
	for _, tt := range []struct {
		verdict proof.Verdict
		ok      bool
		want    string
	}{
		{proof.Offloaded, true, "passed"},
		{proof.Holds, true, "passed"},
		{proof.Software, true, "passed"},
		{proof.NotPossible, true, "skipped"},
		{proof.NotPossible, false, "failed"},
		{proof.Software, false, "failed"},
		{proof.Failed, false, "failed"},
		{proof.Failed, true, "passed"}, // the profile requires that it fails
	} {
		r := &Report{Proofs: []Judged{{Proof: proof.Proof{Kind: "ktls", Verdict: tt.verdict, Reason: "a reason"}, OK: tt.ok}}}
		c := checkJUnit(t, printed(t, r.JUnit)).Suites[1].Cases[0]
		got := "passed"
		switch {
		case c.Failure != nil && strings.Contains(c.Failure.Message, "a reason"):
			got = "failed"
		case c.Skipped != nil && c.Skipped.Message == "a reason":
			got = "skipped"
		}
		if got != tt.want || !strings.Contains(c.SystemOut, string(tt.verdict)) {
			t.Errorf("%s, ok %t: %s, want %s; %q", tt.verdict, tt.ok, got, tt.want, c.SystemOut)
		}
	}
}

// odd is text that none of the formats can take as it is.
const odd = "</system-out>]]>&<script>alert('x')</script>\"{{.}}\x00\x1b[31m\u202e\ufffe\xff\nnext"

func oddReport() *Report {
	fields := []proof.Field{{Name: odd, Value: odd}}
	return &Report{Profile: odd, Kernel: odd, Taken: []string{odd}, Proofs: []Judged{{Proof: proof.Proof{
		Kind: odd, Cell: fields, Verdict: proof.Failed, Reason: odd, Seen: fields, Bytes: 1, Seconds: 1,
		Counters: []proof.Counter{{Where: odd, Name: odd}},
	}, Require: odd}}}
}

func TestJUnitTakesAnyText(t *testing.T) {
	doc := printed(t, oddReport().JUnit)
	read := checkJUnit(t, doc)
	if got := read.Suites[1].Cases[0].Failure.Text; !strings.Contains(got, "<script>alert('x')</script>") || !strings.Contains(got, "\nnext") {
		t.Errorf("the reason is read back as %q", got)
	}
}

func TestPageEscapesAnyText(t *testing.T) {
	doc := printed(t, oddReport().HTML)
	if strings.Contains(doc, "<script") || strings.Contains(doc, "</system-out>") {
		t.Error("a value became an element")
	}
	if !strings.Contains(doc, "&lt;script&gt;") {
		t.Error("the reason is not in the page")
	}
}

// What would make a browser fetch something is not in the page.
func TestPageNeedsNothingBesideIt(t *testing.T) {
	for _, name := range []string{"bare", "small", "three"} {
		doc := strings.ToLower(printed(t, readReport(t, name).HTML))
		for _, s := range []string{"http:", "https:", "src=", "href=", "url(", "@import", "<link", "<iframe", "<object", "<embed", "<base"} {
			if strings.Contains(doc, s) {
				t.Errorf("%s: the page has %q", name, s)
			}
		}
		for _, s := range []string{`<html lang="en">`, "default-src 'none'", "prefers-color-scheme: dark", "@media print"} {
			if !strings.Contains(doc, s) {
				t.Errorf("%s: the page has no %q", name, s)
			}
		}
	}
}

// pageElements are all that the page's template has.
var pageElements = strings.Fields(`html head meta title style body main h1 h2 p code pre ul li div svg g rect text tspan path details summary
	table caption thead tbody tr th td`)

// checkPage fails where an element is not closed, in order, or is none of the template's.
func checkPage(t *testing.T, doc string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(doc))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta"}, xml.HTMLEntity
	var open []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if !slices.Contains(pageElements, e.Name.Local) {
				t.Errorf("<%s> is not of the template", e.Name.Local)
			}
			open = append(open, e.Name.Local)
		case xml.EndElement:
			if n := len(open); n == 0 || open[n-1] != e.Name.Local {
				t.Fatalf("</%s> within %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are not closed", open)
	}
}

func TestPageIsWellFormed(t *testing.T) {
	checkPage(t, printed(t, oddReport().HTML))
	for _, name := range []string{"bare", "small", "three"} {
		checkPage(t, printed(t, readReport(t, name).HTML))
	}
}

func FuzzReport(f *testing.F) {
	f.Add(odd, odd, int64(1), 1.0, uint64(2), uint64(1))
	f.Add("ktls", "AES-128-GCM", int64(-1), -1.0, uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, kind, word string, bytes int64, seconds float64, before, after uint64) {
		fields := []proof.Field{{Name: word, Value: kind}, {Name: kind, Value: word}}
		r := &Report{Profile: word, Seconds: seconds, Proofs: []Judged{{Proof: proof.Proof{
			Kind: kind, Cell: fields, Verdict: proof.Software, Reason: word, Seen: fields, Bytes: bytes, Seconds: seconds, CPUSeconds: seconds,
			Counters: []proof.Counter{{Where: kind, Name: word, Before: before, After: after}},
		}}}}
		checkJUnit(t, printed(t, r.JUnit))
		checkPage(t, printed(t, r.HTML))
		if text := printed(t, func(w io.Writer) error { return r.Print(w, true) }); strings.ContainsAny(text, "\x1b\x07\x08\r") {
			t.Errorf("the text would steer a terminal: %q", text)
		}
	})
}
