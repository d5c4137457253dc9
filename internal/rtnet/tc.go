// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Of struct tcmsg (include/uapi/linux/rtnetlink.h): where the ifindex, the handle, the
// parent and the info are; in the info of a qdisc is a count of its users.
const (
	tcmIndex  = 4
	tcmHandle = 8
	tcmParent = 12
	tcmInfo   = 16
)

// TrafficControl reads the qdiscs that somebody made, with their classes. Those that
// the kernel gives to a netdev have the handle 0; ingress and clsact are of those
// whose filters are there, which are not kept.
func TrafficControl(ctx context.Context) ([]Entry, error) {
	all, err := list(ctx, Qdisc, nil)
	if err != nil {
		return nil, err
	}
	asked := map[int]bool{}
	for _, q := range all {
		if asked[q.Index] {
			continue
		}
		asked[q.Index] = true
		ask := make([]byte, nl.SizeofTcMsg)
		binary.NativeEndian.PutUint32(ask[tcmIndex:], uint32(q.Index))
		classes, err := list(ctx, Class, ask)
		if errors.Is(err, unix.ENODEV) {
			continue // it went away meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, classes...)
	}
	return all, nil
}

// tc is struct tcmsg of a qdisc or class.
func (e *Entry) tc(by map[uint16][]byte) bool {
	e.Index = int(int32(u32(e.Body[tcmIndex:])))
	handle, parent := u32(e.Body[tcmHandle:]), u32(e.Body[tcmParent:])
	what := unix.ByteSliceToString(by[nl.TCA_KIND])
	e.Text = fmt.Sprintf("%s %s", what, tcHandle(handle))
	if parent == netlink.HANDLE_ROOT {
		e.Text += " root"
	} else {
		e.Text += " parent " + tcHandle(parent)
	}
	if e.Kind == Class {
		// Those of mq and the like are the kernel's.
		return by[nl.TCA_OPTIONS] != nil
	}
	return handle>>16 != 0 && what != "ingress" && what != "clsact"
}

// tcHandle is written as tc writes it: major:minor, hexadecimal.
func tcHandle(h uint32) string {
	if h&0xffff == 0 {
		return fmt.Sprintf("%x:", h>>16)
	}
	return fmt.Sprintf("%x:%x", h>>16, h&0xffff)
}

// tcDepth is how far below the root something is, as far as handles tell: a qdisc is
// made before its classes, and these before the qdiscs on them.
func (e Entry) tcDepth() uint64 {
	if len(e.Body) < nl.SizeofTcMsg {
		return 0
	}
	parent := u32(e.Body[tcmParent:])
	if parent == netlink.HANDLE_ROOT {
		return 0
	}
	return 1 + uint64(parent)
}

func (m *mover) tcHeader() error {
	binary.NativeEndian.PutUint32(m.out[tcmInfo:], 0)
	return m.put(m.out[tcmIndex:])
}

// htbVersion makes of the options that htb tells those that it takes: it tells a
// version of two parts, and takes the first alone (net/sched/sch_htb.c, htb_dump and
// htb_init; struct tc_htb_glob begins with it).
func htbVersion(options []byte) {
	attrs, err := attributes(options)
	if err != nil {
		return
	}
	for _, a := range attrs {
		if v := u32(a.value); a.kind == nl.TCA_HTB_INIT && len(a.value) >= 4 && v > 0xffff {
			binary.NativeEndian.PutUint32(a.value, v>>16)
		}
	}
}
