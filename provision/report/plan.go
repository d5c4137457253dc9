// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/nicwright/nicwright/internal/step"
)

// Styles of what is printed. The writer strips them where there is no terminal.
func bold(s string) string  { return lipgloss.NewStyle().Bold(true).Render(s) }
func faint(s string) string { return lipgloss.NewStyle().Faint(true).Render(s) }
func red(s string) string   { return lipgloss.NewStyle().Foreground(lipgloss.Red).Render(s) }
func green(s string) string { return lipgloss.NewStyle().Foreground(lipgloss.Green).Render(s) }
func amber(s string) string { return lipgloss.NewStyle().Foreground(lipgloss.Yellow).Render(s) }

// glyph is a step's sign in a diff: + makes, - removes, ~ changes.
func glyph(s step.Step) string {
	switch {
	case s.From == "" && s.To != "":
		return green("+")
	case s.To == "":
		return red("-")
	}
	return amber("~")
}

// Print writes the plan as a diff, grouped by phase.
func (p *Plan) Print(w io.Writer) error {
	var b strings.Builder
	if len(p.Steps) == 0 {
		fmt.Fprintf(&b, "%s: nothing to do\n", p.Want.Profile)
		return flush(w, &b)
	}
	fmt.Fprintf(&b, "Plan for %s: %d steps\n", bold(p.Want.Profile), len(p.Steps))
	var phase step.Phase
	for _, s := range p.Steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(&b, "\n%s\n", bold(phase.String()))
		}
		b.WriteString("  " + line(s) + "\n")
	}
	return flush(w, &b)
}

// line is a step on one line: sign, resource, attribute, values, why.
func line(s step.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s: ", glyph(s), s.Resource, s.Attribute)
	switch s.From {
	case "":
		b.WriteString(orGone(s.To))
	case s.To:
		b.WriteString(s.To + " again")
	default:
		fmt.Fprintf(&b, "%s -> %s", s.From, orGone(s.To))
	}
	if s.Reason != "" {
		b.WriteString(faint("  (" + s.Reason + ")"))
	}
	if s.Disrupts != "" {
		b.WriteString(amber("  disrupts " + s.Disrupts))
	}
	return b.String()
}

func orGone(to string) string {
	if to == "" {
		return "gone"
	}
	return to
}

// Print writes one finished step on one line, with its duration.
func (d Done) Print(w io.Writer) {
	mark := green("done  ")
	if d.Err != nil {
		mark = red("failed")
	}
	// A terminal that has gone away must not stop an apply half way.
	_, _ = fmt.Fprintf(w, "%s %-9s %s%s\n", mark, d.Phase, line(d.Step), faint("  "+seconds(d.Seconds)))
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// ApplyReport is what an apply did.
type ApplyReport struct {
	Profile string    `json:"profile"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Steps   []Done    `json:"steps"`
	// Phases is where the time went, in seconds: of each phase the device that took longest.
	Phases map[string]float64 `json:"phases,omitempty"`
	Error  string             `json:"error,omitempty"`
}

// End closes the report with the apply's outcome.
func (r *ApplyReport) End(err error) {
	r.Seconds = time.Since(r.Started).Seconds()
	r.Phases = phaseSeconds(r.Steps)
	if err != nil {
		r.Error = err.Error()
	}
}

func phaseSeconds(steps []Done) map[string]float64 {
	lanes := map[step.Phase]map[string]float64{}
	group := ""
	for _, d := range steps {
		if d.Group != "" && d.Group == group {
			continue
		}
		group = d.Group
		if lanes[d.Phase] == nil {
			lanes[d.Phase] = map[string]float64{}
		}
		lanes[d.Phase][d.Device] += d.Seconds
	}
	phases := map[string]float64{}
	for p, devices := range lanes {
		for _, s := range devices {
			phases[p.String()] = max(phases[p.String()], s)
		}
	}
	return phases
}

// Print writes the closing line of an apply.
func (r ApplyReport) Print(w io.Writer) error {
	var b strings.Builder
	if len(r.Steps) == 0 {
		fmt.Fprintf(&b, "%s: nothing to do\n", r.Profile)
		return flush(w, &b)
	}
	var parts []string
	for p := step.Quiesce; p <= step.Addresses; p++ {
		if s, ok := r.Phases[p.String()]; ok {
			parts = append(parts, p.String()+" "+seconds(s))
		}
	}
	fmt.Fprintf(&b, "%s: %d steps in %s (%s)\n", bold(r.Profile), len(r.Steps), seconds(r.Seconds), strings.Join(parts, ", "))
	return flush(w, &b)
}

func flush(w io.Writer, b *strings.Builder) error {
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
