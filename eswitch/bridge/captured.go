// SPDX-License-Identifier: Apache-2.0

package bridge

import "github.com/nicwright/nicwright/internal/rtlink"

// Captured are the bridges as a profile would say them, without what is so in a new one. Of
// ports it has all, and those that no profile can name as Other.
func Captured(s State) []Spec {
	all := Specs(s)
	for i := range all {
		w := &all[i]
		w.Exact, w.Owner = false, ""
		for _, o := range options {
			if n, has := s.Bridges[i].Options[o.name]; has && n == o.first {
				o.unset(w)
			}
		}
		if *w.MTU == rtlink.DefaultMTU {
			w.MTU = nil
		}
		for j := range w.Ports {
			w.Ports[j].Settings = nil
		}
	}
	return all
}
