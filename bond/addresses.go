// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"
)

// ObserveIPv6 reads the IPv6 addresses of all netdevs of this network namespace,
// by ifindex: on members of a bond they are in Open vSwitch's way.
func ObserveIPv6(ctx context.Context) (map[int][]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	all, err := netlink.AddrList(nil, netlink.FAMILY_V6)
	if err != nil {
		return nil, fmt.Errorf("listing the IPv6 addresses: %w", err)
	}
	out := map[int][]string{}
	for _, a := range all {
		out[a.LinkIndex] = append(out[a.LinkIndex], a.IP.String())
	}
	return out, nil
}
