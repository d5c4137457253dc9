// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/sysfs"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/lease"
)

// LeaseRequest is what a lease is asked for with.
type LeaseRequest struct {
	Network string
	Profile string // that has the network; "": any in force
	Name    string // of the lease; "": after the machine and the network
	VM      string // the machine that it is for
	NUMA    *int   // the NUMA node that the card has to be on; nil: any
	Driver  string // "": the network's, else the profile's, else the VF's
	MAC     string // "": derived
	PID     int    // the process whose end ends the lease; 0: none
	By      string // see lease.Lease
	// Address is that of the one VF that is meant; "": any of the network.
	Address pci.Address
}

// named is the request with a name, and what is wrong with it.
func (q LeaseRequest) named() (LeaseRequest, error) {
	if q.VM != "" {
		if err := lease.CheckVM(q.VM); err != nil {
			return q, err
		}
	}
	switch {
	case q.Name == "" && q.VM != "":
		q.Name = lease.NameOf(q.VM, q.Network)
	case q.Name == "":
		q.Name = q.Network + "-" + strings.ToLower(rand.Text()[:8])
	}
	if q.MAC != "" {
		mac, err := lease.CheckMAC(q.MAC)
		if err != nil {
			return q, err
		}
		q.MAC = mac
	}
	return q, lease.CheckName(q.Name)
}

// Lease gives a free VF of a network out, under the lock: it is set, looked at again
// and written down before this returns. Asked again by the same name, it is the same
// VF. What fails is taken back.
func (r *Road) Lease(ctx context.Context, q LeaseRequest) (*lease.Lease, error) {
	q, err := q.named()
	if err != nil {
		return nil, err
	}
	if err := r.settled(); err != nil {
		return nil, err
	}
	_, unsettled := r.Settle(ctx) // told only if no VF is left: another's trouble is not this caller's
	base, network, err := r.network(q.Network, q.Profile)
	if err != nil {
		return nil, err
	}
	if l := r.leases.Find(q.Name); l != nil {
		return l, r.again(ctx, base, l, q)
	}
	f, err := r.choose(network, q)
	if err != nil {
		return nil, errors.Join(err, unsettled)
	}
	l, err := r.newLease(base, network, f, q)
	if err != nil {
		return nil, err
	}
	r.leases.Leases = append(r.leases.Leases, l)
	if err := r.set(ctx, base, l); err != nil {
		err = fmt.Errorf("leasing %s of network %s: %w", f, network.Name, err)
		if l.Before == nil { // nothing was written, and so nothing was set
			r.leases.Drop(l.Name)
			return nil, err
		}
		if look := r.observe(ctx); look != nil {
			return nil, errors.Join(err, look)
		}
		return nil, errors.Join(err, r.clear(ctx, l, false))
	}
	return l, nil
}

// again is a lease that is asked for a second time: it is as it was, on a host on which
// a boot may have taken it away since.
func (r *Road) again(ctx context.Context, base *profiles.Want, l *lease.Lease, q LeaseRequest) error {
	for _, c := range []struct{ what, has, asked string }{
		{"network", l.Network, q.Network}, {"machine", l.VM, q.VM}, {"driver", l.Driver(), q.Driver}, {"MAC address", l.MAC(), q.MAC},
	} {
		if c.asked != "" && c.asked != c.has {
			return fmt.Errorf("the lease %s is there, with the %s %q and not %q: release it first, or say another name", l.Name, c.what, c.has, c.asked)
		}
	}
	if l.State != lease.Leased {
		return fmt.Errorf("the lease %s could not be taken back, and is not given out: nicwright vf list says why", l.Name)
	}
	if p := r.Have.Port(l.VF.PF); p == nil || l.VF.VF >= len(p.VFs) {
		return fmt.Errorf("the lease %s is of %s, which is not there: apply the profile (nicwright apply -p %s), or release it", l.Name, l.VF, l.Profile)
	}
	if q.PID != 0 {
		p, err := lease.ProcessOf(q.PID)
		if err != nil {
			return err
		}
		l.Process = p
	}
	l.Boot = r.Boot
	return r.set(ctx, base, l)
}

// NoneFreeError says that a network has no VF to give out.
type NoneFreeError struct {
	Network string
	Why     []string // for each VF
}

func (e *NoneFreeError) Error() string {
	return fmt.Sprintf("network %s has no free VF: %s; release one (nicwright vf list), or give the network more VFs", e.Network, strings.Join(e.Why, "; "))
}

// choose is the first VF of a network that is free.
func (r *Road) choose(network profiles.Network, q LeaseRequest) (pci.Function, error) {
	none := &NoneFreeError{Network: network.Name}
	for _, s := range network.VFs {
		f, err := pci.ParseFunction(s)
		if err != nil {
			return f, fmt.Errorf("network %s: %w", network.Name, err)
		}
		why := r.unfree(f, network, q)
		if why == "" {
			return f, nil
		}
		none.Why = append(none.Why, fmt.Sprintf("%s: %s", f, why))
	}
	return pci.Function{}, none
}

// unfree is why a VF cannot be given out, "" if it can.
func (r *Road) unfree(f pci.Function, network profiles.Network, q LeaseRequest) string {
	p := r.Have.Port(f.PF)
	if p == nil || f.VF >= len(p.VFs) {
		return "not there"
	}
	if l := r.leases.Of(f); l != nil {
		return "leased as " + l.Who()
	}
	vf := p.VFs[f.VF]
	if q.Address != "" && q.Address != vf.Address {
		return "another VF was asked for"
	}
	if err := network.Fits(p.Mode); err != nil {
		return err.Error()
	}
	if holders := holdersOf(vf, vf.Driver); len(holders) > 0 {
		return strings.Join(holders, ", ")
	}
	if q.NUMA != nil {
		if n, err := numaNode(f.PF); err != nil || n != *q.NUMA {
			return fmt.Sprintf("on NUMA node %d", n)
		}
	}
	return ""
}

// numaNode is that of a device, -1 where the host has none.
func numaNode(a pci.Address) (int, error) {
	var sys sysfs.FS
	return sys.Int(a, "numa_node")
}

// newLease is a lease that is about to be set.
func (r *Road) newLease(base *profiles.Want, network profiles.Network, f pci.Function, q LeaseRequest) (*lease.Lease, error) {
	l := &lease.Lease{
		Name: q.Name, Network: network.Name, VM: q.VM, Profile: base.Profile, VF: f, Function: network.Function(),
		State: lease.Setting, By: q.By, Since: now(), Boot: r.Boot,
	}
	if q.PID != 0 {
		p, err := lease.ProcessOf(q.PID)
		if err != nil {
			return nil, err
		}
		l.Process = p
	}
	name := "lease " + q.Name
	switch l.Bridge = network.Bridge; {
	case l.Bridge == "":
	case slices.ContainsFunc(base.Bridges, func(b bridge.Spec) bool { return b.Name == l.Bridge }):
		port := network.KernelPort(f, name)
		l.KernelPort = &port
	default:
		port := network.Port(f, name)
		l.Port = &port
	}
	driver := r.driverOf(base, f)
	switch {
	case q.Driver != "":
		driver = q.Driver
	case l.Function.Driver != nil:
		driver = *l.Function.Driver
	}
	mac, err := r.macOf(f, q.MAC)
	if err != nil {
		return nil, err
	}
	l.Function.Driver, l.Function.MAC = &driver, &mac
	return l, nil
}

// driverOf is what a VF is bound to without its network saying so.
func (r *Road) driverOf(base *profiles.Want, f pci.Function) string {
	if d := base.Ports[f.PF].Functions[f.VF].Driver; d != nil {
		return *d
	}
	if d := r.Have.Port(f.PF).VFs[f.VF].Driver; d != "" {
		return d
	}
	return "none"
}

// macOf is the address that was asked for, or the VF's own; no two leases have one.
func (r *Road) macOf(f pci.Function, asked string) (string, error) {
	taken := func(mac string) bool {
		for _, l := range r.leases.Leases {
			if l.MAC() == mac {
				return true
			}
		}
		return false
	}
	if asked != "" {
		if taken(asked) {
			return "", fmt.Errorf("another lease has the MAC address %s: nicwright vf list", asked)
		}
		return asked, nil
	}
	machine, err := lease.MachineID()
	if err != nil {
		return "", err
	}
	return lease.DeriveMAC(machine, r.cardOf(f.PF), f, taken), nil
}

// cardOf is what a card is known by.
func (r *Road) cardOf(pf pci.Address) string {
	for _, c := range r.Have.Cards {
		for _, p := range c.Ports {
			if p.Address == pf && c.Serial != "" {
				return fmt.Sprintf("%s port %d", c.Serial, p.Number)
			}
		}
	}
	return string(pf)
}

// Release takes leases back: that of a name, all of a machine, or that of a VF by its
// PCI address. It gives their names.
func (r *Road) Release(ctx context.Context, name string, force bool) ([]string, error) {
	all := r.leases.Meant(name)
	if a, err := pci.ParseAddress(name); err == nil && len(all) == 0 {
		for _, l := range r.leases.Leases {
			if p := r.Have.Port(l.VF.PF); p != nil && l.VF.VF < len(p.VFs) && p.VFs[l.VF.VF].Address == a {
				all = append(all, l)
			}
		}
	}
	if len(all) == 0 {
		return nil, &NoLeaseError{name}
	}
	var names []string
	var errs []error
	for _, l := range all {
		if err := r.clear(ctx, l, force); err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, l.Name)
	}
	return names, errors.Join(errs...)
}

// NoLeaseError says that nothing is leased by a name.
type NoLeaseError struct{ Name string }

func (e *NoLeaseError) Error() string {
	return fmt.Sprintf("nothing is leased as %q: not a lease, a machine or a VF's PCI address (nicwright vf list)", e.Name)
}
