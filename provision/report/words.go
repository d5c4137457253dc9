// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/step"
)

// printable is the report without what would steer a terminal or is no text in
// XML: its words are also those of the kernel, of a peer and of Open vSwitch.
func (r *Report) printable() *Report {
	p := *r
	words(&p.Profile, &p.Kernel, &p.Error)
	p.Drift, p.Taken, p.Proofs = slices.Clone(r.Drift), slices.Clone(r.Taken), slices.Clone(r.Proofs)
	for i := range p.Drift {
		p.Drift[i] = cleanStep(p.Drift[i])
	}
	p.Left = slices.Clone(r.Left)
	for i := range p.Left {
		p.Left[i] = cleanLeft(r.Left[i])
	}
	for i := range p.Taken {
		words(&p.Taken[i])
	}
	for i := range p.Proofs {
		j := &p.Proofs[i]
		words(&j.Kind, &j.Reason, &j.NoCPU, (*string)(&j.Verdict), (*string)(&j.Require))
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
	p.Said = cleanSaid(r.Said)
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

// cleanStep is a step without what would steer a terminal: names of netdevs and
// reasons of the kernel are in it.
func cleanStep(s step.Step) step.Step {
	for _, v := range []*step.Value{&s.From, &s.To} {
		if text, ok := v.Get(); ok {
			words(&text)
			*v = step.Text(text)
		}
	}
	words(&s.Attribute, &s.Reason, &s.Resource.Name, &s.Resource.Of)
	s.Effects = slices.Clone(s.Effects)
	for i := range s.Effects {
		words(&s.Effects[i].Whose, &s.Effects[i].On.Name, &s.Effects[i].From.Name)
	}
	return s
}

func cleanLeft(l step.Left) step.Left {
	words(&l.Attribute, &l.Reason, &l.Resource.Name, &l.Resource.Of)
	return l
}
