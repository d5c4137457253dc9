// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
)

// Facts are what rules want to know, as far as Observe has seen it.
func (h Host) Facts() profiles.Facts {
	f := profiles.Facts{Cards: h.CardInfos(), Ports: map[pci.Address]profiles.PortFacts{}, Functions: map[pci.Function]profiles.FunctionFacts{}}
	if release, err := (kconfig.Host{}).Release(); err == nil {
		f.Kernel = kconfig.ParseVersion(release)
	}
	for _, c := range h.Cards {
		for _, p := range c.Ports {
			f.Ports[p.Address] = profiles.PortFacts{Mode: p.Mode, TotalVFs: p.TotalVFs}
		}
	}
	for name, s := range h.Offload {
		if fn, err := pci.ParseFunction(name); err == nil {
			f.Functions[fn] = profiles.FunctionFacts{Fixed: fixed(s.Features)}
		}
	}
	if h.Switch == nil {
		return f
	}
	f.Switch = profiles.SwitchFacts{HWOffload: h.Switch.HWOffload, TCPolicy: h.Switch.TCPolicy, Bonds: map[string][]pci.Function{}}
	for _, b := range h.Switch.Bridges {
		for _, p := range b.Ports {
			for _, id := range p.Bonded {
				if fn, err := pci.ParseFunction(id); err == nil {
					f.Switch.Bonds[p.Name] = append(f.Switch.Bonds[p.Name], fn)
				}
			}
		}
	}
	return f
}

func fixed(features map[string]crypto.Feature) map[string]bool {
	out := map[string]bool{}
	for name, f := range features {
		if f.Fixed {
			out[name] = f.Active
		}
	}
	return out
}

// Facts are those of the host, and what only the doctor looks at.
func (c Checkup) Facts() profiles.Facts {
	f := c.Host.Facts()
	f.Kernel = c.Build.Kernel
	f.DriverTLS, f.DriverIPsec, f.DriverTC = c.Build.DriverTLS, c.Build.DriverIPsec, c.Build.DriverTC
	for _, d := range c.Devices {
		facts := f.Functions[d.Function]
		facts.NoTxChecksum, facts.NoRxChecksum = !d.Checksums(crypto.Transmit), !d.Checksums(crypto.Receive)
		f.Functions[d.Function] = facts
		if p, ok := f.Ports[d.Function.PF]; ok && !d.Function.IsVF() {
			p.States, p.Packet, p.IPv6 = d.States, d.Packet, c.IPv6[d.Index]
			f.Ports[d.Function.PF] = p
		}
	}
	return f
}
