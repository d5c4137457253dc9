// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtattr"
)

// Transform is an IPsec state or policy that a card carries out.
type Transform struct {
	Kind string     // SA, policy
	Dst  netip.Addr // of a policy, that of its selector
}

// readTransforms finds the IPsec states and policies that are offloaded to the
// uplinks, or to a bond of theirs: with one, no eswitch changes its mode
// (drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, mlx5_eswitch_block_mode).
func (s *Snapshot) readTransforms(ctx context.Context, own map[pci.Function]netdev.Link) error {
	of := map[int][]*PF{}
	for i := range s.PFs {
		p := &s.PFs[i]
		if l, ok := own[pci.PF(p.Address)]; ok && p.HasDevlink && p.Eswitch.Mode != "" {
			of[l.Index] = append(of[l.Index], p)
			if at, there := s.Link(l.Index); there && at.Master != 0 {
				of[at.Master] = append(of[at.Master], p)
			}
		}
	}
	if len(of) == 0 {
		return nil
	}
	for _, d := range []struct {
		what     string
		get, is  uint16
		sizeof   int
		transfer func(m []byte) Transform
	}{
		{"the SAs (XFRM_MSG_GETSA)", nl.XFRM_MSG_GETSA, nl.XFRM_MSG_NEWSA, nl.SizeofXfrmUsersaInfo, func(m []byte) Transform {
			i := nl.DeserializeXfrmUsersaInfo(m)
			return Transform{"SA", address(i.Id.Daddr, i.Family)}
		}},
		{"the IPsec policies (XFRM_MSG_GETPOLICY)", nl.XFRM_MSG_GETPOLICY, nl.XFRM_MSG_NEWPOLICY, nl.SizeofXfrmUserpolicyInfo, func(m []byte) Transform {
			i := nl.DeserializeXfrmUserpolicyInfo(m)
			return Transform{"policy", address(i.Sel.Daddr, i.Sel.Family)}
		}},
	} {
		msgs, err := rtattr.Dump(ctx, unix.NETLINK_XFRM, d.get, d.is, nil)
		if errors.Is(err, unix.EPROTONOSUPPORT) {
			return nil // a kernel without IPsec
		}
		if err != nil {
			return kernel.Wrap("listing "+d.what, "", err)
		}
		for _, m := range msgs {
			if index := offloadedTo(m, d.sizeof); index != 0 {
				for _, p := range of[index] {
					p.Transforms = append(p.Transforms, d.transfer(m))
				}
			}
			clear(m) // there are keys in it
		}
	}
	return nil
}

// offloadedTo is the ifindex in XFRMA_OFFLOAD_DEV (struct xfrm_user_offload: ifindex,
// flags), 0 where there is none.
func offloadedTo(m []byte, header int) int {
	if len(m) < header {
		return 0
	}
	attrs, err := rtattr.Parse(m[header:])
	if err != nil {
		return 0
	}
	n := slices.IndexFunc(attrs, func(a syscall.NetlinkRouteAttr) bool { return a.Attr.Type == nl.XFRMA_OFFLOAD_DEV })
	if n < 0 || len(attrs[n].Value) < 4 {
		return 0
	}
	return int(int32(nl.NativeEndian().Uint32(attrs[n].Value)))
}

func address(a nl.XfrmAddress, family uint16) netip.Addr {
	b := a[:]
	if family == unix.AF_INET {
		b = b[:4]
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}
