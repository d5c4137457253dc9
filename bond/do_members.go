// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

// empty takes all members out on the way to options that need it, and gives the
// bond's MAC address: the kernel throws dice for another when the last one leaves
// (drivers/net/bonding/bond_main.c, __bond_release_one).
func (d *Doer) empty(ctx context.Context, bond rtlink.Link, c changes) (net.HardwareAddr, error) {
	links, err := members(ctx, bond)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	mac, err := rtlink.HardwareAddr(bond)
	if err != nil {
		return nil, err
	}
	var back []int
	if c.members != nil {
		want, err := d.resolveAll(ctx, *c.members)
		if err != nil {
			return nil, err
		}
		for _, l := range want {
			back = append(back, l.Index)
		}
	}
	return mac, d.release(ctx, bond, func(rtlink.Link) bool { return true }, back)
}

// members are the netdevs in the bond.
func members(ctx context.Context, bond rtlink.Link) ([]rtlink.Link, error) {
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(links, func(l rtlink.Link) bool { return l.Master != bond.Index || l.Slave == nil }), nil
}

// setMembers makes the netdevs of the members, and only those, the bond's. mac is
// what the bond is to have again, nil where it was not emptied.
func (d *Doer) setMembers(ctx context.Context, bond rtlink.Link, c changes, mac net.HardwareAddr) error {
	want, err := d.resolveAll(ctx, *c.members)
	if err != nil {
		return err
	}
	if mac, err = d.macOver(bond, len(want), mac); err != nil {
		return err
	}
	err = d.release(ctx, bond, func(l rtlink.Link) bool {
		return !slices.ContainsFunc(want, func(w rtlink.Link) bool { return w.Index == l.Index })
	}, nil)
	if err != nil {
		return err
	}
	ids := *c.members
	if mac != nil {
		if want, ids, err = ownerOfMACFirst(want, ids, mac); err != nil {
			return err
		}
	}
	if mac == nil && step.OwnerOf(bond.Alias) != "" {
		if err := firstAgain(ctx, bond, want); err != nil {
			return err
		}
	}
	for i, l := range want {
		if l.Master == bond.Index {
			if bond.Up && !l.Up {
				if err := rtlink.SetUp(l, true); err != nil {
					return err
				}
			}
			continue
		}
		if err := d.join(l, ids[i], bond, c); err != nil {
			return err
		}
	}
	if mac == nil || len(want) == 0 {
		return nil
	}
	now, err := rtlink.HardwareAddr(bond)
	if err != nil || bytes.Equal(now, mac) || bond.Bond.Values[find("fail_over_mac").nla] != 0 {
		return err
	}
	return rtlink.SetHardwareAddr(bond, mac)
}

// macOver is the address that the bond is to have when members come, which is that of before they all left, also in a step
// before: their netdevs were made again meanwhile.
func (d *Doer) macOver(bond rtlink.Link, members int, mac net.HardwareAddr) (net.HardwareAddr, error) {
	if members > 0 {
		if mac == nil {
			mac = d.macs[bond.Name]
		}
		delete(d.macs, bond.Name)
		return mac, nil
	}
	was, err := rtlink.HardwareAddr(bond)
	if err != nil {
		return nil, err
	}
	if d.macs == nil {
		d.macs = map[string]net.HardwareAddr{}
	}
	d.macs[bond.Name] = was
	return mac, nil
}

// ownerOfMACFirst puts the netdev with the address at the front: a bond takes its
// first member's.
func ownerOfMACFirst(links []rtlink.Link, ids []string, mac net.HardwareAddr) ([]rtlink.Link, []string, error) {
	for i, l := range links {
		a, err := rtlink.HardwareAddr(l)
		if err != nil {
			return nil, nil, err
		}
		if bytes.Equal(a, mac) {
			links = append([]rtlink.Link{l}, slices.Delete(slices.Clone(links), i, i+1)...)
			ids = append([]string{ids[i]}, slices.Delete(slices.Clone(ids), i, i+1)...)
			break
		}
	}
	return links, ids, nil
}

// firstMAC is the MAC address that the first member gives a new bond: the kernel would
// take it over when that joins, if udev had not set one of its own before
// (MACAddressPolicy=persistent in 99-default.link), which it leaves when the bond is
// made with one. nil where there are no members, or none of Ethernet.
func (d *Doer) firstMAC(ctx context.Context, c changes) (net.HardwareAddr, error) {
	if c.members == nil || len(*c.members) == 0 {
		return nil, nil
	}
	l, err := d.resolve(ctx, (*c.members)[0])
	if err != nil {
		return nil, err
	}
	return macOf(l), nil
}

// firstAgain gives a bond that somebody else has emptied (the driver was loaded anew)
// the MAC address that it was made with: the kernel has thrown dice, and would take the
// first member's over without saying that it was set.
func firstAgain(ctx context.Context, bond rtlink.Link, want []rtlink.Link) error {
	is, err := members(ctx, bond)
	if err != nil || len(is) > 0 || len(want) == 0 {
		return err
	}
	mac := macOf(want[0])
	if mac == nil {
		return nil
	}
	return rtlink.SetHardwareAddr(bond, mac)
}

// macOf is the MAC address that a netdev joins with: in another bond it has that one's.
func macOf(l rtlink.Link) net.HardwareAddr {
	mac := l.MAC
	if l.Slave != nil && len(l.Slave.OwnMAC) > 0 {
		mac = l.Slave.OwnMAC
	}
	if len(mac) != 6 {
		return nil
	}
	return mac
}

// join puts a netdev into the bond.
func (d *Doer) join(l rtlink.Link, id string, bond rtlink.Link, c changes) error {
	if l.Master != 0 {
		master, err := rtlink.ByIndex(l.Master)
		if err != nil {
			return err
		}
		if master.Kind != "bond" && !c.mayLeave(id) {
			return fmt.Errorf("%s (%s) is a port of the %s %s, which it was not when the plan was made: plan again", l.Name, id, master.Kind, master.Name)
		}
		if err := rtlink.ClearMaster(l); err != nil {
			return err
		}
	}
	if l.Up {
		// A netdev is enslaved while it is down; the bond sets it up itself.
		if err := rtlink.SetUp(l, false); err != nil {
			return err
		}
	}
	return rtlink.SetMaster(l, bond)
}

// release takes the members for which out is true out of the bond. The kernel sets
// them down and gives them the MTU that they came with: but for those that come
// back (ifindexes), they get both as they were a moment before.
func (d *Doer) release(ctx context.Context, bond rtlink.Link, out func(rtlink.Link) bool, back []int) error {
	links, err := members(ctx, bond)
	if err != nil {
		return err
	}
	for _, l := range links {
		if !out(l) {
			continue
		}
		if err := rtlink.ClearMaster(l); err != nil {
			return err
		}
		if slices.Contains(back, l.Index) {
			continue
		}
		now, err := rtlink.ByIndex(l.Index)
		if err != nil {
			return err
		}
		if now.MTU != l.MTU {
			if err := rtlink.SetMTU(l, l.MTU); err != nil {
				return err
			}
		}
		if now.Up != l.Up {
			if err := rtlink.SetUp(l, l.Up); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Doer) resolveAll(ctx context.Context, ids []string) ([]rtlink.Link, error) {
	links := make([]rtlink.Link, 0, len(ids))
	for _, id := range ids {
		l, err := d.resolve(ctx, id)
		if err != nil {
			return nil, err
		}
		links = append(links, l)
	}
	return links, nil
}

// resolve finds a member's netdev as it is now, which may still be on its way after
// a change of the eswitch mode.
func (d *Doer) resolve(ctx context.Context, id string) (rtlink.Link, error) {
	if name, ok := strings.CutPrefix(id, netdevPrefix); ok {
		return rtlink.ByName(name)
	}
	timeout := d.MemberTimeout
	if timeout == 0 {
		timeout = memberTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf(
		"%v are over: is the port bound to mlx5_core, and its netdev in this network namespace?", timeout))
	defer cancel()
	events, err := await.Links(ctx)
	if err != nil {
		return rtlink.Link{}, err
	}
	var l rtlink.Link
	err = await.Until(ctx, "the uplink "+id+" has a netdev", events, func() (bool, error) {
		n, err := d.uplinks.OfFunction(ctx, pci.PF(pci.Address(id)))
		if err == nil {
			l, err = rtlink.ByIndex(n.Index)
		}
		if errors.Is(err, netdev.ErrNone) || errors.Is(err, rtlink.ErrNone) {
			d.uplinks.Invalidate()
			return false, nil
		}
		return err == nil, err
	})
	return l, err
}
