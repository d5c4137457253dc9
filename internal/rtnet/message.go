// SPDX-License-Identifier: Apache-2.0

// Package rtnet reads what hangs on netdevs over rtnetlink (addresses, routes,
// neighbours, nexthop objects, VLANs and entries of bridge ports) and puts it back. It keeps
// the kernel's own messages, so that attributes which nobody here knows are put
// back as well. Whose netdev is whose is left to others.
package rtnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/rtattr"
)

// Kind is what an Entry is.
type Kind string

// The kinds.
const (
	Address   Kind = "address"
	Neighbour Kind = "neighbour" // permanent ones
	Nexthop   Kind = "nexthop"   // nexthop objects (ip nexthop)
	Route     Kind = "route"     // but for those that the kernel makes itself
	Proxy     Kind = "proxy"     // a neighbour that is answered for (ip neighbour add proxy)
	Qdisc     Kind = "qdisc"     // that somebody made
	Class     Kind = "class"     // of such a one
	Filter    Kind = "filter"    // on a qdisc that somebody made, or at ingress or egress; it is told, and not put back
	// BridgeVLAN is a VLAN of a port of a bridge.
	BridgeVLAN Kind = "bridge-vlan"
	// FDB is a static entry of a bridge, for a port.
	FDB Kind = "fdb"
)

// OfBridge tells what a netdev has as the port of a bridge of the kernel: it goes when it leaves, and not when it goes down.
func (k Kind) OfBridge() bool { return k == BridgeVLAN || k == FDB }

// Known tells a kind of entries from other words.
func (k Kind) Known() bool { return families[k].header > 0 }

// OfTC tells what says how a netdev queues; that goes with the netdev only.
func (k Kind) OfTC() bool { return k == Qdisc || k == Class || k == Filter }

// Entry is one thing that hangs on a netdev, as the kernel told it.
type Entry struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text"` // tells it from the others of its kind on the netdev, in ip's words
	// Index of the netdev it hangs on; of a route or group with several, one of them.
	Index int `json:"index"`
	// Others are further netdevs that it needs and that are not in its message: those of the nexthop
	// objects of a group.
	Others []int `json:"others,omitempty"`
	// Family is AF_INET or AF_INET6.
	Family uint8 `json:"family"`
	// Daemon is who else looks after it, in words: a DHCP client, a routing daemon; "" for nobody.
	Daemon string `json:"daemon,omitempty"`
	// Body is the message's, with its family's header.
	Body []byte `json:"body"`
}

// family says how the messages of a kind are made (include/uapi/linux).
type family struct {
	get, add, del uint16
	header        int // bytes before the attributes
	what          string
	ask           []byte // what the header of the question begins with
}

var families = map[Kind]family{
	Address:   {unix.RTM_GETADDR, unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.SizeofIfAddrmsg, "the address", nil},
	Neighbour: {unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH, unix.SizeofNdMsg, "the neighbour", nil},
	Nexthop:   {unix.RTM_GETNEXTHOP, unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP, sizeofNhMsg, "the nexthop", nil},
	Route:     {unix.RTM_GETROUTE, unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.SizeofRtMsg, "the route", nil},
	// Of struct ndmsg, the family is the first byte, and the flags are the eleventh.
	Proxy:  {unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH, unix.SizeofNdMsg, "the proxy for the neighbour", []byte{ndmFlags: unix.NTF_PROXY}},
	FDB:    {unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH, unix.SizeofNdMsg, "the bridge's entry for", []byte{unix.AF_BRIDGE}},
	Qdisc:  {unix.RTM_GETQDISC, unix.RTM_NEWQDISC, unix.RTM_DELQDISC, nl.SizeofTcMsg, "the qdisc", nil},
	Class:  {unix.RTM_GETTCLASS, unix.RTM_NEWTCLASS, unix.RTM_DELTCLASS, nl.SizeofTcMsg, "the class", nil},
	Filter: {unix.RTM_GETTFILTER, unix.RTM_NEWTFILTER, unix.RTM_DELTFILTER, nl.SizeofTcMsg, "the filter", nil},
	// What a bridge is asked to do with a port goes by SETLINK and DELLINK of its family.
	BridgeVLAN: {unix.RTM_GETLINK, unix.RTM_SETLINK, unix.RTM_DELLINK, unix.SizeofIfInfomsg, "the bridge port's VLAN", nil},
}

// ndmFlags and ndmState are where struct ndmsg has them (include/uapi/linux/neighbour.h).
const (
	ndmState = 8
	ndmFlags = 10
)

// sizeofNhMsg is struct nhmsg (include/uapi/linux/nexthop.h).
const sizeofNhMsg = 8

var errShort = errors.New("the kernel's message is shorter than its format")

// List reads all entries of the network namespace, each kind with one dump, in
// the order in which they can be put back: addresses, nexthops, neighbours and
// what bridge ports have, routes to the link, routes by a gateway.
func List(ctx context.Context) ([]Entry, error) {
	var all []Entry
	var byHand map[prefix]bool
	for _, kind := range []Kind{Nexthop, Address, Neighbour, Proxy, FDB, Route} {
		entries, err := listed(ctx, kind, families[kind].ask, func(e Entry) bool { return e.inKernelsName(byHand) })
		if err != nil {
			return nil, err
		}
		if kind == Address {
			byHand = prefixes(entries)
		}
		all = append(all, entries...)
	}
	vlans, err := BridgeVLANs(ctx)
	if err != nil {
		return nil, err
	}
	tc, err := TrafficControl(ctx)
	if err != nil {
		return nil, err
	}
	all = append(append(all, vlans...), tc...)
	sortEntries(all)
	return resolve(all), nil
}

// list reads the entries of a kind; ask is what the header of the question begins with.
func list(ctx context.Context, kind Kind, ask []byte) ([]Entry, error) {
	return listed(ctx, kind, ask, func(Entry) bool { return false })
}

// listed is list; also has what is kept although the kernel says that it is its own.
func listed(ctx context.Context, kind Kind, ask []byte, also func(Entry) bool) ([]Entry, error) {
	f := families[kind]
	head := make([]byte, f.header)
	copy(head, ask)
	msgs, err := rtattr.Dump(ctx, unix.NETLINK_ROUTE, f.get, f.add, head)
	if kind == Filter && errors.Is(err, unix.EINVAL) {
		return nil, nil // the qdisc went away meanwhile
	}
	if kind == Nexthop && errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a kernel before 5.3
	}
	if err != nil {
		return nil, kernel.Wrapf("", err, "listing %ss over rtnetlink", kind)
	}
	var all []Entry
	for _, m := range msgs {
		e, ok, err := parse(kind, m)
		if err != nil {
			return nil, fmt.Errorf("listing %ss over rtnetlink: %w", kind, err)
		}
		if ok || also(e) {
			all = append(all, e)
		}
	}
	return all, nil
}

// Add puts an entry on the netdevs that at says for those it was on; an entry
// that is there is no error.
func Add(e Entry, at func(index int) (int, error)) error {
	body, err := moved(e, at)
	if err != nil {
		return kernel.Wrapf("", err, "putting back %s %s", families[e.Kind].what, e.Text)
	}
	flags := unix.NLM_F_CREATE | unix.NLM_F_EXCL
	switch {
	case e.Kind == Route:
		// Beside another to the same place, which EXCL would take for this one.
		flags = unix.NLM_F_CREATE | unix.NLM_F_APPEND
	case e.Kind == Qdisc: // in the place of the kernel's own
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	case e.isGroup():
		// One that lost members with their netdevs is still there.
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	for _, b := range hopByHop(e, body) {
		req := nl.NewNetlinkRequest(int(families[e.Kind].add), unix.NLM_F_ACK|flags)
		req.AddRawData(b)
		if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.EEXIST) {
			return kernel.Wrapf("", err, "putting back %s %s", families[e.Kind].what, e.Text)
		}
	}
	return nil
}

// Delete takes an entry away; one that is not there is no error.
func Delete(e Entry) error {
	body, err := removal(e)
	if err != nil {
		return kernel.Wrapf("", err, "taking away %s %s", families[e.Kind].what, e.Text)
	}
	req := nl.NewNetlinkRequest(int(families[e.Kind].del), unix.NLM_F_ACK)
	req.AddRawData(body)
	_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	for _, gone := range []error{unix.ESRCH, unix.EADDRNOTAVAIL, unix.ENOENT, unix.ENODEV} {
		if errors.Is(err, gone) {
			return nil
		}
	}
	return kernel.Wrapf("", err, "taking away %s %s", families[e.Kind].what, e.Text)
}

// attribute is one of a message, where it is: an entry is put back with what nobody
// here knows, flags and all, which a reader of values (rtattr.Parse) does not keep.
type attribute struct {
	kind  uint16
	flags uint16 // NLA_F_NESTED, which some of the kernel's parsers insist on
	value []byte
}

// attributes are those in b.
func attributes(b []byte) ([]attribute, error) {
	var all []attribute
	for at := 0; at+unix.SizeofRtAttr <= len(b); {
		n := int(binary.NativeEndian.Uint16(b[at:]))
		if n < unix.SizeofRtAttr || at+n > len(b) {
			return nil, errShort
		}
		kind := binary.NativeEndian.Uint16(b[at+2:])
		const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
		all = append(all, attribute{kind &^ flags, kind & flags, b[at+unix.SizeofRtAttr : at+n]})
		at += (n + unix.RTA_ALIGNTO - 1) &^ (unix.RTA_ALIGNTO - 1)
	}
	return all, nil
}

// appendAttribute writes one.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.RTA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func u32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}
