// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"fmt"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// functionCaps are the port function attributes of FunctionSpec, by devlink's
// names.
var functionCaps = []string{attrIPsecCrypto, attrIPsecPacket}

// Grants are what the port functions of all VFs say. There are none in legacy
// mode.
func Grants(s *snapshot.Snapshot) map[pci.Function]Grant {
	grants := map[pci.Function]Grant{}
	for _, p := range s.Ports {
		if vf, ok := vfOf(p); ok {
			grants[vf] = Grant{Port: fmt.Sprintf("%s/%d", p.Device, p.Index), Caps: p.Caps}
		}
	}
	return grants
}

// vfOf is the VF of this host that a port stands for: the eswitch's ports to VFs
// are on the PF's own devlink instance.
func vfOf(p devlink.Port) (pci.Function, bool) {
	if p.Flavour != devlink.FlavourPCIVF || p.External || p.Controller != 0 {
		return pci.Function{}, false
	}
	name := p.Device.Name
	if p.Device.Bus != "pci" {
		name = p.Device.String()
	}
	a, err := pci.ParseAddress(name)
	return pci.VF(a, int(p.VF)), err == nil
}

func device(a pci.Address) devlink.Device { return devlink.DeviceOf(a) }
