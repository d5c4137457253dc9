// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// prefix is the network of an address on a netdev.
type prefix struct {
	index int
	net   netip.Prefix
}

// prefixes are the networks that the kernel makes no route to by itself: their
// addresses are noprefixroute (IFA_F_NOPREFIXROUTE), as NetworkManager adds them,
// which makes the routes itself and in the kernel's name, with a metric.
func prefixes(addresses []Entry) map[prefix]bool {
	byHand := map[prefix]bool{}
	for _, a := range addresses {
		attrs, err := attributes(a.Body[families[Address].header:])
		net, err2 := netip.ParsePrefix(a.Text)
		if err != nil || err2 != nil { // with a peer
			continue
		}
		flags := uint32(a.Body[2])
		for _, at := range attrs {
			if at.kind == ifaFlags {
				flags = u32(at.value)
			}
		}
		at := prefix{a.Index, net.Masked()}
		was, seen := byHand[at]
		byHand[at] = flags&unix.IFA_F_NOPREFIXROUTE != 0 && (was || !seen)
	}
	return byHand
}

// inKernelsName tells a route to such a network, which is somebody's although its
// protocol is the kernel's.
func (e Entry) inKernelsName(byHand map[prefix]bool) bool {
	if e.Kind != Route || e.Text == "" || e.Body[5] != unix.RTPROT_KERNEL {
		return false
	}
	dst, rest, _ := strings.Cut(e.Text, " ")
	net, err := netip.ParsePrefix(dst)
	return err == nil && !strings.Contains(rest, "via") && !strings.Contains(rest, "table") && byHand[prefix{e.Index, net}]
}
