// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/style"
)

// kindTitles are the names for people of the groups of the matrix.
var kindTitles = map[string]string{
	"ktls":  "Kernel TLS",
	"ipsec": "IPsec",
	"vlan":  "VLAN isolation",
	"flows": "Flows in the card",
	"bond":  "Bond",
}

func kindTitle(kind string) string {
	if t := kindTitles[kind]; t != "" {
		return t
	}
	return kind
}

// cell is what tells it from the others of its kind, in words.
func (j Judged) cell() string {
	var parts []string
	for _, f := range j.Cell {
		if f.Value != "" {
			parts = append(parts, f.Name+" "+f.Value)
		}
	}
	return strings.Join(parts, ", ")
}

// Judgement is the verdict, with what the profile requires if it is not that.
func (j Judged) Judgement() string {
	if !j.OK && j.Require != "" {
		return fmt.Sprintf("%s, required: %s", j.Verdict, j.Require)
	}
	return string(j.Verdict)
}

// plain tells whether the verdict needs no explanation.
func (j Judged) plain() bool {
	return j.OK && (j.Verdict == proof.Offloaded || j.Verdict == proof.Holds)
}

// section is the cells of one kind, a table.
type section struct {
	Kind     string
	Title    string
	Columns  []string // every field that a cell of it has, in the order of the cells
	Measured bool     // a cell has a throughput
	Cells    []Judged
}

// sections are the kinds in the order in which they were proved.
func (r *Report) sections() []*section {
	var out []*section
	for _, j := range r.Proofs {
		i := slices.IndexFunc(out, func(sec *section) bool { return sec.Kind == j.Kind })
		if i < 0 {
			i = len(out)
			out = append(out, &section{Kind: j.Kind, Title: kindTitle(j.Kind)})
		}
		sec := out[i]
		sec.Cells = append(sec.Cells, j)
		sec.Measured = sec.Measured || throughput(j.Proof) != ""
		for _, f := range j.Cell {
			if !slices.Contains(sec.Columns, f.Name) {
				sec.Columns = append(sec.Columns, f.Name)
			}
		}
	}
	return out
}

// Span is the number of columns beside the first, for what stands below a row.
func (sec *section) Span() int {
	if sec.Measured {
		return len(sec.Columns) + 3
	}
	return len(sec.Columns) + 1
}

// throughput is in Mbit/s of payload, "" for what was not measured.
func throughput(p proof.Proof) string {
	if p.Bytes <= 0 || p.Seconds <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", mbits(p))
}

func mbits(p proof.Proof) float64 { return float64(p.Bytes) * 8 / 1e6 / p.Seconds }

// cpuPerGB is in seconds, "" for what was not measured, or not long enough to be
// known.
func cpuPerGB(p proof.Proof) string {
	if p.CPUPerGB() <= 0 || p.Seconds < leastSeconds || !exact(p.CPUSeconds, 1) {
		return ""
	}
	return fmt.Sprintf("%.2f", p.CPUPerGB())
}

// moved is how far a counter moved. One that went back was made anew, with its
// device or namespace, and no difference of it means anything.
func moved(c proof.Counter) string {
	if c.After < c.Before {
		return "went back"
	}
	return fmt.Sprintf("+%d", c.Delta())
}

// sent is the transfer in words, "" if there was none.
func sent(p proof.Proof) string {
	if p.Bytes <= 0 {
		return ""
	}
	s := fmt.Sprintf("%d bytes arrived and compared equal", p.Bytes)
	if t := throughput(p); t != "" {
		s += fmt.Sprintf(" in %s: %s Mbit/s", style.Seconds(p.Seconds), t)
	}
	if c := cpuPerGB(p); c != "" {
		s += fmt.Sprintf(", %s CPU s/GB", c)
	}
	return s
}

// evidence is what a verdict rests on, as lines of text.
func evidence(p proof.Proof) []string {
	var lines []string
	if s := sent(p); s != "" {
		lines = append(lines, s)
	}
	for _, f := range p.Seen {
		lines = append(lines, f.Name+": "+f.Value)
	}
	where := ""
	for _, c := range p.Counters {
		if c.Where != where {
			where = c.Where
			lines = append(lines, where)
		}
		lines = append(lines, fmt.Sprintf("  %-26s %d -> %d  %s", c.Name, c.Before, c.After, moved(c)))
	}
	return lines
}

// tally counts the cells by verdict.
func (r *Report) tally() string {
	var parts []string
	for _, v := range []proof.Verdict{proof.Offloaded, proof.Software, proof.Holds, proof.Failed, proof.NotPossible} {
		n := 0
		for _, j := range r.Proofs {
			if j.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(parts) == 0 {
		return "no proof was run"
	}
	return fmt.Sprintf("%s: %s", style.Count(len(r.Proofs), "proof"), strings.Join(parts, ", "))
}

// outcome is what the report comes to, with the exit status of verify.
func (r *Report) outcome() string {
	switch {
	case r.OK && len(r.Proofs) == 0:
		return "the host is as the profile wants, and nothing more is known (exit status 0)"
	case r.OK:
		return "verified (exit status 0)"
	}
	var why []string
	if n := len(r.Drift); n > 0 {
		why = append(why, fmt.Sprintf("the host differs from the profile in %s", style.Count(n, "value")))
	}
	n := 0
	for _, j := range r.Proofs {
		if !j.OK {
			n++
		}
	}
	if n > 0 {
		why = append(why, fmt.Sprintf("%d of %s not as the profile requires", n, style.Count(len(r.Proofs), "proof")))
	}
	if r.Error != "" {
		return "NOT verified (exit status 1): " + strings.Join(append(why, strings.ReplaceAll(r.Error, "\n", "; ")), "; ")
	}
	return "NOT verified (exit status 3): " + strings.Join(why, "; ")
}

// header is when and on what the report was made.
func (r *Report) header() string {
	matrix := "the whole matrix"
	if r.Quick {
		matrix = "the quick matrix"
	}
	return fmt.Sprintf("kernel %s, %s, begun %s, took %s", style.OrDash(r.Kernel), matrix, r.Started.UTC().Format("2006-01-02 15:04:05 UTC"), style.Seconds(r.Seconds))
}
