// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/step"
)

// features are those that a netdev begins with.
func features(vf bool, mode string) map[string]crypto.Feature {
	f := func(on bool) crypto.Feature { return crypto.Feature{Hardware: true, Wanted: on, Active: on} }
	all := map[string]crypto.Feature{
		"hw-tc-offload": f(false), "tls-hw-rx-offload": f(false), "tls-hw-tx-offload": f(!vf), "tx-esp-segmentation": f(true),
		"esp-hw-offload": {Active: true, Fixed: true},
	}
	if !vf && mode == switchdev { // of an uplink there it is fixed off
		all["hw-tc-offload"], all["tls-hw-tx-offload"], all["tls-hw-rx-offload"] = f(true), crypto.Feature{Fixed: true}, crypto.Feature{Fixed: true}
	}
	return all
}

func (m *model) crypto(s step.Step) error {
	st := m.Offload[s.Resource.Function]
	f, has := st.Features[s.Attribute]
	on := s.To.Str() == "on"
	switch {
	case st.Netdev == "" || !has:
		return fmt.Errorf("there is no such netdev, or feature")
	case f.Fixed && f.Active != on:
		return fmt.Errorf("it is fixed")
	}
	f.Wanted, f.Active = on, on
	st.Features[s.Attribute] = f
	return nil
}
