// SPDX-License-Identifier: Apache-2.0

// Package rtattr reads the attributes of netlink messages, also of those that are
// no message of the kernel's: vishvananda/netlink's reader panics on a last attribute
// that is not padded.
package rtattr

import (
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Parse gives the attributes in b, with their types without flags (NLA_F_NESTED,
// NLA_F_NET_BYTEORDER).
func Parse(b []byte) ([]syscall.NetlinkRouteAttr, error) {
	d, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return nil, fmt.Errorf("reading netlink attributes: %w", err)
	}
	var all []syscall.NetlinkRouteAttr
	for d.Next() {
		v := d.Bytes()
		all = append(all, syscall.NetlinkRouteAttr{Attr: syscall.RtAttr{Len: uint16(unix.SizeofRtAttr + len(v)), Type: d.Type()}, Value: v})
	}
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("reading netlink attributes: %w", err)
	}
	return all, nil
}
