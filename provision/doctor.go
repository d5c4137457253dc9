// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"slices"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
)

// Checkup is all that the doctor looks at.
type Checkup struct {
	Host    Host
	Build   crypto.Build
	Devices []crypto.Device
	Grants  map[pci.Function]eswitch.Grant
	Tunnels probe.Fact // whether packet offload of tunnels goes on a PF in switchdev
}

// Diagnosis says of each netdev of each card what it can take over, and why not.
type Diagnosis struct {
	Kernel  string       `json:"kernel"` // its release
	Devices []DeviceDiag `json:"devices"`
}

// DeviceDiag is the part of one function.
type DeviceDiag struct {
	Function pci.Function `json:"function"`
	Card     string       `json:"card"` // its model
	Netdev   string       `json:"netdev,omitempty"`
	Driver   string       `json:"driver,omitempty"`
	// Absent is why there is no netdev to look at; Chains is empty then.
	Absent string        `json:"absent,omitempty"`
	Chains []chain.Chain `json:"chains,omitempty"`
}

// Diagnose walks the chains of every PF and VF of every card. It reads nothing
// but its arguments. want, if there are any, are the only ones: by netdev, by PCI
// address, or by pci.Function.String. Those that match nothing are returned.
func Diagnose(c Checkup, ask crypto.Ask, want ...string) (d Diagnosis, unmatched []string) {
	d.Kernel = c.Build.Release
	matched := map[string]bool{}
	asked := func(names ...string) bool {
		for _, n := range names {
			if n != "" && slices.Contains(want, n) {
				matched[n] = true
				return true
			}
		}
		return len(want) == 0
	}
	for _, card := range c.Host.Cards {
		for _, p := range card.Ports {
			if asked(p.Netdev, string(p.Address), pci.PF(p.Address).String()) {
				d.Devices = append(d.Devices, c.diagnose(card, p, pci.PF(p.Address), p.Driver, ask))
			}
			for _, vf := range p.VFs {
				fn := pci.VF(p.Address, vf.Index)
				if asked(vf.Netdev, string(vf.Address), fn.String()) {
					d.Devices = append(d.Devices, c.diagnose(card, p, fn, vf.Driver, ask))
				}
			}
		}
	}
	for _, w := range want {
		if !matched[w] {
			unmatched = append(unmatched, w)
		}
	}
	return d, unmatched
}

func (c Checkup) diagnose(card eswitch.Card, p eswitch.Port, fn pci.Function, driver string, ask crypto.Ask) DeviceDiag {
	out := DeviceDiag{Function: fn, Card: card.Model, Driver: driver}
	i := slices.IndexFunc(c.Devices, func(d crypto.Device) bool { return d.Function == fn })
	switch {
	case i >= 0:
		dev := c.Devices[i]
		out.Netdev = dev.Netdev
		if dev.Driver != "" {
			out.Driver = dev.Driver
		}
		out.Chains = []chain.Chain{
			c.tls(dev, p, crypto.Transmit, ask), c.tls(dev, p, crypto.Receive, ask),
			c.ipsec(dev, p, false, ask), c.ipsec(dev, p, true, ask),
		}
	case fn.PF.Bus() != "pci" && fn.IsVF():
		out.Absent = "it is a port of the simulated switch only, without a netdev of its own"
	case driver == "":
		out.Absent = "no driver is bound to it: nicwright binds VFs (profile: vf: {driver: mlx5_core}); a PF gets its own by modprobe mlx5_core"
	case driver == "vfio-pci":
		out.Absent = "it is bound to vfio-pci: look inside the machine that has it"
	default:
		out.Absent = "its netdev is in another network namespace: run the doctor there (ip netns exec NAME nicwright doctor)"
	}
	return out
}

func (c Checkup) tls(dev crypto.Device, p eswitch.Port, dir crypto.Direction, ask crypto.Ask) chain.Chain {
	links := dev.BuildLinks(c.Build)
	links = append(links, p.UplinkLink(dev.Function))
	links = append(links, dev.TLSLinks(dir)...)
	links = append(links, bond.TLSLink(c.Host.Bonds, dev.Netdev), dev.UpLink())
	links = append(links, dev.SessionLinks(dir, ask, c.Build)...)
	what := "TLS transmit"
	if dir == crypto.Receive {
		what = "TLS receive"
	}
	return chain.Walk(what, "TLS "+ask.TLSVersion+" "+ask.Cipher, chain.Software, links...)
}

func (c Checkup) ipsec(dev crypto.Device, p eswitch.Port, packet bool, ask crypto.Ask) chain.Chain {
	what, otherwise := "IPsec crypto", chain.Software
	if packet {
		what, otherwise = "IPsec packet", chain.Refused // it never falls back
	}
	links := dev.IPsecBuildLinks(c.Build, packet)
	links = append(links, bond.IPsecLink(c.Host.Bonds, dev.Netdev))
	if packet {
		links = append(links, p.SteeringLink(dev.Function), p.EncapLink(dev.Function, ask.IPsecMode == "tunnel", c.Tunnels),
			c.Host.Switch.FlowsLink(dev.Function, bond.Over(c.Host.Bonds, dev.Netdev)))
	}
	if dev.Function.IsVF() {
		esp := dev.Features["esp-hw-offload"].Active
		links = append(links, eswitch.GrantLink(dev.Function, c.Grants[dev.Function], packet, esp, c.states(dev.Function)))
	} else {
		links = append(links, eswitch.OthersLink(c.Grants, dev.Function.PF))
	}
	links = append(links, dev.ESPLink(), dev.UpLink())
	if packet {
		links = append(links, dev.PacketLink())
	}
	return chain.Walk(what, ask.IPsecMode+" mode, AES-GCM", otherwise, links...)
}

// states counts the IPsec states on the PF of a function.
func (c Checkup) states(fn pci.Function) int {
	for _, d := range c.Devices {
		if d.Function == pci.PF(fn.PF) {
			return d.States
		}
	}
	return 0
}
