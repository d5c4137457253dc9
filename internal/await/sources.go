// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/genetlink"
	"golang.org/x/sys/unix"
)

// Links reports changes of network interfaces (RTNLGRP_LINK) in the network
// namespace of the calling thread: new, gone, renamed, up, carrier, master.
// The subscription stands when Links returns. The channel holds one event, so
// that a burst is seen once; it is closed when ctx ends.
func Links(ctx context.Context) (<-chan struct{}, error) {
	return listen(ctx, "network interfaces", unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
}

// Addresses reports changes of IPv6 addresses (RTNLGRP_IPV6_IFADDR), among them that
// one can be used. Otherwise as Links.
func Addresses(ctx context.Context) (<-chan struct{}, error) {
	return listen(ctx, "addresses", unix.NETLINK_ROUTE, unix.RTNLGRP_IPV6_IFADDR)
}

// Uevents reports the kernel's device events (NETLINK_KOBJECT_UEVENT, group 1):
// devices added and removed, drivers bound and unbound. Otherwise as Links.
func Uevents(ctx context.Context) (<-chan struct{}, error) {
	return listen(ctx, "device events", unix.NETLINK_KOBJECT_UEVENT, 1)
}

// Devlink reports changes of devlink devices, ports and params (genetlink
// family "devlink", group "config") in the network namespace of the calling
// thread. Otherwise as Links.
func Devlink(ctx context.Context) (<-chan struct{}, error) {
	c, err := genetlink.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("subscribing to devlink events: %w", err)
	}
	fam, err := c.GetFamily("devlink")
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("subscribing to devlink events: looking up the devlink family (is devlink in this kernel?): %w", err)
	}
	for _, g := range fam.Groups {
		if g.Name == "config" {
			return listen(ctx, "devlink events", unix.NETLINK_GENERIC, g.ID)
		}
	}
	return nil, errors.New("subscribing to devlink events: the kernel's devlink has no multicast group \"config\"")
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

// listen joins a netlink multicast group. The messages are not looked at: what
// changed is found out by whoever waits, from the kernel's present state.
func listen(ctx context.Context, what string, protocol int, group uint32) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: netlink socket: %w", what, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribing to %s: bind: %w", what, err), unix.Close(fd))
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group)); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribing to %s: joining group %d: %w", what, group, err), unix.Close(fd))
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
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return
			}
			signal(ch)
		}
	}()
	return ch, nil
}
