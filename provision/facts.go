// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/profiles"
)

// Facts are what rules want to know of a host that was looked at; what is dear is
// asked when a rule wants it. check, plan and apply are told the same.
func Facts(ctx context.Context, h Host, s *snapshot.Snapshot) profiles.Facts {
	k := kconfig.Host{}.Ask()
	devices := crypto.Devices(s, statesOf(ctx))
	build := crypto.NewBuild(k, devices)
	f := profiles.Facts{
		Cards: h.CardInfos(), Kernel: build.Kernel,
		DriverTLS: build.DriverTLS, DriverIPsec: build.DriverIPsec, DriverTC: build.DriverTC, AES256: build.AES256,
		HMFS:        probe.Lazy(func() probe.Answer { return eswitch.SteersHMFS(k, s.PFs) }),
		GrantsIPsec: probe.Lazy(func() probe.Answer { return eswitch.GrantsIPsec(ctx, k, s) }),
		Ports:       map[pci.Address]profiles.PortFacts{}, Functions: map[pci.Function]profiles.FunctionFacts{},
	}
	for _, d := range devices {
		f.Functions[d.Function] = profiles.FunctionFacts{
			Fixed: fixed(h.Offload[d.Function].Features), NoTxChecksum: !d.Checksums(crypto.Transmit), NoRxChecksum: !d.Checksums(crypto.Receive),
		}
	}
	for _, c := range h.Cards {
		for _, p := range c.Ports {
			f.Ports[p.Address] = portFacts(k, h, s, p, devices)
		}
	}
	if h.Switch != nil {
		f.Switch = switchFacts(h)
	}
	return f
}

// statesOf are the IPsec states of the network namespace; without CAP_NET_ADMIN,
// which plan does not need, there are none.
func statesOf(ctx context.Context) []ipsec.State {
	states, err := ipsec.List(ctx)
	if err != nil && !errors.Is(err, unix.EPERM) {
		return nil // a kernel without xfrm has none either
	}
	return states
}

func portFacts(k *kconfig.Kernel, h Host, s *snapshot.Snapshot, p eswitch.Port, devices []crypto.Device) profiles.PortFacts {
	facts := profiles.PortFacts{
		Mode: p.Mode, IPv6: slices.DeleteFunc(h.Net.Addresses(pci.PF(p.Address)), func(a string) bool { return !strings.Contains(a, ":") }),
		ShowsLAG: probe.Lazy(func() probe.Answer { return bond.ShowsLAG(snapshot.Debugfs, p.Address) }),
	}
	if p.Err == "" && p.Driver != "" {
		facts.TotalVFs = &p.TotalVFs
	}
	if i := slices.IndexFunc(s.PFs, func(pf snapshot.PF) bool { return pf.Address == p.Address }); i >= 0 {
		facts.WithoutVFs = probe.Lazy(func() probe.Answer { return eswitch.SwitchdevWithoutVFs(k, s.PFs[i]) })
	}
	for _, d := range devices {
		if d.Function == pci.PF(p.Address) {
			facts.States, facts.Packet = d.States, d.Packet
		}
	}
	return facts
}

func switchFacts(h Host) profiles.SwitchFacts {
	f := profiles.SwitchFacts{HWOffload: h.Switch.HWOffload, TCPolicy: h.Switch.TCPolicy, Bonds: map[string][]pci.Function{}}
	for _, b := range h.Switch.Bridges {
		for _, p := range b.Ports {
			for _, id := range p.Bonded {
				if fn, err := pci.ParseFunction(id); err == nil {
					f.Bonds[p.Name] = append(f.Bonds[p.Name], fn)
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

// Facts are those of the look.
func (r *Road) Facts(ctx context.Context) profiles.Facts { return Facts(ctx, r.Have, r.Snapshot) }
