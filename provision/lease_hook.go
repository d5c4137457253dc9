// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/lease"
	"github.com/nicwright/nicwright/provision/lease/guest"
)

// ReleaseBy takes back the leases of a machine that by asked for. One that cannot be
// taken back stays half done, and its VF is not given out.
func (r *Road) ReleaseBy(ctx context.Context, vm, by string) (names []string, err error) {
	var errs []error
	for _, l := range slices.Clone(r.leases.Leases) {
		if l.VM != vm || l.By != by {
			continue
		}
		if err := r.clear(ctx, l, false); err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, l.Name)
	}
	return names, errors.Join(errs...)
}

// LeaseFor is Lease, and gives the PCI address. What its machine has already by a lease
// that somebody else asked for, of the same network and with the same MAC address, is
// the machine's.
func (r *Road) LeaseFor(ctx context.Context, q LeaseRequest) (pci.Address, error) {
	l := r.leaseOf(q)
	if l == nil {
		var err error
		if l, err = r.Lease(ctx, q); err != nil {
			return "", err
		}
	}
	p := r.Have.Port(l.VF.PF)
	if p == nil || l.VF.VF >= len(p.VFs) {
		return "", fmt.Errorf("the lease %s is of %s, which is not there", l.Name, l.VF)
	}
	a := p.VFs[l.VF.VF].Address
	if q.Address != "" && a != q.Address {
		return "", fmt.Errorf("the lease %s is of %s, and the machine %s is to have %s: release it first", l.Name, a, q.VM, q.Address)
	}
	return a, nil
}

// leaseOf is another's lease that is what is asked for.
func (r *Road) leaseOf(q LeaseRequest) *lease.Lease {
	for _, l := range r.leases.Leases {
		if l.State == lease.Leased && l.VM == q.VM && l.Network == q.Network && l.MAC() == q.MAC && l.By != q.By {
			return l
		}
	}
	return nil
}

// byLibvirt marks the leases that the hook makes and takes back.
const byLibvirt = "libvirt"

// LeaseDomain leases the VFs of a machine of libvirt's, and gives their addresses by the
// place in d.Interfaces. anywhere: any VF of the network will do, and not only the one
// that the document names, which is another host's. What fails leaves none.
func (r *Road) LeaseDomain(ctx context.Context, d *guest.Domain, anywhere bool) (map[int]pci.Address, error) {
	took := map[int]pci.Address{}
	for i, f := range d.Interfaces {
		network, err := r.networkOf(d.Name, f, anywhere)
		if err != nil {
			return nil, errors.Join(err, second(r.ReleaseDomain(ctx, d.Name)))
		}
		if network == "" {
			continue
		}
		a, err := r.leaseInterface(ctx, d.Name, network, f, anywhere)
		if err != nil {
			return nil, errors.Join(err, second(r.ReleaseDomain(ctx, d.Name)))
		}
		took[i] = a
	}
	return took, nil
}

func second[T any](_ T, err error) error { return err }

// ReleaseDomain takes back what LeaseDomain leased for a machine.
func (r *Road) ReleaseDomain(ctx context.Context, vm string) ([]string, error) {
	return r.ReleaseBy(ctx, vm, byLibvirt)
}

// networkOf is that of an interface, "" for one that has nothing to do with what is in force.
// What the machine has by a lease is of that one's.
func (r *Road) networkOf(vm string, f guest.Interface, anywhere bool) (string, error) {
	all, err := r.networks()
	if err != nil {
		return "", err
	}
	var of []string
	there := false
	for vf, names := range all {
		if p := r.Have.Port(vf.PF); p != nil && vf.VF < len(p.VFs) && p.VFs[vf.VF].Address == f.Address {
			of = names
			if l := r.leases.Of(vf); l != nil && l.VM == vm && f.Network == "" {
				return l.Network, nil
			}
		}
		there = there || slices.Contains(names, f.Network)
	}
	switch {
	case f.Network != "" && (there || len(of) > 0):
		return f.Network, nil
	case f.Network != "", anywhere, len(of) == 0: // another network of libvirt's, or another's VF
		return "", nil
	case len(of) > 1:
		return "", fmt.Errorf("%s is of the networks %s: say in the domain's metadata which it is for (docs/vm-host.md)", f.Address, strings.Join(of, ", "))
	}
	return of[0], nil
}

func (r *Road) leaseInterface(ctx context.Context, vm, network string, f guest.Interface, anywhere bool) (pci.Address, error) {
	mac, err := lease.CheckMAC(f.MAC)
	if err != nil {
		return "", fmt.Errorf("the interface of %s, network %s: %w", f.Address, network, err)
	}
	q := LeaseRequest{Network: network, VM: vm, MAC: mac, By: byLibvirt, Name: lease.NameOf(vm, strings.ReplaceAll(mac, ":", ""))}
	if !anywhere {
		q.Address = f.Address
	}
	return r.LeaseFor(ctx, q)
}
