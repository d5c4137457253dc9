// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/mdlayher/genetlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

// Links reports changes of network interfaces (RTNLGRP_LINK) in the network
// namespace of the calling thread: new, gone, renamed, up, carrier, master.
// The subscription stands when Links returns. The channel holds one event, so
// that a burst is seen once; it is closed when ctx ends.
func Links(ctx context.Context) (<-chan struct{}, error) {
	return listen(ctx, nil, "network interfaces", unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
}

// Addresses reports changes of IPv6 addresses (RTNLGRP_IPV6_IFADDR), among them that
// one can be used. Otherwise as Links.
func Addresses(ctx context.Context) (<-chan struct{}, error) {
	return listen(ctx, nil, "addresses", unix.NETLINK_ROUTE, unix.RTNLGRP_IPV6_IFADDR)
}

// Uevents reports the kernel's device events (NETLINK_KOBJECT_UEVENT, group 1):
// devices added and removed, drivers bound and unbound. Otherwise as Links.
func Uevents(ctx context.Context) (<-chan struct{}, error) {
	return listen(ctx, nil, "device events", unix.NETLINK_KOBJECT_UEVENT, 1)
}

// Devlink reports changes of devlink devices, ports and params (genetlink
// family "devlink", group "config") in the network namespace of the calling
// thread. Otherwise as Links.
func Devlink(ctx context.Context) (<-chan struct{}, error) {
	return Generic(ctx, nil, "devlink", "config")
}

// Counts is what came by a subscription: each message is an event, and each time that
// the socket's buffer ran over (ENOBUFS) one is lost that stands for any number.
type Counts struct{ Events, Lost atomic.Uint64 }

func (c *Counts) note(lost bool) {
	switch {
	case c == nil:
	case lost:
		c.Lost.Add(1)
	default:
		c.Events.Add(1)
	}
}

// Netlink subscribes to multicast groups of one netlink protocol (NETLINK_ROUTE,
// RTNLGRP_LINK, ...), and counts into c if that is not nil. what is in errors.
// Otherwise as Links.
func Netlink(ctx context.Context, c *Counts, what string, protocol int, groups ...uint32) (<-chan struct{}, error) {
	return listen(ctx, c, what, protocol, groups...)
}

// Generic subscribes to a multicast group of a generic netlink family, as Netlink does.
func Generic(ctx context.Context, counts *Counts, family, group string) (<-chan struct{}, error) {
	fail := func(err error) error { return fmt.Errorf("subscribing to %s events: %w", family, err) }
	c, err := genetlink.Dial(nil)
	if err != nil {
		return nil, fail(err)
	}
	fam, err := c.GetFamily(family)
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fail(fmt.Errorf("looking up the %s family (is it in this kernel?): %w", family, err))
	}
	for _, g := range fam.Groups {
		if g.Name == group {
			return listen(ctx, counts, family+" events", unix.NETLINK_GENERIC, g.ID)
		}
	}
	return nil, fail(fmt.Errorf("the kernel's %s has no multicast group %q", family, group))
}

// Any merges event sources: one event on any of them is one event on the
// result, which is closed when all of them are, or when ctx ends.
func Any(ctx context.Context, sources ...<-chan struct{}) <-chan struct{} {
	out := make(chan struct{}, 1)
	ended := make(chan struct{}, len(sources))
	for _, src := range sources {
		go func() {
			defer func() { ended <- struct{}{} }()
			for {
				select {
				case <-ctx.Done():
					return
				case _, open := <-src:
					if !open {
						return
					}
					signal(out)
				}
			}
		}()
	}
	go func() {
		for range sources {
			<-ended
		}
		close(out)
	}()
	return out
}

func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default: // an event is already waiting: it covers this one
	}
}

// rcvbuf is the bytes of messages that wait for their reader, on a socket that may
// have them: some seconds of a thousand link events each.
const rcvbuf = 4 << 20

// listen joins netlink multicast groups. The messages are not looked at: what
// changed is found out by whoever waits, from the kernel's present state.
func listen(ctx context.Context, c *Counts, what string, protocol int, groups ...uint32) (<-chan struct{}, error) {
	fail := func(op string, err error) error {
		err = kernel.Remedied(kernel.Wrap(op, "a netlink socket", err), "run the same again, and if that does not help see the kernel's log (dmesg)")
		return fmt.Errorf("subscribing to %s: %w", what, err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fail("opening", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(fail("binding", err), unix.Close(fd))
	}
	if c != nil { // who counts listens for long; without CAP_NET_ADMIN the buffer stays as it is
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rcvbuf)
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(g)); err != nil {
			return nil, errors.Join(fail(fmt.Sprintf("joining group %d by", g), err), unix.Close(fd))
		}
	}
	f := os.NewFile(uintptr(fd), "netlink")
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // ends the read below
	ch := make(chan struct{}, 1)
	go func() {
		defer close(ch)
		defer func() {
			if stop() {
				_ = f.Close()
			}
		}()
		buf := make([]byte, 4096) // what does not fit of a message is dropped, unread
		for {
			_, err := f.Read(buf)
			// ENOBUFS: events were lost, so something happened.
			lost := errors.Is(err, unix.ENOBUFS)
			if err != nil && !lost {
				return
			}
			c.note(lost)
			signal(ch)
		}
	}()
	return ch, nil
}
