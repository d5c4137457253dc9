// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/pci"
)

// FlowsLink is whether Open vSwitch puts TC rules on an uplink: those and IPsec
// in packet mode on the PF exclude each other, with EBUSY either way round
// (m5/en_tc.c, mlx5e_tc_block_ipsec_offload; en_accel/ipsec_fs.c,
// mlx5e_ipsec_block_tc_offload). bond is that over the uplink, or "".
func (s *State) FlowsLink(fn pci.Function, bond string) chain.Link {
	const name = "flows"
	if s == nil || !s.Running || !s.HWOffload || fn.IsVF() {
		return chain.Held(name, "no rules of Open vSwitch are in the card on it")
	}
	ids := []string{fn.String()}
	if bond != "" {
		ids = append(ids, idBond+bond)
	}
	for _, b := range s.Bridges {
		for _, p := range b.Ports {
			if slices.Contains(ids, p.ID) {
				return chain.Broke(name, fmt.Sprintf("Open vSwitch offloads the flows of %s over it (port %s), and TC rules on an uplink and IPsec in packet mode exclude each other: the kernel answers EBUSY", b.Name, p.Name),
					"use IPsec on the VFs, or take the uplink out of "+b.Name)
			}
		}
	}
	return chain.Held(name, "it is no port of Open vSwitch")
}
