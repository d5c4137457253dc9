// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// Flags of a route that are asked for; the rest is how it was
// (include/uapi/linux/rtnetlink.h, RTNH_F_ONLINK, RTNH_F_PERVASIVE).
const askedRouteFlags = 4 | 2

// Flags of an address that are its state and not asked for.
const addressState = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED | unix.IFA_F_OPTIMISTIC

// moved is the message that makes the entry, with the ifindexes that at says in
// the places of those in it.
func moved(e Entry, at func(index int) (int, error)) ([]byte, error) {
	head := families[e.Kind].header
	if len(e.Body) < head {
		return nil, errShort
	}
	b := slices.Clone(e.Body[:head])
	attrs, err := attributes(e.Body[head:])
	if err != nil {
		return nil, err
	}
	put := func(b []byte) error {
		n, err := at(int(u32(b)))
		if err == nil {
			binary.NativeEndian.PutUint32(b, uint32(n))
		}
		return err
	}
	switch e.Kind {
	case Address, Neighbour, BridgeVLAN: // struct ifaddrmsg, ndmsg and ifinfomsg have the ifindex in one place
		if err := put(b[4:]); err != nil {
			return nil, err
		}
		if e.Kind == Address {
			b[2] &^= addressState & 0xff
		}
	case Route:
		binary.NativeEndian.PutUint32(b[8:], binary.NativeEndian.Uint32(b[8:])&askedRouteFlags)
	}
	byObject := slices.ContainsFunc(attrs, func(a attribute) bool { return e.Kind == Route && a.kind == rtaNHID })
	for _, a := range attrs {
		v := slices.Clone(a.value)
		switch {
		case e.Kind == Address && a.kind == ifaFlags && len(v) == 4:
			binary.NativeEndian.PutUint32(v, u32(v)&^addressState)
		case e.Kind == Address && a.kind == unix.IFA_CACHEINFO && len(v) >= 16:
			// The lifetimes are asked for; when it was made is not.
		case e.Kind == Nexthop && a.kind == nhaOIF && len(v) == 4:
			if err := put(v); err != nil {
				return nil, err
			}
		case e.Kind != Route:
		case a.kind == unix.RTA_CACHEINFO:
			continue
		case byObject && (a.kind == unix.RTA_OIF || a.kind == unix.RTA_GATEWAY || a.kind == unix.RTA_VIA || a.kind == unix.RTA_MULTIPATH || a.kind == unix.RTA_ENCAP || a.kind == unix.RTA_ENCAP_TYPE):
			continue // told for old programs, and refused beside the object
		case a.kind == unix.RTA_OIF && len(v) == 4:
			if err := put(v); err != nil {
				return nil, err
			}
		case a.kind == unix.RTA_MULTIPATH:
			hops, err := multipath(v)
			if err != nil {
				return nil, err
			}
			for _, h := range hops {
				v[h.at+2] &= askedRouteFlags
				if err := put(v[h.at+4:]); err != nil {
					return nil, err
				}
			}
		}
		b = appendAttribute(b, a.kind, v)
	}
	return b, nil
}

// To is the entry as it would be on another netdev in the place of its own.
func (e Entry) To(index int) (Entry, error) {
	own := e.Index
	body, err := moved(e, func(i int) (int, error) {
		if i == own {
			return index, nil
		}
		return i, nil
	})
	e.Index, e.Body = index, body
	return e, err
}

// Indexes are the ifindexes in the entry, each once.
func (e Entry) Indexes() []int {
	var all []int
	// What cannot be read has none: Add says why.
	_, _ = moved(e, func(i int) (int, error) {
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
		return i, nil
	})
	return all
}
