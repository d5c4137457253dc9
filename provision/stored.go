// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/journal"
)

// stored is what steps store in cards.
func stored(steps []step.Step) []journal.Stored {
	var all []journal.Stored
	for _, s := range steps {
		if eswitch.IsPermanentParam(s.Attribute) {
			all = append(all, journal.Stored{On: s.Resource, Attribute: s.Attribute, From: s.From.Str(), To: s.To.Str()})
		}
	}
	return all
}

// Stored is what the plan's steps store in cards.
func (p *Plan) Stored() []journal.Stored { return stored(p.Steps) }

// AwaitsReset is what operations since the last boot have stored in cards, which go by what there was before until they are
// reset. What the kernel shows of it is what is stored: only the journal knows what the card goes by. That somebody has reset
// a firmware meanwhile, nobody sees.
func (r *Road) AwaitsReset() []journal.Stored {
	var all []journal.Stored
	for _, o := range r.ops {
		if o.Boot != r.Boot {
			continue
		}
		for _, s := range o.Stored {
			if i := slices.IndexFunc(all, func(a journal.Stored) bool { return a.On == s.On && a.Attribute == s.Attribute }); i >= 0 {
				all[i].To = s.To
				continue
			}
			all = append(all, s)
		}
	}
	return slices.DeleteFunc(all, func(s journal.Stored) bool {
		p := r.Have.Port(s.On.Function.PF)
		if p == nil {
			return true
		}
		now, has := p.Param(s.Attribute).Get()
		return !has || s.From == s.To || now == s.From // it was not done, or taken back
	})
}

// WordsOf says what awaits a reset.
func WordsOf(s journal.Stored) string {
	return fmt.Sprintf("%s %s: %s -> %s: %s", s.On, s.Attribute, s.From, s.To, eswitch.AfterReset(s.On.Function.PF))
}
