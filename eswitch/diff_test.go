// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

func TestDiff(t *testing.T) {
	golden.Diff(t, func(have []Card, want map[pci.Address]PortSpec, _ step.Effects, opt step.Options) (step.Result, error) {
		r, err := Diff(have, want, opt)
		for _, s := range r.Steps {
			if s.Device != string(s.Resource.Function.PF) || s.Domain != Domain {
				t.Errorf("a step that cannot be done: %+v", s)
			}
			var d Doer
			if d.writerOf(s.Resource.Function, s.Attribute) == nil {
				t.Errorf("nothing does %s", s)
			}
		}
		return r, err
	})
}
