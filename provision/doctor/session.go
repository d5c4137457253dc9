// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/provision/facts"
)

// TLS is the chain of one direction of a TLS session, as it was set up, that leaves by
// the netdev of an ifindex, with the TLS contexts that are open there (nil: not known);
// false where that is no netdev of a PF or VF. f.Build has its Modules.
func TLS(f facts.Facts, index int, dir crypto.Direction, ask crypto.Ask, contexts map[string]uint64) (chain.Chain, bool) {
	x := examination{Facts: f, ask: ask}
	dev, port, found := x.at(index)
	if !found {
		return chain.Chain{}, false
	}
	dev.Contexts = contexts
	return x.tls(dev, port, dir), true
}

// IPsec is the chain of crypto or packet offload of an IPsec state whose traffic goes
// by the netdev of an ifindex; false where that is no netdev of a PF or VF. f.Build has
// its Modules.
func IPsec(f facts.Facts, index int, ask crypto.Ask, packet bool) (chain.Chain, bool) {
	x := examination{Facts: f, ask: ask}
	dev, port, found := x.at(index)
	if !found {
		return chain.Chain{}, false
	}
	return x.ipsec(dev, port, packet), true
}

// at is the function's netdev with an ifindex, and its port.
func (x examination) at(index int) (crypto.Device, eswitch.Port, bool) {
	for _, dev := range x.Devices {
		if dev.Index != index {
			continue
		}
		for _, card := range x.Cards {
			for _, p := range card.Ports {
				if p.Address == dev.Function.PF {
					return dev, p, true
				}
			}
		}
	}
	return crypto.Device{}, eswitch.Port{}, false
}
