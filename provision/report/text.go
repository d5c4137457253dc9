// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"github.com/nicwright/nicwright/internal/style"
)

// Print writes the report as text: a table a kind, below it why a cell is not as
// the profile requires or not done by the card, and the outcome at the end.
// verbose adds the evidence of every cell.
func (r *Report) Print(w io.Writer, verbose bool) error {
	r = r.printable()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", style.Bold(r.Profile))
	if len(r.Drift) == 0 {
		b.WriteString("the host is as the profile wants\n")
	} else {
		fmt.Fprintf(&b, "%s\n", style.Red("the host is not as the profile wants"))
		for _, s := range r.Drift {
			b.WriteString("  " + Line(s) + "\n")
		}
	}
	for _, l := range r.Left {
		b.WriteString("  " + Left(l) + "\n")
	}
	b.WriteString(style.Faint(r.header()) + "\n")
	for _, t := range r.Taken {
		b.WriteString("VFs for the proofs: " + t + "\n")
	}
	for _, sec := range r.sections() {
		fmt.Fprintf(&b, "\n%s\n%s", style.Bold(sec.Title), sec.table())
		for _, j := range sec.Cells {
			if verbose || !j.plain() {
				printCell(&b, j)
			}
		}
		for _, l := range sec.Comparison() {
			b.WriteString("  " + l + "\n")
		}
	}
	b.WriteString("\n")
	for _, c := range r.caveats() {
		b.WriteString(style.Faint(c) + "\n")
	}
	writeSaid(&b, r.Said)
	outcome := style.Green(r.outcome())
	if !r.OK {
		outcome = style.Red(r.outcome())
	}
	fmt.Fprintf(&b, "%s; %s\n", r.tally(), outcome)
	return style.Flush(w, &b)
}

// Mark is the cell's outcome in a word, coloured where it is printed in colour.
func (j Judged) Mark() string {
	if j.OK {
		return style.Green("ok")
	}
	return style.Red("FAIL")
}

// colour is that of the verdict: what the profile does not accept is red, what the
// card did green.
func (j Judged) colour(s string) string {
	switch {
	case !j.OK:
		return style.Red(s)
	case j.plain():
		return style.Green(s)
	}
	return style.Amber(s)
}

// table is the section with a line a cell, the figures side by side.
func (sec *section) table() string {
	head := append([]string{""}, sec.Columns...)
	if sec.Measured {
		head = append(head, "Mbit/s", "CPU s/GB")
	}
	figures := len(head) - 2 // where they begin, if Measured
	head = append(head, "verdict")
	for i := range head {
		head[i] = style.Faint(head[i])
	}
	t := table.New().Headers(head...).Border(lipgloss.HiddenBorder()).Wrap(false).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderHeader(false).BorderColumn(false).
		StyleFunc(func(_, col int) lipgloss.Style {
			s := lipgloss.NewStyle()
			if col < len(head)-1 {
				s = s.PaddingRight(2)
			}
			if sec.Measured && col >= figures && col < figures+2 {
				s = s.AlignHorizontal(lipgloss.Right)
			}
			return s
		})
	for _, j := range sec.Cells {
		row := []string{j.Mark()}
		for _, c := range sec.Columns {
			row = append(row, style.OrDash(j.Get(c)))
		}
		if sec.Measured {
			row = append(row, style.OrDash(throughput(j.Proof)), style.OrDash(cpuPerGB(j.Proof)))
		}
		t.Row(append(row, j.colour(j.Judgement()))...)
	}
	var b strings.Builder
	for l := range strings.Lines(t.String()) {
		b.WriteString("  " + strings.TrimRight(l, " \n") + "\n")
	}
	return b.String()
}

// printCell writes why a verdict is what it is, and what it rests on.
func printCell(b *strings.Builder, j Judged) {
	fmt.Fprintf(b, "  %s: %s\n", j.cell(), j.colour(j.Judgement()))
	if j.Reason != "" {
		fmt.Fprintf(b, "    why: %s\n", indented(j.Reason, "         "))
	}
	for _, l := range evidence(j.Proof) {
		fmt.Fprintf(b, "    %s\n", indented(l, "      "))
	}
}

// indented keeps what is on further lines below the first.
func indented(s, by string) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+by)
}
