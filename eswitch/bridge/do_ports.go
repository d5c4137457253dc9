// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// awaitNetdevs finds the netdevs of the ports as they are now; those that are to be put
// there may still be on their way after a change of the eswitch.
func awaitNetdevs(ctx context.Context, c changes) (now map[resource.ID]rtlink.Link, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, netdevTimeout, fmt.Errorf("%v are over", netdevTimeout))
	defer cancel()
	events, err := await.Links(ctx)
	if err != nil {
		return nil, err
	}
	var missing resource.ID
	err = await.Until(ctx, "the netdev of every port is there", events, func() (bool, error) {
		var err error
		if now, err = snapshot.Present(ctx); err != nil {
			return false, err
		}
		for _, p := range c.ports {
			if _, there := now[p.netdev]; !there {
				missing = p.netdev
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil && ctx.Err() != nil && !missing.IsZero() {
		return nil, fmt.Errorf("%w: %s is not in this network namespace: is its eswitch in switchdev mode, and does it have the VF? (nicwright show)", err, missing)
	}
	return now, err
}

// takeOut takes ports out that are still in the bridge.
func (d *Doer) takeOut(br rtlink.Link, c changes, netdevs map[resource.ID]rtlink.Link) error {
	for _, id := range c.out {
		l, there := netdevs[id]
		if !there || l.Master != br.Index {
			continue
		}
		if err := rtlink.ClearMaster(l); err != nil {
			return err
		}
	}
	return nil
}

// setPorts puts ports into the bridge and gives them their VLANs.
func (d *Doer) setPorts(ctx context.Context, br rtlink.Link, c changes, netdevs map[resource.ID]rtlink.Link) error {
	if len(c.ports) == 0 {
		return nil
	}
	var joined []portChange
	for _, p := range c.ports {
		l := netdevs[p.netdev]
		switch {
		case l.Master == br.Index:
		case !p.join:
			return fmt.Errorf("%s (%s) was taken out of it since the plan was made: plan again", l.Name, p.netdev)
		default:
			if err := d.join(br, l, p); err != nil {
				return err
			}
			joined = append(joined, p)
		}
	}
	if err := setVLANs(ctx, c.ports, netdevs); err != nil {
		return err
	}
	for _, p := range joined { // with their VLANs, and not before in those that the bridge gives
		if l := netdevs[p.netdev]; l.Up && hides(p) {
			if err := rtlink.SetUp(l, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// hides tells a port that is down while it goes into the bridge: nothing but a VF's
// frames pass a representor, and they are not to be in another VLAN for a moment.
func hides(p portChange) bool { return p.netdev.Kind == resource.Representor && p.vlans != nil }

func (d *Doer) join(br, l rtlink.Link, p portChange) error {
	if l.Master != 0 {
		master, err := rtlink.ByIndex(l.Master)
		if err != nil {
			return err
		}
		if master.Kind == kindOVS {
			return fmt.Errorf("%s (%s) is still a port of Open vSwitch: plan again", l.Name, p.netdev)
		}
		if !p.moves {
			return fmt.Errorf("%s (%s) is a port of the %s %s, which it was not when the plan was made: plan again", l.Name, p.netdev, master.Kind, master.Name)
		}
		if err := rtlink.ClearMaster(l); err != nil {
			return err
		}
	}
	if l.Up && hides(p) {
		if err := rtlink.SetUp(l, false); err != nil {
			return err
		}
	}
	if err := rtlink.SetMaster(l, br); err != nil {
		return err
	}
	if settings := d.settings(br.Name, p.netdev); len(settings) > 0 {
		return rtlink.SetBridgePort(l, settings)
	}
	return nil
}

// settings are what a port had that has to be put again, nil where nobody knows.
func (d *Doer) settings(bridge string, id resource.ID) []byte {
	for _, w := range d.want {
		if w.Name != bridge {
			continue
		}
		for _, p := range w.Ports {
			switch netdev, err := p.Netdev(); {
			case err != nil || netdev != id:
			case p.Settings != nil:
				return p.Settings
			case p.before != nil:
				return p.before.Settings
			}
		}
	}
	return nil
}

// setVLANs gives the ports exactly the VLANs that are wanted.
func setVLANs(ctx context.Context, ports []portChange, netdevs map[resource.ID]rtlink.Link) error {
	entries, err := rtnet.BridgeVLANs(ctx)
	if err != nil {
		return err
	}
	now := vlansOf(entries)
	for _, p := range ports {
		if p.vlans == nil {
			continue
		}
		l := netdevs[p.netdev]
		add, del := change(now[l.Index], *p.vlans)
		for _, v := range add {
			if err := rtlink.AddPortVLAN(l, v, "giving it VLAN "+runText(v)); err != nil {
				return err
			}
		}
		for _, v := range del {
			if err := rtlink.DeletePortVLAN(l, v, "taking VLAN "+runText(v)+" from it"); err != nil {
				return err
			}
		}
	}
	return nil
}
