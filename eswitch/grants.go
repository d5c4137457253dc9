// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/pci"
)

// Grant is what the port function of a VF says of IPsec. A name that is not in
// it is one that the driver has not got.
type Grant struct {
	Port string          `json:"port"` // of devlink: "pci/0000:3b:00.0/1"
	Caps map[string]bool `json:"caps"`
}

// OthersLink holds a PF against its VFs: a state on the PF is EBUSY while a VF
// has IPsec of either kind (m5/eswitch.c, mlx5_eswitch_block_ipsec).
func OthersLink(grants map[pci.Function]Grant, pf pci.Address) chain.Link {
	const name = "VFs"
	var mend []string
	first := pci.Function{VF: -1}
	for fn, g := range grants {
		if fn.PF != pf || !g.Caps[attrIPsecCrypto] && !g.Caps[attrIPsecPacket] {
			continue
		}
		if first.VF < 0 || fn.VF < first.VF {
			first = fn
		}
		for _, kind := range functionCaps {
			if g.Caps[kind] {
				mend = append(mend, "devlink port function set "+g.Port+" "+kind+" disable, with the VF's driver unbound")
			}
		}
	}
	if mend == nil {
		return chain.Held(name, "no VF has IPsec")
	}
	slices.Sort(mend)
	return chain.Broke(name, fmt.Sprintf("VF %d has IPsec, and IPsec on the PF and on VFs exclude each other: the kernel answers EBUSY", first.VF), mend...)
}

// GrantLink is whether a VF was granted IPsec by its port function. active: its
// netdev has ESP offload as it is. states are those on the PF: with one, the
// grant is EBUSY (m5/eswitch_offloads.c, mlx5_devlink_port_fn_ipsec_crypto_set).
func GrantLink(fn pci.Function, g Grant, packet, active bool, states int) chain.Link {
	const link = "port function"
	name := attrIPsecCrypto
	if packet {
		name = attrIPsecPacket
	}
	on, has := g.Caps[name]
	switch {
	case !fn.IsVF():
		return chain.Held(link, "it is a PF")
	case on:
		return chain.Held(link, name+" is enabled")
	case !has && active && !packet:
		return chain.Held(link, "the driver grants VFs no "+name+", and this one has ESP offload")
	case !has:
		return chain.Open(link, "the driver says nothing of "+name+" for this VF (devlink port function; Linux 6.6 and switchdev mode)")
	case active && !packet:
		return chain.Held(link, name+" is disabled now, and its netdev has ESP offload from before")
	case states > 0:
		return chain.Broke(link, fmt.Sprintf("%s is disabled, and cannot be enabled while the PF has IPsec states (%d): the kernel answers EBUSY", name, states),
			"remove the states of the PF (ip xfrm state), then devlink port function set "+g.Port+" "+name+" enable with the VF's driver unbound")
	}
	return chain.Broke(link, name+" is disabled", "profile: vf: {"+name+": true} at the port",
		"devlink port function set "+g.Port+" "+name+" enable, with the VF's driver unbound, and bind it again")
}
