// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/sysfs"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/lease"
)

// ShowLease is a lease with what is to be known of its VF on the host as it was looked at.
func (r *Road) ShowLease(l *lease.Lease) (lease.Shown, error) {
	s := r.shownVF(l.VF)
	s.Name, s.Network, s.VM, s.Profile, s.Since = l.Name, l.Network, l.VM, l.Profile, &l.Since
	s.MAC = l.MAC()
	if l.Process != nil {
		s.PID = l.Process.PID
	}
	switch {
	case s.State == stateGone:
		return s, nil
	case l.Stale(r.Boot):
		s.State = stateStale
	default:
		s.State = string(l.State)
	}
	if l.State != lease.Leased || r.holds == l {
		return s, nil
	}
	base, err := r.inForceOf(l.Profile)
	if err != nil {
		return s, err
	}
	if base == nil {
		base = &profiles.Want{}
	}
	left, _, err := r.plans(l.VF, lease.Over(lease.Only(base, l.VF), []*lease.Lease{l}), l.Options(false))
	if err != nil {
		s.Differs = append(s.Differs, err.Error())
	}
	for _, step := range left {
		s.Differs = append(s.Differs, step.String())
	}
	return s, nil
}

// The states that are no lease's.
const (
	stateFree  = "free"
	stateUsed  = "used"
	stateStale = "stale"
	stateGone  = "gone"
)

// ShowLeases is every VF of the networks in force, and every leased one.
func (r *Road) ShowLeases() ([]lease.Shown, error) {
	networks, err := r.networks()
	if err != nil {
		return nil, err
	}
	order := slices.Collect(maps.Keys(networks))
	for _, l := range r.leases.Leases {
		if networks[l.VF] == nil && !slices.Contains(order, l.VF) {
			order = append(order, l.VF)
		}
	}
	slices.SortFunc(order, func(a, b pci.Function) int { return cmp.Or(cmp.Compare(a.PF, b.PF), a.VF-b.VF) })
	all := make([]lease.Shown, 0, len(order))
	for _, f := range order {
		s := r.shownVF(f)
		if l := r.leases.Of(f); l != nil {
			var err error
			if s, err = r.ShowLease(l); err != nil {
				return nil, err
			}
		}
		s.Networks = networks[f]
		all = append(all, s)
	}
	return all, nil
}

// networks are those in force that each VF is of.
func (r *Road) networks() (map[pci.Function][]string, error) {
	all := map[pci.Function][]string{}
	seen := map[string]bool{}
	for _, o := range slices.Backward(journal.InForce(r.ops, "")) {
		if seen[o.Profile.Name] {
			continue
		}
		seen[o.Profile.Name] = true
		w, err := wantOf(o.Want)
		if err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		for _, n := range w.Networks {
			for _, s := range n.VFs {
				f, err := pci.ParseFunction(s)
				if err != nil {
					return nil, fmt.Errorf("operation %s of the journal, network %s: %w", o.ID, n.Name, err)
				}
				all[f] = append(all[f], n.Name)
			}
		}
	}
	return all, nil
}

// shownVF is a VF as it is now.
func (r *Road) shownVF(f pci.Function) lease.Shown {
	s := lease.Shown{Function: f.String(), PF: string(f.PF), State: stateGone, NUMANode: -1}
	p := r.Have.Port(f.PF)
	if p == nil {
		return s
	}
	if n, err := numaNode(f.PF); err == nil {
		s.NUMANode = n
	}
	s.EswitchMode, s.PFNetdev, s.PFVFs = p.Mode, p.Netdev, p.NumVFs
	if f.VF >= len(p.VFs) {
		return s
	}
	vf := p.VFs[f.VF]
	s.State, s.Address, s.Driver, s.HeldBy = stateFree, string(vf.Address), cmp.Or(vf.Driver, "none"), holdersOf(vf, vf.Driver)
	if len(s.HeldBy) > 0 {
		s.State = stateUsed
	}
	if on, says := vf.Caps["migratable"]; says {
		s.Migratable = &on
	}
	if a := vf.Admin; a != nil {
		s.MAC = a.MAC
		if a.VLAN != 0 {
			s.VLAN = &a.VLAN
		}
		if a.MaxTxRate != 0 {
			s.MaxTxRate = &a.MaxTxRate
		}
	}
	s.Netdev = vf.Netdev
	s.IOMMUGroup, s.VFIODevice = vfioOf(vf)
	s.ID, s.SubsystemID = idOf(vf.Address, "vendor", "device"), idOf(vf.Address, "subsystem_vendor", "subsystem_device")
	if rep := vf.Representor; rep != nil {
		s.Representor = &lease.Representor{Netdev: rep.Netdev, Ifindex: rep.Ifindex, Up: rep.Up, Carrier: rep.Carrier, MTU: rep.MTU}
	}
	if s.Port = r.portOf(f); s.Port != nil && s.Port.Tag != nil {
		s.VLAN = s.Port.Tag
	}
	return s
}

// portOf is the port of a switch that a VF's representor is now, nil for none.
func (r *Road) portOf(f pci.Function) *lease.Port {
	for _, b := range r.Have.Bridges.Bridges {
		for _, port := range b.Ports {
			if port.Netdev == resource.OfRepresentor(f) {
				p := lease.Port{Kind: lease.KindLinux, Bridge: b.Name, Name: port.Name, VLANs: port.VLANs()}
				p.Tag, p.Trunks, p.VLANMode = port.AsSwitch()
				return &p
			}
		}
	}
	if r.Have.Switch == nil {
		return nil
	}
	for _, b := range r.Have.Switch.Bridges {
		for _, port := range b.Ports {
			if port.ID == f.String() {
				return &lease.Port{
					Kind: lease.KindOVS, Bridge: b.Name, Name: port.Name, OFPort: port.OFPort, VLANs: port.VLANs(),
					Tag: port.Tag, Trunks: port.Trunks, VLANMode: port.VLANMode, Error: port.Error,
				}
			}
		}
	}
	return nil
}

// vfioOf is by what a VF's holder reaches it: its IOMMU group, and its own device.
func vfioOf(vf eswitch.VF) (group *int, device string) {
	var sys sysfs.FS
	names, err := sys.VFIO(vf.Address)
	if vf.Address == "" || err != nil {
		return nil, ""
	}
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			group = &n
		}
		if dir, base := filepath.Split(name); dir == "devices/" {
			device = base
		}
	}
	return group, device
}

// idOf is two of a device's IDs in sysfs, as in 15b3:101e, "" where they cannot be read.
func idOf(a pci.Address, vendor, device string) string {
	var sys sysfs.FS
	v, err := sys.String(a, vendor)
	d, err2 := sys.String(a, device)
	if a == "" || err != nil || err2 != nil {
		return ""
	}
	return strings.TrimPrefix(v, "0x") + ":" + strings.TrimPrefix(d, "0x")
}
