// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Connect makes a TCP connection between two places. Both ends are closed when
// ctx ends.
func Connect(ctx context.Context, from, to *Place, v6 bool) (client, server *net.TCPConn, err error) {
	network, remote := "tcp4", to.V4.Addr()
	if v6 {
		network, remote = "tcp6", to.V6.Addr()
	}
	var l *net.TCPListener
	err = to.NS.Do(func() error {
		var err error
		l, err = net.ListenTCP(network, net.TCPAddrFromAddrPort(netip.AddrPortFrom(remote, 0)))
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("listening on %s of %s: %w", remote, to, err)
	}
	defer l.Close()
	if client, err = Dial(ctx, from, l.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		return nil, nil, fmt.Errorf("connecting from %s to %s: %w; do they share a VLAN, and is the switch between them running?", from, to, err)
	}
	// The connection is established: accepting does not wait.
	if server, err = l.AcceptTCP(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("accepting on %s: %w", to, err), client.Close())
	}
	context.AfterFunc(ctx, func() { server.Close() })
	return client, server, nil
}

// Dial makes a TCP connection from a place, from its own address: a proof is about
// this VF and no other. It is closed when ctx ends.
func Dial(ctx context.Context, from *Place, to netip.AddrPort) (*net.TCPConn, error) {
	local := from.V4.Addr()
	if to.Addr().Is6() {
		local = from.V6.Addr()
	}
	var c net.Conn
	err := from.NS.Do(func() error {
		var err error
		d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))}
		c, err = d.DialContext(ctx, "tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return c.(*net.TCPConn), nil
}

const (
	// reach is how long the way between two places may take to be there: a switch
	// learns of netdevs that came back a moment later.
	reach = 30 * time.Second
	// try is how long it is tried at a time: the kernel repeats its question after 1 s and after 3 s.
	try = 5 * time.Second
)

// Reach tries to connect until there is a way, or for half a minute. Each try
// waits itself, in the kernel, for an answer.
func Reach(ctx context.Context, connect func(context.Context) error) error {
	return reachWithin(ctx, reach, try, connect)
}

func reachWithin(ctx context.Context, reach, try time.Duration, connect func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	for {
		once, stop := context.WithTimeout(ctx, try)
		err := connect(once)
		stop()
		var timeout net.Error
		again := errors.Is(err, unix.EHOSTUNREACH) || errors.As(err, &timeout) && timeout.Timeout()
		if err == nil || ctx.Err() != nil || !again {
			return err
		}
	}
}

// TCPInfo is the kernel's account of a connection (struct tcp_info of
// include/uapi/linux/tcp.h).
func TCPInfo(c *net.TCPConn) (*unix.TCPInfo, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("asking a connection for its account: %w", err)
	}
	var info *unix.TCPInfo
	ctlErr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err := errors.Join(ctlErr, err); err != nil {
		return nil, fmt.Errorf("asking a connection for its account (getsockopt TCP_INFO): %w", err)
	}
	return info, nil
}
