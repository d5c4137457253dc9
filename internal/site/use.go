// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
)

// Free tells why a VF cannot be taken without force: it has no netdev here (no
// driver bound, vfio-pci, a namespace of somebody's), or it is in use.
func Free(ctx context.Context, f pci.Function) error {
	_, _, err := take(ctx, f, false)
	return err
}

// take is look, and why the VF cannot be taken. By force it can with addresses or a
// master, which come back with it; netdevs on top of it do not.
func take(ctx context.Context, f pci.Function, force bool) (record, netdev.Link, error) {
	r, link, err := look(ctx, f)
	if err != nil {
		return r, link, err
	}
	above, err := upper(link.Index)
	switch {
	case err != nil:
		return r, link, kernel.Wrapf(f.String(), err, "looking for netdevs on %s", link.Name)
	case above != "":
		return r, link, fmt.Errorf("%s (%s) is in use: the netdev %s is on it", f, link.Name, above)
	case force:
	case r.Master != 0:
		return r, link, fmt.Errorf("%s (%s) is in use: it has a master", f, link.Name)
	case len(r.Addresses) > 0:
		return r, link, fmt.Errorf("%s (%s) is in use: it has the address %s", f, link.Name, r.Addresses[0])
	}
	return r, link, nil
}

// look reads what is needed to put a function back.
func look(ctx context.Context, f pci.Function) (record, netdev.Link, error) {
	r := record{Function: f}
	link, err := netdev.OfFunction(ctx, f)
	if err != nil {
		return r, link, fmt.Errorf("%s cannot be used: %w; bind it to its driver", f, err)
	}
	l, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		return r, link, kernel.Wrap("reading the netdev", f.String(), err)
	}
	a := l.Attrs()
	r.Up, r.MTU, r.Master = a.Flags&net.FlagUp != 0, a.MTU, a.MasterIndex
	addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return r, link, kernel.Wrapf(f.String(), err, "reading the addresses of %s", link.Name)
	}
	for _, addr := range addrs {
		// The kernel itself gives every netdev that is up a link-local address.
		if !addr.IP.IsLinkLocalUnicast() {
			r.Addresses = append(r.Addresses, addr.IPNet.String())
		}
	}
	return r, link, nil
}

// upper is a netdev on top of another (a VLAN, macvlan, macvtap, ...), "" for none:
// those do not outlive a move of the lower one.
func upper(index int) (string, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return "", err
	}
	for _, l := range all {
		if a := l.Attrs(); a.ParentIndex == index && a.NetNsID < 0 && a.Index != index {
			return a.Name, nil
		}
	}
	return "", nil
}
