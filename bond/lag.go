// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
)

const (
	lagTimeout      = 60 * time.Second
	lagTimeoutPerVF = 500 * time.Millisecond
	lagInterval     = 50 * time.Millisecond
)

// lagConditions is what mlx5 needs to make a VF LAG of a bond
// (drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_lag_check_prereq).
const lagConditions = "a VF LAG needs a bond of exactly the card's ports and nothing else, in mode active-backup, or in 802.3ad or balance-xor (hash); " +
	"both ports in switchdev mode with the same RoCE setting and inline mode; at most 64 VFs a port; a card and firmware with LAG; see the kernel log (dmesg) for what the driver says"

// awaitLAG waits until every member's PF reports the VF LAG. What can never give
// one is told at once.
func (d *Doer) awaitLAG(ctx context.Context, name string) error {
	state, look, err := now(ctx, d.debugfs())
	if err != nil {
		return err
	}
	bond := state.bond(name)
	if bond == nil {
		return fmt.Errorf("waiting for the card's LAG: %w", rtlink.ErrNone)
	}
	if err := lagMode(name, bond.Mode); err != nil {
		return err
	}
	ports, err := uplinkPorts(*bond)
	if err != nil {
		return err
	}
	timeout := d.LAGTimeout
	if timeout == 0 {
		timeout = lagTimeout + time.Duration(countVFs(look.Netdevs, ports))*lagTimeoutPerVF
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%v are over", timeout))
	defer cancel()
	said := map[pci.Address]LAG{}
	err = await.Until(ctx, "the card reports its VF LAG active", await.Ticks(ctx, lagInterval), func() (bool, error) {
		all := true
		for _, p := range ports {
			l := LAG(snapshot.ReadLAG(d.debugfs(), p))
			if l.State == LAGUnknown && said[p].State == "" {
				return false, fmt.Errorf("%s: its LAG state cannot be seen: %s", p, l.Reason)
			}
			said[p] = l
			all = all && l.VF()
		}
		return all, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w; %s; %s", err, report(ports, said), lagConditions)
	}
	return err
}

// uplinkPorts are the PFs in the bond; a member that is no uplink makes a LAG impossible.
func uplinkPorts(bond Bond) ([]pci.Address, error) {
	if len(bond.Members) == 0 {
		return nil, fmt.Errorf("the card makes no LAG of a bond without members; %s", lagConditions)
	}
	var ports []pci.Address
	for _, m := range bond.Members {
		if strings.HasPrefix(m.ID, netdevPrefix) {
			return nil, fmt.Errorf("the card makes no LAG of this bond, for its member %s is no uplink of it; %s", m.Netdev, lagConditions)
		}
		ports = append(ports, pci.Address(m.ID))
	}
	return ports, nil
}

func countVFs(devices []netdev.Link, ports []pci.Address) int {
	n := 0
	for _, l := range devices {
		for _, p := range ports {
			if l.Representor && l.SF == nil && l.Function.PF == p {
				n++
			}
		}
	}
	return n
}

// report is what each port said last.
func report(ports []pci.Address, said map[pci.Address]LAG) string {
	words := make([]string, 0, len(ports))
	for _, p := range ports {
		l := said[p]
		w := fmt.Sprintf("%s reports %s", p, l.State)
		if l.Type != "" {
			w += ", type " + l.Type
		}
		if l.Reason != "" {
			w += " (" + l.Reason + ")"
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}
