// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"io"
	"strings"

	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/journal"
)

// title is the operation in words.
func (p *Plan) title() string {
	switch p.Kind {
	case journal.Rollback:
		return "rollback of " + p.Profile.Name
	case journal.Remove:
		return "removal of " + p.Profile.Name
	}
	return p.Profile.Name
}

// Print writes the plan as a diff, grouped by phase, then what stays as it is, then
// what the steps do to what is in use.
func (p *Plan) Print(w io.Writer) error {
	var b strings.Builder
	if len(p.Steps) == 0 {
		fmt.Fprintf(&b, "%s: nothing to do\n", p.title())
		p.printLeft(&b)
		return flush(w, &b)
	}
	fmt.Fprintf(&b, "Plan for %s: %d steps\n", bold(p.title()), len(p.Steps))
	var phase step.Phase
	for _, s := range p.Steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(&b, "\n%s\n", bold(phase.String()))
		}
		b.WriteString("  " + line(s) + "\n")
	}
	p.printLeft(&b)
	fmt.Fprintf(&b, "\n%s\n", bold("What this does to what is in use"))
	if len(p.Summary) == 0 {
		b.WriteString("  nothing that is in use is interrupted\n")
	}
	for _, l := range p.Summary {
		b.WriteString("  " + l + "\n")
	}
	return flush(w, &b)
}

// PrintLeft writes what is wanted and stays as it is.
func (p *Plan) PrintLeft(w io.Writer) error {
	var b strings.Builder
	p.printLeft(&b)
	return flush(w, &b)
}

func (p *Plan) printLeft(b *strings.Builder) {
	if len(p.Left) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", bold("Left as it is"))
	for _, l := range p.Left {
		fmt.Fprintf(b, "  %s %s  %s: %s\n", amber("="), l.Resource, l.Attribute, l.Reason)
	}
}

// glyph is a step's sign in a diff.
func glyph(s step.Step) string {
	g := s.Action.Glyph()
	switch s.Action {
	case step.Make:
		return green(g)
	case step.Remove:
		return red(g)
	}
	return amber(g)
}

// line is a step on one line: sign, resource, attribute, values, why.
func line(s step.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s: ", glyph(s), s.Resource, s.Attribute)
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
		b.WriteString(faint("  (" + s.Reason + ")"))
	}
	if d := s.Disrupts(); d != "" {
		b.WriteString(amber("  disrupts " + d))
	}
	return b.String()
}
