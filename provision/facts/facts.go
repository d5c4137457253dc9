// SPDX-License-Identifier: Apache-2.0

// Package facts puts together what the domains know of the hardware of a host: for
// the rules that a profile is held against and for the doctor, which ask the same
// probes. What costs something is looked for when it is asked for.
package facts

import (
	"context"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/profiles"
)

// Host is the domains' states of a look.
type Host struct {
	Cards  []eswitch.Card
	Bonds  bond.State
	Switch *ovs.State
}

// Facts are those of a host.
type Facts struct {
	Host

	Kernel  *kconfig.Kernel
	Build   crypto.Build // without Modules
	Devices []crypto.Device
	Grants  map[pci.Function]eswitch.Grant
	// Unread is why the states of IPsec could not be listed, and are not counted at the devices; nil too
	// where that takes a right (CAP_NET_ADMIN) that is not there.
	Unread error

	// HMFS, GrantsIPsec and Tunnels are eswitch.SteersHMFS, GrantsIPsec and OffloadsTunnels.
	HMFS, GrantsIPsec, Tunnels probe.Fact
	// WithoutVFs and ShowsLAG are eswitch.SwitchdevWithoutVFs and bond.ShowsLAG of each port.
	WithoutVFs, ShowsLAG map[pci.Address]probe.Fact

	IPv6     map[int][]string // addresses, but for those of the link's own scope, by ifindex
	AltNames map[int][]string // of netdevs, by ifindex
	// Most is tuning.State's, of each function.
	Most map[pci.Function]map[string]int
	// Addresses are those of all netdevs.
	Addresses map[netip.Addr][]profiles.AddressFact
}

// Of are the facts of a look. Beside the look it reads the states of IPsec; all
// else is asked later, if it is.
func Of(ctx context.Context, s *snapshot.Snapshot, h Host) Facts {
	states, err := ipsec.List(ctx)
	if errors.Is(err, unix.EPERM) {
		err = nil
	}
	f := of(ctx, kconfig.Host{}.Ask(), snapshot.Debugfs, s, h, states)
	f.Unread = err
	return f
}

// of reads nothing but its arguments.
func of(ctx context.Context, k *kconfig.Kernel, debugfs string, s *snapshot.Snapshot, h Host, states []ipsec.State) Facts {
	f := Facts{
		Host: h, Kernel: k, Devices: crypto.Devices(s, states), Grants: eswitch.Grants(s),
		HMFS:        probe.Lazy(func() probe.Answer { return eswitch.SteersHMFS(k, s.PFs) }),
		GrantsIPsec: probe.Lazy(func() probe.Answer { return eswitch.GrantsIPsec(ctx, k, s) }),
		Tunnels:     probe.Lazy(func() probe.Answer { return eswitch.OffloadsTunnels(k) }),
		WithoutVFs:  map[pci.Address]probe.Fact{}, ShowsLAG: map[pci.Address]probe.Fact{},
		IPv6: map[int][]string{}, AltNames: map[int][]string{}, Most: map[pci.Function]map[string]int{},
	}
	for fn, st := range tuning.Observe(s) {
		f.Most[fn] = st.Most
	}
	f.Build = crypto.NewBuild(k, f.Devices)
	for _, p := range s.PFs {
		f.WithoutVFs[p.Address] = probe.Lazy(func() probe.Answer { return eswitch.SwitchdevWithoutVFs(k, p) })
		f.ShowsLAG[p.Address] = probe.Lazy(func() probe.Answer { return bond.ShowsLAG(k, debugfs, p.Address) })
	}
	for _, e := range s.Entries {
		if a, err := netip.ParsePrefix(e.Text); e.Kind == rtnet.Address && err == nil && a.Addr().Is6() {
			f.IPv6[e.Index] = append(f.IPv6[e.Index], a.Addr().String())
		}
	}
	f.Addresses = addresses(s)
	for _, l := range s.Links {
		if len(l.AltNames) > 0 {
			f.AltNames[l.Index] = l.AltNames
		}
	}
	return f
}

// addresses are who has which address.
func addresses(s *snapshot.Snapshot) map[netip.Addr][]profiles.AddressFact {
	all := map[netip.Addr][]profiles.AddressFact{}
	for _, h := range hostnet.Holders(s) {
		all[h.Address] = append(all[h.Address], profiles.AddressFact{Netdev: h.On, Name: h.Name})
	}
	return all
}
