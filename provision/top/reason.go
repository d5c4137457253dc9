// SPDX-License-Identifier: Apache-2.0

package top

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/doctor"
	"github.com/nicwright/nicwright/provision/facts"
	"github.com/nicwright/nicwright/provision/watch"
)

// Reason is why something is in software, and what mends it.
type Reason struct {
	Text string   `json:"text"`
	Mend []string `json:"mend,omitempty"`
}

func because(format string, args ...any) *Reason { return &Reason{Text: fmt.Sprintf(format, args...)} }

// Host is what is known of a host, for reasons. Facts.Build has its Modules.
type Host struct {
	Facts facts.Facts
	Sight watch.Sight
	Links []rtlink.Link
}

// look looks at the host. What kernel and driver were built with does not change with
// the netdevs, and is dear: it is kept of the look before.
func look(ctx context.Context, before *Host) (*Host, error) {
	have, s, err := provision.Observe(ctx)
	if err != nil {
		return nil, err
	}
	f := provision.Known(ctx, have, s)
	if before != nil && before.Facts.Kernel != nil {
		f.Kernel, f.Build = before.Facts.Kernel, before.Facts.Build
	}
	if err := f.Build.ReadModules(f.Kernel); err != nil {
		return nil, err
	}
	return &Host{Facts: f, Sight: watch.SightOf(have, s.Netdevs), Links: s.Links}, nil
}

// trip is what a route is asked for.
type trip struct {
	from, to netip.Addr
	bound    int // ifindex of the netdev that the socket is bound to, 0: none
}

// way is the route of a trip.
type way struct {
	index int  // of the netdev, 0: not known
	local bool // to this host itself
	err   error
}

// route asks the kernel.
func route(from, to netip.Addr, bound int) (way, error) {
	routes, err := netlink.RouteGetWithOptions(to.WithZone("").AsSlice(), &netlink.RouteGetOptions{SrcAddr: from.WithZone("").AsSlice(), OifIndex: bound})
	if err != nil {
		return way{}, fmt.Errorf("asking the kernel for the route to %s: %w", to, err)
	}
	for _, r := range routes {
		return way{index: r.LinkIndex, local: r.Type == unix.RTN_LOCAL}, nil
	}
	return way{}, fmt.Errorf("asking the kernel for the route to %s: there is none", to)
}

// way is asked once a look.
func (m *Monitor) way(t trip) way {
	w, known := m.ways[t]
	if !known {
		var err error
		if w, err = m.from.route(t.from, t.to, t.bound); err != nil {
			w.err = err
		}
		m.ways[t] = w
	}
	return w
}

// peer is the way to the other end of a state: of one that comes in, to its source.
func (m *Monitor) peer(s ipsec.State) way {
	if s.Direction != "in" {
		if w := m.way(trip{from: s.Src, to: s.Dst}); w.err == nil && !w.local {
			return w
		}
	}
	return m.way(trip{from: s.Dst, to: s.Src})
}

func (h *Host) link(index int) (rtlink.Link, bool) {
	i := slices.IndexFunc(h.Links, func(l rtlink.Link) bool { return l.Index == index })
	if i < 0 {
		return rtlink.Link{}, false
	}
	return h.Links[i], true
}

func (h *Host) name(index int) string {
	l, _ := h.link(index)
	return l.Name
}

// unknown is the reason where a look has failed.
func (h *Host) unknown() *Reason {
	if h.Links == nil {
		return because("not known: the host could not be looked at")
	}
	return nil
}

// chains walks the chain of each netdev of a card that a way leads through: the
// netdev of the route, or the members of a bond that it is. The reason is set where
// there is none.
func (h *Host) chains(w way, walk func(index int) (chain.Chain, bool)) ([]on, *Reason) {
	if r := h.unknown(); r != nil {
		return nil, r
	}
	l, there := h.link(w.index)
	switch {
	case w.err != nil:
		return nil, because("by which netdev it goes is not known: %v", w.err)
	case w.local:
		return nil, because("it stays on this host, and goes through no card")
	case !there:
		return nil, because("it goes by netdev %d, which has just come or gone", w.index)
	}
	below := []rtlink.Link{l}
	if l.Bond != nil {
		below = slices.DeleteFunc(slices.Clone(h.Links), func(m rtlink.Link) bool { return m.Master != l.Index })
	}
	var all []on
	for _, b := range below {
		if c, ours := walk(b.Index); ours {
			all = append(all, on{b.Name, c})
		}
	}
	if all != nil {
		return all, nil
	}
	what := l.Name
	if l.Kind != "" {
		what += " (" + l.Kind + ")"
	}
	return nil, because("it goes by %s, which is neither the netdev of a card's function nor a bond of such", what)
}

// on is a chain of a netdev.
type on struct {
	netdev string
	chain.Chain
}

// worst is the reason of the first chain that is broken, or else that cannot be told.
func worst(all []on) *Reason {
	for _, verdict := range []chain.Verdict{chain.Software, chain.Refused, chain.NotTold} {
		for _, c := range all {
			if c.Verdict != verdict {
				continue
			}
			if b := c.Broken(); b != nil {
				return &Reason{Text: c.netdev + ": " + c.Because, Mend: b.Mend}
			}
			return because("%s: unknown: %s", c.netdev, c.Because)
		}
	}
	return nil
}

// whyTLS is why one direction of a session is in software.
func (h *Host) whyTLS(w way, dir crypto.Direction, ask crypto.Ask, work map[int]crypto.Work) *Reason {
	all, r := h.chains(w, func(index int) (chain.Chain, bool) {
		return doctor.TLS(h.Facts, index, dir, ask, work[index].TLSOpen)
	})
	if r == nil {
		r = worst(all)
	}
	if r == nil { // what may have been otherwise when it began, or was full
		room := ""
		for _, l := range all[0].Links {
			if l.Name == "contexts" {
				room = ": " + l.Found
			}
		}
		r = because("%s: nothing is against it now: it began before that was so, or found no room in the card%s", all[0].netdev, room)
	}
	return r
}

// gcm is what mlx5 takes of IPsec (en_accel/ipsec.c, mlx5e_xfrm_validate_state).
const gcm = "rfc4106(gcm(aes))"

// whyIPsec is why a state is in software.
func (h *Host) whyIPsec(w way, s ipsec.State) *Reason {
	if s.Proto != "esp" {
		return because("%s is not offloaded: cards take ESP", strings.ToUpper(s.Proto))
	}
	all, r := h.chains(w, func(index int) (chain.Chain, bool) {
		return doctor.IPsec(h.Facts, index, crypto.Ask{IPsecMode: s.Mode.String()}, false)
	})
	if r != nil {
		return r
	}
	if s.Encryption == nil || s.Encryption.Name != gcm || s.Encryption.ICV != 0 && s.Encryption.ICV != 128 {
		return because("%s is not for the card: it has %s with an ICV of 128 bits only", s.Algorithms(), gcm)
	}
	if r := worst(all); r != nil {
		return r
	}
	return &Reason{
		Text: "nothing is against it on " + all[0].netdev + ": whoever made the state asked for no offload, or the card refused it then",
		Mend: []string{"strongSwan: hw_offload = auto at the child, and set it up anew", "ip xfrm state add ... offload crypto dev " + all[0].netdev + " dir out|in"},
	}
}
