// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/baseline"
)

// ofWhere are the fields of a proof's cell that say between which functions it was: what
// works on a kernel does not hang on that.
var ofWhere = []string{"from", "to", "bond", "peer"}

// offload is what was proved, wherever on the host.
func offload(p baseline.Result) string {
	name := p.Kind
	for _, f := range p.Cell {
		if !slices.Contains(ofWhere, f.Name) {
			name += " " + f.Value
		}
	}
	return name
}

// KernelsTable writes, as Markdown, what each of the kernels of baselines does of what was proved on
// any, and what of it is known to have changed, with where that is known from. The baselines
// are of one host and profile, oldest kernel first.
func KernelsTable(w io.Writer, all []*baseline.Baseline, known []Entry) error {
	var rows, releases []string
	verdicts := make([]map[string][]proof.Verdict, len(all))
	for i, b := range all {
		releases = append(releases, b.Software["kernel.release"])
		verdicts[i] = map[string][]proof.Verdict{}
		for _, run := range b.Runs {
			for _, p := range run.Proofs {
				name := offload(p)
				if !slices.Contains(rows, name) {
					rows = append(rows, name)
				}
				if !slices.Contains(verdicts[i][name], p.Verdict) {
					verdicts[i][name] = append(verdicts[i][name], p.Verdict)
				}
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| proved | %s |\n|---%s|\n", strings.Join(releases, " | "), strings.Repeat("|---", len(all)))
	for _, row := range rows {
		b.WriteString("| " + row)
		for i := range all {
			var words []string
			for _, v := range verdicts[i][row] {
				words = append(words, string(v))
			}
			b.WriteString(" | " + style.OrDash(strings.Join(words, ", ")))
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n| from | to | what | what it means | known from |\n|---|---|---|---|---|\n")
	for i := 1; i < len(all); i++ {
		c, err := Compare(all[i-1], all[i], Options{Known: known, Floor: DefaultFloor})
		if err != nil {
			return err
		}
		told := map[string]bool{}
		for _, f := range c.Findings {
			if f.Known == nil || told[f.Known.ID] {
				continue
			}
			told[f.Known.ID] = true
			cells := []string{releases[i-1], releases[i], f.What, f.Known.Words, f.Known.Source}
			for n, s := range cells {
				cells[n] = strings.NewReplacer("|", `\|`, "\n", " ").Replace(style.OrDash(strings.TrimSpace(s)))
			}
			b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		}
	}
	return style.Flush(w, &b)
}
