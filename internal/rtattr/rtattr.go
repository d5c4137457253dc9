// SPDX-License-Identifier: Apache-2.0

// Package rtattr asks for dumps over netlink, and reads the attributes of messages,
// also of those that are no message of the kernel's: vishvananda/netlink's reader
// panics on a last attribute that is not padded.
package rtattr

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Dump asks a netlink protocol (unix.NETLINK_ROUTE, NETLINK_XFRM) with a message of
// the type get for all of a kind, and gives the replies of the type reply. head is
// the question: its header, and attributes. A dump that a change interrupted is asked
// for again, until ctx ends.
func Dump(ctx context.Context, protocol int, get, reply uint16, head []byte) ([][]byte, error) {
	for {
		req := nl.NewNetlinkRequest(int(get), unix.NLM_F_DUMP)
		req.AddRawData(head)
		msgs, err := req.Execute(protocol, reply)
		if !errors.Is(err, vnetlink.ErrDumpInterrupted) || ctx.Err() != nil {
			return msgs, err
		}
	}
}

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
