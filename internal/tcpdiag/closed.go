// SPDX-License-Identifier: Apache-2.0

package tcpdiag

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Connection is a TCP connection that has ended.
type Connection struct {
	Local, Remote netip.AddrPort
	// Sent and Received are bytes of its content, without what was sent again.
	Sent, Received uint64
	// Segments that were sent, and those of them that were sent again.
	Segments, Retransmits uint64
}

// Multicast groups of sock_diag: the kernel tells each socket that it destroys, with
// its struct tcp_info (SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY, include/uapi/linux/sock_diag.h).
const (
	groupDestroyed  = 1
	groupDestroyed6 = 3
)

// Closed tells connections of the calling thread's network namespace as they end, until
// ctx does: that is no error. It needs CAP_NET_ADMIN. missed is how often the kernel had
// more to tell than was read in time: what was missed is not known.
func Closed(ctx context.Context, tell func(Connection)) (missed int, err error) {
	fail := func(doing string, err error) (int, error) {
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w; run it as root", err)
		}
		return missed, fmt.Errorf("%s connections that end (sock_diag): %w", doing, err)
	}
	c, err := netlink.Dial(unix.NETLINK_INET_DIAG, nil)
	if err != nil {
		return fail("opening a socket for", err)
	}
	defer c.Close()
	if err := c.SetReadBuffer(1 << 21); err != nil {
		return fail("making room for", err)
	}
	for _, g := range []uint32{groupDestroyed, groupDestroyed6} {
		if err := c.JoinGroup(g); err != nil {
			return fail("asking for", err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) }) // a closed socket has no deadline
	defer stop()
	for {
		messages, err := c.Receive()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			return missed, nil
		case errors.Is(err, unix.ENOBUFS):
			missed++
			continue
		case err != nil:
			return fail("reading", err)
		}
		for _, m := range messages {
			if one, ok := parseClosed(m.Data); ok {
				tell(one)
			}
		}
	}
}

// parseClosed reads one; ok is false for what is no connection with its figures.
func parseClosed(m []byte) (c Connection, ok bool) {
	if len(m) < diagMsgSize {
		return c, false
	}
	ad, err := netlink.NewAttributeDecoder(m[diagMsgSize:])
	if err != nil {
		return c, false
	}
	for ad.Next() {
		if ad.Type() != diagInfo {
			continue
		}
		var info unix.TCPInfo
		// An older kernel's is shorter: what it lacks is 0. Bytes_retrans is behind Bytes_sent.
		text := ad.Bytes()
		if len(text) < offSent+16 {
			return c, false
		}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info)), text)
		c.Sent, c.Received = info.Bytes_sent-min(info.Bytes_retrans, info.Bytes_sent), info.Bytes_received
		c.Segments, c.Retransmits = uint64(info.Segs_out), uint64(info.Total_retrans)
		ok = true
	}
	if ad.Err() != nil {
		return c, false
	}
	var s Session
	s.socket(m)
	c.Local, c.Remote = s.Local, s.Remote
	return c, ok
}
