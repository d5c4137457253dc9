// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

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
// the kernel gives to a netdev have the handle 0.
func TrafficControl(ctx context.Context) ([]Entry, error) {
	all, err := qdiscs(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, Entry.isHook)
	asked := map[int]bool{}
	for _, q := range all {
		if !asked[q.Index] {
			asked[q.Index] = true
			if all, err = more(ctx, all, Class, q.Index, 0); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// Filters reads those on qdiscs that somebody made, and at the ingress and egress of
// netdevs but for those, by ifindex, that are left out: of a switch, which has a rule
// for each flow.
func Filters(ctx context.Context, leftOut map[int]bool) ([]Entry, error) {
	on, err := qdiscs(ctx)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, q := range on {
		at := []uint32{u32(q.Body[tcmHandle:])}
		if q.isHook() {
			at = []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS}
		}
		for _, parent := range at {
			if leftOut[q.Index] {
				continue
			}
			if all, err = more(ctx, all, Filter, q.Index, parent); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func qdiscs(ctx context.Context) ([]Entry, error) { return list(ctx, Qdisc, nil) }

// isHook tells an ingress or clsact qdisc, which is there for filters only.
func (e Entry) isHook() bool { return u32(e.Body[tcmParent:]) == netlink.HANDLE_INGRESS }

// more adds what a netdev has of a kind; one that went away meanwhile has nothing.
func more(ctx context.Context, all []Entry, kind Kind, index int, parent uint32) ([]Entry, error) {
	ask := make([]byte, nl.SizeofTcMsg)
	binary.NativeEndian.PutUint32(ask[tcmIndex:], uint32(index))
	binary.NativeEndian.PutUint32(ask[tcmParent:], parent)
	entries, err := list(ctx, kind, ask)
	if errors.Is(err, unix.ENODEV) {
		return all, nil
	}
	return append(all, entries...), err
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
	return handle>>16 != 0
}

// filter is struct tcmsg of one: its info is the preference and the protocol. One of
// a block that netdevs share has no ifindex, and what has no handle is a chain's end.
func (e *Entry) filter(by map[uint16][]byte) bool {
	e.Index = int(int32(u32(e.Body[tcmIndex:])))
	handle, parent := u32(e.Body[tcmHandle:]), u32(e.Body[tcmParent:])
	what := unix.ByteSliceToString(by[nl.TCA_KIND])
	e.Text = fmt.Sprintf("%s pref %d handle 0x%x", what, u32(e.Body[tcmInfo:])>>16, handle)
	if chain := u32(by[nl.TCA_CHAIN]); chain != 0 {
		e.Text += fmt.Sprintf(" chain %d", chain)
	}
	switch parent {
	case netlink.HANDLE_MIN_INGRESS:
		e.Text += " ingress"
	case netlink.HANDLE_MIN_EGRESS:
		e.Text += " egress"
	default:
		e.Text += " parent " + tcHandle(parent)
	}
	table := what == "u32" && handle&0xfff == 0 // of its rules
	return e.Index > 0 && handle != 0 && !table
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
