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
// for again, as Whole does.
func Dump(ctx context.Context, protocol int, get, reply uint16, head []byte) (msgs [][]byte, err error) {
	err = Whole(ctx, func() error {
		req := nl.NewNetlinkRequest(int(get), unix.NLM_F_DUMP)
		req.AddRawData(head)
		msgs, err = req.Execute(protocol, reply)
		return err
	})
	return msgs, err
}

// attempts is how often a dump is asked for that a change interrupts each time. A change
// in each of a hundred is no accident: something makes and deletes without a pause.
const attempts = 100

// Whole does a dump until no change interrupted it (NLM_F_DUMP_INTR), until ctx ends
// (its cause is the error), or a hundred times; then errors.Is finds netlink.ErrDumpInterrupted.
func Whole(ctx context.Context, dump func() error) error {
	for n := 1; ; n++ {
		err := dump()
		switch {
		case !errors.Is(err, vnetlink.ErrDumpInterrupted):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case n == attempts:
			return fmt.Errorf("%w in each of %d attempts: something changes them all the time (ip monitor shows what): try again when that has ended", err, n)
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
