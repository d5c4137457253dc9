// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/rtattr"
)

// awaitNoRules waits until no flow is left as a TC rule at the ingress of what was
// let go: ovs-vswitchd takes them away a while after the port. A policer of the
// port's (ingress_policing_rate, a matchall rule) it leaves there, and that keeps no
// eswitch busy (tried on 3.5).
func (t *transaction) awaitNoRules(ctx context.Context, events <-chan struct{}, n names) error {
	left := slices.Compact(slices.Sorted(slices.Values(t.off)))
	err := await.Until(ctx, "the TC rules of the ports that were taken off are gone", events, func() (bool, error) {
		for len(left) > 0 {
			index := n.index[left[0]]
			if index != 0 {
				has, err := hasRules(index)
				if err != nil || has {
					return false, err
				}
			}
			left = left[1:]
		}
		return true, nil
	})
	if err != nil && ctx.Err() != nil && len(left) > 0 {
		name := n.netdevs[left[0]]
		return fmt.Errorf("%w: there are some on %s (%s): tc filter show dev %s ingress", err, name, left[0], name)
	}
	return err
}

// tcIngress is TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) of
// include/uapi/linux/pkt_sched.h: the ingress side also of an ingress qdisc, and of
// a block that it shares.
const tcIngress = 0xFFFFFFF2

// hasRules asks for the flower rules at the ingress of a netdev (RTM_GETTFILTER).
// Without an ingress qdisc, and without the netdev, there are none.
func hasRules(index int) (bool, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETTFILTER, unix.NLM_F_DUMP)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(index), Parent: tcIngress})
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWTFILTER)
	switch {
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EINVAL):
		return false, nil
	case errors.Is(err, netlink.ErrDumpInterrupted):
		return true, nil // it changes: an event follows
	case err != nil:
		return false, kernel.Wrap("asking for its TC rules (RTM_GETTFILTER)", fmt.Sprintf("netdev %d", index), err)
	}
	return slices.ContainsFunc(msgs, isFlower), nil
}

// isFlower tells the kind of a rule (struct tcmsg, then TCA_KIND).
func isFlower(m []byte) bool {
	if len(m) < nl.SizeofTcMsg {
		return false
	}
	attrs, err := rtattr.Parse(m[nl.SizeofTcMsg:])
	if err != nil {
		return false
	}
	for _, a := range attrs {
		if a.Attr.Type == nl.TCA_KIND {
			return unix.ByteSliceToString(a.Value) == "flower"
		}
	}
	return false
}

// hook gives the members of bonds the ingress qdisc with the block of the bond's
// that ovs-vswitchd gives them when they are enslaved, and never again after that
// (lib/netdev-linux.c, netdev_linux_update_lag).
func (n names) hook(ctx context.Context, bonds []string) error {
	if len(bonds) == 0 {
		return nil
	}
	all, err := ingress(ctx)
	if err != nil {
		return err
	}
	for _, bond := range bonds {
		shared := all[n.index[bond]].IngressBlock
		if shared == nil || *shared == 0 {
			continue
		}
		for _, member := range n.members[bond] {
			index := n.index[member]
			if _, has := all[index]; has {
				continue
			}
			err := netlink.QdiscAdd(&netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{
				LinkIndex: index, Parent: netlink.HANDLE_INGRESS, Handle: netlink.MakeHandle(0xffff, 0), IngressBlock: shared,
			}})
			if err != nil && !errors.Is(err, unix.EEXIST) {
				return kernel.Remedied(kernel.Wrapf(n.netdevs[member], err, "making the ingress qdisc with block %d of %s (RTM_NEWQDISC)", *shared, bond), "systemctl restart openvswitch-switch makes it, too")
			}
		}
	}
	return nil
}

// blocks are those of the ingress qdiscs of bonds, 0 for none.
func (n names) blocks(ctx context.Context, bonds []string) (map[string]uint32, error) {
	if len(bonds) == 0 {
		return nil, nil
	}
	all, err := ingress(ctx)
	if err != nil {
		return nil, err
	}
	blocks := map[string]uint32{}
	for _, bond := range bonds {
		if shared := all[n.index[bond]].IngressBlock; shared != nil {
			blocks[bond] = *shared
		}
	}
	return blocks, nil
}

// unhook takes the ingress qdisc with the block that the bond had from bonds that have
// left the switch, and from their members: ovs-vswitchd takes it from the bond only, and
// not from one whose members came and went meanwhile (tried on 3.5). One
// with a block of its own, or with none, is not of ovs-vswitchd's making, and stays.
func (n names) unhook(ctx context.Context, bonds []string, blocks map[string]uint32) error {
	if len(blocks) == 0 {
		return nil
	}
	all, err := ingress(ctx)
	if err != nil {
		return err
	}
	for _, bond := range bonds {
		for _, id := range append([]string{bond}, n.members[bond]...) {
			q, has := all[n.index[id]]
			if !has || blocks[bond] == 0 || q.IngressBlock == nil || *q.IngressBlock != blocks[bond] {
				continue
			}
			err := netlink.QdiscDel(&netlink.Ingress{QdiscAttrs: q})
			if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENODEV) {
				return kernel.Remedied(kernel.Wrapf(n.netdevs[id], err, "deleting the ingress qdisc with block %d that Open vSwitch left of %s (RTM_DELQDISC)", blocks[bond], bond), "tc qdisc del dev "+n.netdevs[id]+" ingress")
			}
		}
	}
	return nil
}

// ingress are the ingress qdiscs of all netdevs, by ifindex.
func ingress(ctx context.Context) (map[int]netlink.QdiscAttrs, error) {
	for {
		all, err := netlink.QdiscList(nil)
		if errors.Is(err, netlink.ErrDumpInterrupted) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, kernel.Wrap("listing the qdiscs (RTM_GETQDISC)", "", err)
		}
		of := map[int]netlink.QdiscAttrs{}
		for _, q := range all {
			if a := q.Attrs(); a.Parent == netlink.HANDLE_INGRESS {
				of[a.LinkIndex] = *a
			}
		}
		return of, nil
	}
}
