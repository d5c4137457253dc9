// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/junit"
)

// outcome is what machines are told of one thing that was compared.
type outcome struct {
	name    string
	class   string // the first word of it: proof, speed, ...
	status  status
	message string
	lines   []string
}

type status int

const (
	pass status = iota
	fail
	skip
)

// outcomes are a line a proof that was as before, and a line a finding but noise.
func (c *Comparison) outcomes() []outcome {
	var all []outcome
	for _, p := range c.Passed {
		all = append(all, outcome{name: string(Proofs) + ": " + p, class: string(Proofs), message: "as before"})
	}
	for _, p := range c.Never {
		all = append(all, outcome{name: string(Proofs) + ": " + p, class: string(Proofs), status: skip, message: "not possible, or failed, both times"})
	}
	for _, f := range c.Findings {
		if f.Class == Noise {
			continue
		}
		o := outcome{name: f.Name(), class: string(f.Area), message: string(f.Class), lines: f.lines()}
		if len(f.Subjects) > 1 {
			o.name += " (" + f.of() + ")"
		}
		switch f.Class {
		case Broken:
			o.status = fail
		case NotTried, Inconclusive:
			o.status = skip
		}
		all = append(all, o)
	}
	return all
}

// JUnit writes the comparison as JUnit XML: broken is a failure; what was not tried, or
// could not be told, is skipped.
func (c *Comparison) JUnit(w io.Writer) error {
	stamp := junit.Stamp(c.B.Taken)
	suite := junit.Suite{Name: "compare", Timestamp: stamp, Time: junit.Seconds(0), Properties: &junit.Properties{All: []junit.Property{
		{Name: "advice", Value: c.Advice()},
		{Name: "before", Value: c.A.Name},
		{Name: "kernel-before", Value: c.A.Kernel},
		{Name: "after", Value: c.B.Name},
		{Name: "kernel-after", Value: c.B.Kernel},
	}}}
	for _, o := range c.outcomes() {
		one := junit.Case{Name: o.name, Class: "nicwright.compare." + strings.ReplaceAll(o.class, " ", "-"), Time: junit.Seconds(0), SystemOut: strings.Join(o.lines, "\n")}
		switch o.status {
		case fail:
			one.Failure = &junit.Result{Type: o.message, Message: o.message + ": " + strings.Join(o.lines, "; "), Text: strings.Join(o.lines, "\n")}
		case skip:
			one.Skipped = &junit.Result{Type: o.message, Message: o.message}
		}
		suite.Add(one, 0)
	}
	return junit.Suites{Name: "nicwright compare " + c.A.Name + " " + c.B.Name, Time: junit.Seconds(0), Suites: []junit.Suite{suite}}.Write(w)
}

// KTAP writes the comparison as the kernel's tests say theirs (Documentation/dev-tools/ktap.rst).
func (c *Comparison) KTAP(w io.Writer) error {
	b := bufio.NewWriter(w)
	all := c.outcomes()
	fmt.Fprintf(b, "KTAP version 1\n# %s\n1..%d\n", oneLine(c.Advice()), len(all))
	for i, o := range all {
		for _, l := range o.lines {
			fmt.Fprintf(b, "# %s\n", oneLine(l))
		}
		result, directive := "ok", ""
		switch o.status {
		case fail:
			result = "not ok"
		case skip:
			directive = " # SKIP " + o.message
		}
		fmt.Fprintf(b, "%s %d %s%s\n", result, i+1, strings.ReplaceAll(oneLine(o.name), "#", "no."), directive)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing the comparison as KTAP: %w", err)
	}
	return nil
}

// oneLine is text for a format of lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// The part of KCIDB's I/O schema 5.3 that is written (kernelci/kcidb-io, kcidb_io/schema/v05_03.py).
type (
	kcidbReport struct {
		Version   kcidbVersion    `json:"version"`
		Checkouts []kcidbCheckout `json:"checkouts"`
		Builds    []kcidbBuild    `json:"builds"`
		Tests     []kcidbTest     `json:"tests"`
	}
	kcidbVersion struct {
		Major int `json:"major"`
		Minor int `json:"minor"`
	}
	kcidbCheckout struct {
		ID      string `json:"id"`
		Origin  string `json:"origin"`
		Comment string `json:"comment"`
	}
	kcidbBuild struct {
		ID       string `json:"id"`
		Checkout string `json:"checkout_id"`
		Origin   string `json:"origin"`
		Comment  string `json:"comment"`
	}
	kcidbTest struct {
		ID      string            `json:"id"`
		Build   string            `json:"build_id"`
		Origin  string            `json:"origin"`
		Path    string            `json:"path"`
		Status  string            `json:"status"`
		Comment string            `json:"comment"`
		Start   time.Time         `json:"start_time"`
		Misc    map[string]string `json:"misc,omitempty"`
	}
)

// origin is who submits, in KCIDB's words; whoever sends the report has to have one of
// their own, and puts it in its place.
const origin = "nicwright"

// notOfPath are characters that a path of a test may not have.
var notOfPath = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)

// KCIDB writes the comparison for KernelCI's database. The kernel is a distribution's: its
// checkout is known by its release alone.
func (c *Comparison) KCIDB(w io.Writer) error {
	id := func(parts ...string) string {
		sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
		return origin + ":" + hex.EncodeToString(sum[:16])
	}
	kernel := "kernel " + c.B.Kernel
	r := kcidbReport{Version: kcidbVersion{5, 3}, Tests: []kcidbTest{}}
	r.Checkouts = []kcidbCheckout{{id("checkout", c.B.Kernel), origin, kernel}}
	r.Builds = []kcidbBuild{{id("build", c.B.Kernel), r.Checkouts[0].ID, origin, kernel}}
	at := c.B.Taken.UTC()
	for _, o := range c.outcomes() {
		path := "nicwright"
		for _, part := range strings.SplitN(o.name, ": ", 2) {
			path += "." + strings.Trim(notOfPath.ReplaceAllString(part, "_"), "_")
		}
		t := kcidbTest{
			ID: id("test", c.A.Kernel, c.B.Kernel, c.B.Name, at.Format(time.RFC3339), o.name), Build: r.Builds[0].ID, Origin: origin, Path: path,
			Status: [...]string{pass: "PASS", fail: "FAIL", skip: "SKIP"}[o.status], Comment: oneLine(o.name + ": " + o.message), Start: at,
		}
		if len(o.lines) > 0 {
			t.Misc = map[string]string{"found": strings.Join(o.lines, "\n"), "kernel_before": c.A.Kernel}
		}
		r.Tests = append(r.Tests, t)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("writing the comparison for KCIDB: %w", err)
	}
	return nil
}
