// SPDX-License-Identifier: Apache-2.0

package facts

import (
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
)

// Rules are the facts as the rules want to know them: check, plan and apply ask
// the same ones. cards are those that a profile's selectors look at.
func (f Facts) Rules(cards []profiles.CardInfo) profiles.Facts {
	out := profiles.Facts{
		Cards: cards, Kernel: f.Build.Kernel, Addresses: f.Addresses,
		DriverTLS: f.Build.DriverTLS, DriverIPsec: f.Build.DriverIPsec, DriverTC: f.Build.DriverTC,
		AES256: f.Build.AES256, HMFS: f.HMFS, GrantsIPsec: f.GrantsIPsec,
		Ports: map[pci.Address]profiles.PortFacts{}, Functions: map[pci.Function]profiles.FunctionFacts{},
	}
	for _, c := range f.Cards {
		for _, p := range c.Ports {
			port := profiles.PortFacts{Mode: p.Mode, WithoutVFs: f.WithoutVFs[p.Address], ShowsLAG: f.ShowsLAG[p.Address]}
			// A PCI function without the capability has no file that says how many, which is none.
			if total := p.TotalVFs; p.Err == "" && (total > 0 || p.Address.Bus() == "pci") {
				port.TotalVFs = &total
			}
			out.Ports[p.Address] = port
		}
	}
	for _, d := range f.Devices {
		out.Functions[d.Function] = profiles.FunctionFacts{
			Fixed: fixed(d.Features), NoTxChecksum: !d.Checksums(crypto.Transmit), NoRxChecksum: !d.Checksums(crypto.Receive),
			Most: f.Most[d.Function],
		}
		if p, ok := out.Ports[d.Function.PF]; ok && !d.Function.IsVF() {
			p.States, p.Packet, p.IPv6 = d.States, d.Packet, f.IPv6[d.Index]
			out.Ports[d.Function.PF] = p
		}
	}
	if f.Switch == nil {
		return out
	}
	out.Switch = profiles.SwitchFacts{Missing: f.Switch.Reason, HWOffload: f.Switch.HWOffload, TCPolicy: f.Switch.TCPolicy, Bonds: map[string][]pci.Function{}}
	for _, b := range f.Switch.Bridges {
		for _, p := range b.Ports {
			for _, id := range p.Bonded {
				if fn, err := pci.ParseFunction(id); err == nil {
					out.Switch.Bonds[p.Name] = append(out.Switch.Bonds[p.Name], fn)
				}
			}
		}
	}
	return out
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
