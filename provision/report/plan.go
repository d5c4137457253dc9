// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/style"
)

// Plan writes a plan as a diff, grouped by phase; below it what stays as it is
// though it is wanted otherwise, and what the plan does to what is in use, in words.
func Plan(w io.Writer, title string, steps []step.Step, left []step.Left, summary []string) error {
	var b strings.Builder
	if len(steps) == 0 {
		fmt.Fprintf(&b, "%s: nothing to do\n", title)
		printLeft(&b, left)
		return style.Flush(w, &b)
	}
	fmt.Fprintf(&b, "Plan for %s: %s\n", style.Bold(title), style.Count(len(steps), "step"))
	var phase step.Phase
	for _, s := range steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(&b, "\n%s\n", style.Bold(phase.String()))
		}
		b.WriteString("  " + Line(cleanStep(s)) + "\n")
	}
	printLeft(&b, left)
	fmt.Fprintf(&b, "\n%s\n", style.Bold("What this does to what is in use"))
	if len(summary) == 0 {
		b.WriteString("  nothing that is in use is interrupted\n")
	}
	for _, s := range summary {
		words(&s)
		b.WriteString("  " + indented(s, "    ") + "\n")
	}
	return style.Flush(w, &b)
}

// LeftAlone writes what is wanted and stays as it is; nothing where there is none.
func LeftAlone(w io.Writer, left []step.Left) error {
	var b strings.Builder
	printLeft(&b, left)
	return style.Flush(w, &b)
}

func printLeft(b *strings.Builder, left []step.Left) {
	if len(left) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", style.Bold("Left as it is"))
	for _, l := range left {
		b.WriteString("  " + Left(cleanLeft(l)) + "\n")
	}
}

// Line is a step on one line: sign, resource, attribute, values, why, and whose
// traffic stops.
func Line(s step.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s: ", glyph(s.Action), s.Resource, s.Attribute)
	to := s.To.String()
	if s.To.IsAbsent() {
		to = "gone"
	}
	switch {
	case s.From.IsAbsent():
		b.WriteString(to)
	case s.From.IsUnknown(), s.From == s.To:
		b.WriteString(to + " again")
	default:
		fmt.Fprintf(&b, "%s -> %s", s.From, to)
	}
	if s.Reason != "" {
		b.WriteString(style.Faint("  (" + s.Reason + ")"))
	}
	if d := s.Disrupts(); d != "" {
		b.WriteString(style.Amber("  disrupts " + d))
	}
	return b.String()
}

func glyph(a step.Action) string {
	switch a {
	case step.Make:
		return style.Green(a.Glyph())
	case step.Remove:
		return style.Red(a.Glyph())
	}
	return style.Amber(a.Glyph())
}

// Left is something that is left alone, on one line.
func Left(l step.Left) string {
	what := l.Resource.String()
	if l.Attribute != "" {
		what += "  " + l.Attribute
	}
	return fmt.Sprintf("%s %s: %s", style.Amber("="), what, l.Reason)
}
