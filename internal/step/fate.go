// SPDX-License-Identifier: Apache-2.0

package step

import (
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

// Fate is what steps do to a function's own netdev.
type Fate struct {
	Last  EffectKind // Remade or Gone, whichever is later in the plan; "" for neither
	Reset bool       // what the driver was told goes back to its defaults
}

// Fates are those of all functions that the effects befall. They are gone over once, for
// there are many with many VFs.
func (all Effects) Fates() map[pci.Function]Fate {
	fates := map[pci.Function]Fate{}
	for _, e := range all {
		f := fates[e.On.Function]
		switch {
		case e.On == resource.OfFunction(e.On.Function) && e.Kind == Gone:
			f.Last = Gone
		case e.On != resource.OfNetdev(e.On.Function):
			continue
		case e.Kind == Remade || e.Kind == Gone:
			f.Last = e.Kind
		case e.Kind == Reset:
			f.Reset = true
		default:
			continue
		}
		fates[e.On.Function] = f
	}
	return fates
}
