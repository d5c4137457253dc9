// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/lease/guest"
)

// domainOf is a machine with VFs, each of a MAC address, and networks in its metadata.
func domainOf(t *testing.T, vfs map[pci.Address]string, networks map[string]string) *guest.Domain {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "<domain><name>web1</name><metadata><n:lease xmlns:n='%s'>", guest.Namespace)
	for mac, network := range networks {
		fmt.Fprintf(&b, "<n:interface mac='%s' network='%s'/>", mac, network)
	}
	b.WriteString("</n:lease></metadata><devices>")
	for a, mac := range vfs {
		bus, rest, _ := strings.Cut(a.Device()[5:], ":")
		slot, function, _ := strings.Cut(rest, ".")
		fmt.Fprintf(&b, "<interface type='hostdev'><mac address='%s'/><source><address type='pci' domain='0x%s' bus='0x%s' slot='0x%s' function='0x%s'/></source></interface>", mac, a.Device()[:4], bus, slot, function)
	}
	b.WriteString("</devices></domain>")
	d, err := guest.Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A machine's start leases the VFs that it names, its end releases them, and so does a start that fails.
func TestLeaseDomain(t *testing.T) {
	f := newLeasing(t)
	before := f.m.copy(t)
	tenant, both := vfOf(f.m.Host, pci.VF(pf0, 1)).Address, vfOf(f.m.Host, pci.VF(pf1, 2)).Address
	ctx := context.Background()
	const mac, mac2 = "02:00:5e:10:00:06", "02:00:5e:10:00:07"

	d := domainOf(t, map[pci.Address]string{tenant: mac, both: mac2}, map[string]string{mac2: "storage"})
	if took, err := f.road().LeaseDomain(ctx, d, false); err != nil || len(took) != 2 {
		t.Fatalf("%v, %v", took, err)
	}
	for _, l := range f.road().Leases() {
		if l.VM != "web1" || l.By != byLibvirt || l.Network == "storage" && l.VF != pci.VF(pf1, 2) || l.Network == "tenants" && l.VF != pci.VF(pf0, 1) {
			t.Errorf("a lease is %+v", l)
		}
	}
	if a := vfOf(f.m.Host, pci.VF(pf0, 1)).Admin.MAC; a != mac {
		t.Errorf("the VF has %s", a)
	}
	// libvirt asks again: the same.
	if _, err := f.road().LeaseDomain(ctx, d, false); err != nil || len(f.road().Leases()) != 2 {
		t.Errorf("asked again: %v", err)
	}
	if names, err := f.road().ReleaseDomain(ctx, "web1"); err != nil || len(names) != 2 {
		t.Errorf("released: %v, %v", names, err)
	}

	// Which network is not known, the VF is another's, it has no address that a machine can have.
	other := f.lease(LeaseRequest{Network: "tenants", VM: "db1", MAC: "02:00:5e:10:00:09"})
	for want, d := range map[string]*guest.Domain{
		"say in the domain's metadata":        domainOf(t, map[pci.Address]string{both: mac}, nil),
		"leased as db1.tenants":               domainOf(t, map[pci.Address]string{vfOf(f.m.Host, other.VF).Address: mac}, nil),
		"no address of one machine":           domainOf(t, map[pci.Address]string{tenant: "01:00:5e:10:00:06"}, nil),
		"has no network nothing (it has: sto": domainOf(t, map[pci.Address]string{tenant: mac}, map[string]string{mac: "nothing"}),
	} {
		if _, err := f.road().LeaseDomain(ctx, d, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if n := len(f.road().Leases()); n != 1 {
			t.Errorf("%q leaves %d leases", want, n-1)
		}
	}
	// Of two VFs one cannot be had: none is.
	d = domainOf(t, map[pci.Address]string{tenant: mac, vfOf(f.m.Host, other.VF).Address: mac2}, nil)
	if _, err := f.road().LeaseDomain(ctx, d, false); err == nil || len(f.road().Leases()) != 1 {
		t.Errorf("one of two: %v, %d leases", err, len(f.road().Leases()))
	}
	// What is no VF of ours is left alone.
	if took, err := f.road().LeaseDomain(ctx, domainOf(t, map[pci.Address]string{"0000:99:00.1": mac}, nil), false); err != nil || len(took) > 0 {
		t.Errorf("another card's VF: %v, %v", took, err)
	}

	// A migration: another host's address becomes one of here.
	d = domainOf(t, map[pci.Address]string{"0000:99:00.1": mac}, map[string]string{mac: "tenants"})
	took, err := f.road().LeaseDomain(ctx, d, true)
	if err != nil || took[0] != tenant {
		t.Fatalf("%v, %v; want %s", took, err, tenant)
	}
	text, err := d.With(took)
	if err != nil {
		t.Fatal(err)
	}
	// prepare comes after it, with that document.
	d, err = guest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.road().LeaseDomain(ctx, d, false); err != nil || again[0] != tenant {
		t.Errorf("prepare after a migration: %v, %v", again, err)
	}
	if _, err := f.road().ReleaseDomain(ctx, "web1"); err != nil {
		t.Error(err)
	}
	// What the machine has by a lease of somebody else's is the machine's, and stays so.
	own := f.lease(LeaseRequest{Network: "tenants", VM: "web1", MAC: mac})
	d = domainOf(t, map[pci.Address]string{vfOf(f.m.Host, own.VF).Address: mac}, nil)
	if _, err := f.road().LeaseDomain(ctx, d, false); err != nil {
		t.Error(err)
	}
	if names, err := f.road().ReleaseDomain(ctx, "web1"); err != nil || len(names) > 0 {
		t.Errorf("the hook has released %v, %v", names, err)
	}
	d = domainOf(t, map[pci.Address]string{both: mac}, map[string]string{mac: "tenants"})
	if _, err := f.road().LeaseDomain(ctx, d, false); err == nil || !strings.Contains(err.Error(), "release it first") {
		t.Errorf("another VF than that of its lease: %v", err)
	}
	f.release("web1")
	// Of a VF in several networks its lease says which it is.
	disk := f.lease(LeaseRequest{Network: "storage", VM: "web1", MAC: mac})
	d = domainOf(t, map[pci.Address]string{vfOf(f.m.Host, disk.VF).Address: mac}, nil)
	if _, err := f.road().LeaseDomain(ctx, d, false); err != nil || len(f.road().Leases()) != 2 {
		t.Errorf("a VF that the machine has by a lease: %v", err)
	}
	f.release("web1")
	f.release("db1")
	if diff := cmp.Diff(before, f.m.copy(t)); diff != "" {
		t.Errorf("the host is another: %s", diff)
	}
}
