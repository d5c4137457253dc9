// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"testing"

	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/journal"
)

// A VLAN of somebody's that an operation only affected, as one of a version that knew no VLANs in profiles did when it made
// the bond below anew, is not taken away with it: it carries no mark, and what was before does not name it.
func TestWhatAnOperationAffectedItDidNotMake(t *testing.T) {
	id := resource.OfLink("bond0.7")
	for name, c := range map[string]struct {
		touched journal.Touched
		gone    bool
	}{
		"affected":     {journal.Touched{id: {journal.All}}, false},
		"made":         {journal.Touched{id: {vlan.Present, journal.All}}, true},
		"changed":      {journal.Touched{id: {"mtu"}}, false},
		"nothing said": {nil, false},
	} {
		opt := step.Options{Owner: "me", Only: func(id resource.ID) bool { return made(c.touched, id) }}
		have := vlan.State{VLANs: []vlan.VLAN{{Name: "bond0.7", On: resource.OfBond("bond0"), ID: 7, Protocol: vlan.DefaultProtocol}}}
		r, err := vlan.Diff(have, nil, nil, opt)
		if err != nil || (len(r.Steps) > 0) != c.gone {
			t.Errorf("%s: %v, %v", name, r.Steps, err)
		}
	}
}
