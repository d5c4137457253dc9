// SPDX-License-Identifier: Apache-2.0

package crypto

// Captured is the switches of a netdev as a profile would say them: those that can be changed.
func (s State) Captured() Spec {
	var spec Spec
	for _, name := range featureNames {
		if f, ok := s.Features[name]; ok && !f.Fixed {
			on := f.Active
			*spec.field(name) = &on
		}
	}
	return spec
}
