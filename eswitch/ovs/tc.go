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
	"github.com/nicwright/nicwright/internal/snapshot"
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

// isFlower tells the kind of a rule (struct tcmsg, then TCA_KIND). One without a handle is the
// head of a list of them, which goes after the event of its last rule, and without one of its own
// (net/sched/cls_api.c, tc_del_tfilter).
func isFlower(m []byte) bool {
	if len(m) < nl.SizeofTcMsg || nl.DeserializeTcMsg(m).Handle == 0 {
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
	all, err := snapshot.Ingress(ctx)
	if err != nil {
		return err
	}
	for _, bond := range bonds {
		shared := all[n.index[bond]]
		if shared == 0 {
			continue
		}
		for _, member := range n.members[bond] {
			index := n.index[member]
			if _, has := all[index]; has {
				continue
			}
			q := ingress(index)
			q.IngressBlock = &shared
			err := netlink.QdiscAdd(q)
			if err != nil && !errors.Is(err, unix.EEXIST) {
				return kernel.Remedied(kernel.Wrapf(n.netdevs[member], err, "making the ingress qdisc with block %d of %s (RTM_NEWQDISC)", shared, bond), "systemctl restart openvswitch-switch makes it, too")
			}
		}
	}
	return nil
}

// unhook takes the ingress qdisc that ovs-vswitchd made from bonds that have left the
// switch, and from their members: it leaves it on the one or on the others, on members
// also without hw-offload (seen with 3.5). Its block has the number of the bond's
// ifindex (lib/netdev-linux.c, netdev_linux_get_block_id); one with another block, or
// with none, is somebody else's, and stays.
func (n names) unhook(ctx context.Context, bonds []string) error {
	if len(bonds) == 0 {
		return nil
	}
	all, err := snapshot.Ingress(ctx)
	if err != nil {
		return err
	}
	for _, bond := range bonds {
		block := uint32(n.index[bond])
		for _, id := range append([]string{bond}, n.members[bond]...) {
			index := n.index[id]
			if block == 0 || all[index] != block {
				continue
			}
			err := netlink.QdiscDel(ingress(index))
			if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENODEV) {
				return kernel.Remedied(kernel.Wrapf(n.netdevs[id], err, "deleting the ingress qdisc with block %d that Open vSwitch left of %s (RTM_DELQDISC)", block, bond), "tc qdisc del dev "+n.netdevs[id]+" ingress")
			}
		}
	}
	return nil
}

// ingress is the ingress qdisc of a netdev, as ovs-vswitchd makes it.
func ingress(index int) *netlink.Ingress {
	return &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Parent: netlink.HANDLE_INGRESS, Handle: netlink.MakeHandle(0xffff, 0)}}
}
