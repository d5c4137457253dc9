// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/pci"
)

// tls is the chain of TLS in one direction, in the order in which its links depend
// on one another.
func (x examination) tls(dev crypto.Device, p eswitch.Port, dir crypto.Direction) chain.Chain {
	links := dev.BuildLinks(x.Build)
	links = append(links, p.UplinkLink(dev.Function))
	links = append(links, dev.TLSLinks(dir)...)
	links = append(links, bond.TLSLink(x.Bonds, dev.Netdev), dev.UpLink())
	links = append(links, dev.SessionLinks(dir, x.ask, x.Build)...)
	what := "TLS transmit"
	if dir == crypto.Receive {
		what = "TLS receive"
	}
	return chain.Walk(what, "TLS "+x.ask.TLSVersion+" "+x.ask.Cipher, chain.Software, links...)
}

// ipsec is the chain of IPsec in crypto or packet mode.
func (x examination) ipsec(dev crypto.Device, p eswitch.Port, packet bool) chain.Chain {
	what, otherwise := "IPsec crypto", chain.Software
	if packet {
		what, otherwise = "IPsec packet", chain.Refused // it never falls back
	}
	links := dev.IPsecBuildLinks(x.Build, packet)
	links = append(links, bond.IPsecLink(x.Bonds, dev.Netdev))
	if packet {
		links = append(links, p.SteeringLink(dev.Function), p.EncapLink(dev.Function, x.ask.IPsecMode == "tunnel", x.Tunnels),
			x.Switch.FlowsLink(dev.Function, bond.Over(x.Bonds, dev.Netdev)))
	}
	links = append(links, x.grant(dev, p, packet), dev.ESPLink(), dev.UpLink())
	if packet {
		links = append(links, dev.PacketLink())
	}
	return chain.Walk(what, x.ask.IPsecMode+" mode, AES-GCM", otherwise, links...)
}

// grant is whether the function may have IPsec beside the others of its port.
func (x examination) grant(dev crypto.Device, p eswitch.Port, packet bool) chain.Link {
	g, known := x.Grants[dev.Function]
	switch {
	case !dev.Function.IsVF():
		return eswitch.OthersLink(x.Grants, dev.Function.PF)
	case !known && p.DevlinkIn != "":
		return chain.Open("port function", "the devlink instance of its PF is "+in(p.DevlinkIn))
	}
	states := 0
	if pf := x.device(pci.PF(dev.Function.PF)); pf != nil {
		states = pf.States
	}
	return eswitch.GrantLink(dev.Function, g, packet, dev.Features["esp-hw-offload"].Active, states)
}
