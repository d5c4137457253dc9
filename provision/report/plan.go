// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/nicwright/nicwright/internal/step"
)

// Plan writes a plan as a diff, grouped by phase; below it what stays as it is
// though it is wanted otherwise, and what the plan does, in words.
func Plan(w io.Writer, title string, steps []step.Step, left []step.Left, summary []string) error {
	var b strings.Builder
	if len(steps) == 0 {
		fmt.Fprintf(&b, "%s: nothing to do\n", title)
	} else {
		fmt.Fprintf(&b, "Plan for %s: %s\n", bold(title), count(len(steps), "step"))
	}
	var phase step.Phase
	for _, s := range steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(&b, "\n%s\n", bold(phase.String()))
		}
		b.WriteString("  " + Line(cleanStep(s)) + "\n")
	}
	if len(left) > 0 {
		fmt.Fprintf(&b, "\n%s\n", bold("left as it is"))
	}
	for _, l := range left {
		b.WriteString("  " + Left(cleanLeft(l)) + "\n")
	}
	if len(summary) > 0 {
		fmt.Fprintf(&b, "\n%s\n", bold("in words"))
	}
	for _, s := range summary {
		words(&s)
		b.WriteString("  " + indented(s, "    ") + "\n")
	}
	return flush(w, &b)
}

// Line is a step on one line: sign, resource, attribute, values, why, and whose
// traffic stops.
func Line(s step.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s: ", glyph(s.Action), s.Resource, s.Attribute)
	switch {
	case s.To.IsAbsent():
		if s.From.IsAbsent() || s.From.IsUnknown() {
			b.WriteString("gone")
		} else {
			fmt.Fprintf(&b, "%s -> gone", s.From)
		}
	case s.From.IsAbsent(), s.From.IsUnknown():
		b.WriteString(s.To.String())
	case s.From == s.To:
		b.WriteString(s.To.String() + " again")
	default:
		fmt.Fprintf(&b, "%s -> %s", s.From, s.To)
	}
	if s.Reason != "" {
		b.WriteString(faint("  (" + s.Reason + ")"))
	}
	if d := s.Disrupts(); d != "" {
		b.WriteString(amber("  stops " + d))
	}
	return b.String()
}

func glyph(a step.Action) string {
	switch a {
	case step.Make:
		return green(a.Glyph())
	case step.Remove:
		return red(a.Glyph())
	}
	return amber(a.Glyph())
}

// Left is something that is left alone, on one line.
func Left(l step.Left) string {
	return fmt.Sprintf("%s  %s: %s", l.Resource, l.Attribute, amber(l.Reason))
}
