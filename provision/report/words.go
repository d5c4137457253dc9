// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/proof"
)

// printable is the report without what would steer a terminal or is no text in
// XML: its words are also those of the kernel, of a peer and of Open vSwitch.
func (r *VerifyReport) printable() *VerifyReport {
	p := *r
	words(&p.Profile, &p.Kernel)
	p.Drift, p.Taken, p.Proofs = slices.Clone(r.Drift), slices.Clone(r.Taken), slices.Clone(r.Proofs)
	for i := range p.Drift {
		s := &p.Drift[i]
		words(&s.Resource, &s.Attribute, &s.From, &s.To, &s.Disrupts, &s.Reason)
	}
	for i := range p.Taken {
		words(&p.Taken[i])
	}
	for i := range p.Proofs {
		j := &p.Proofs[i]
		words(&j.Kind, &j.Reason, (*string)(&j.Verdict), (*string)(&j.Require))
		j.Cell, j.Seen, j.Counters = slices.Clone(j.Cell), slices.Clone(j.Seen), slices.Clone(j.Counters)
		for _, fields := range [][]proof.Field{j.Cell, j.Seen} {
			for k := range fields {
				words(&fields[k].Name, &fields[k].Value)
			}
		}
		for k := range j.Counters {
			words(&j.Counters[k].Where, &j.Counters[k].Name)
		}
	}
	return &p
}

// words takes out escape sequences, and puts U+FFFD for what has no glyph.
func words(all ...*string) {
	for _, s := range all {
		*s = strings.Map(func(r rune) rune {
			if unicode.IsGraphic(r) || r == '\n' || r == '\t' {
				return r
			}
			return unicode.ReplacementChar
		}, ansi.Strip(*s))
	}
}
