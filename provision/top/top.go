// SPDX-License-Identifier: Apache-2.0

// Package top shows the connections of this host by offload: which TLS sessions and
// IPsec states are in a card, which are not, and why, in the doctor's words.
package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/tcpdiag"
)

// sources are where a Monitor reads; tests have others.
type sources struct {
	look     func(context.Context, *Host) (*Host, error)
	sessions func(context.Context) ([]tcpdiag.Session, error)
	stat     func() (map[string]uint64, error)
	states   func(context.Context) ([]ipsec.State, error)
	work     func(netdev string) (crypto.Work, error)
	route    func(from, to netip.Addr, bound int) (way, error)
	now      func() time.Time
}

// Monitor reads frames of this host, one after the other.
type Monitor struct {
	// Most is how many sessions and how many states are listed, 0: all. The rest is counted.
	Most int

	from   sources
	host   *Host
	looked time.Time
	ways   map[trip]way // of the look
	before seen
}

// New is a Monitor of the calling thread's network namespace.
func New(most int) *Monitor {
	return &Monitor{Most: most, from: sources{
		look: look, sessions: tcpdiag.TLSSessions, stat: crypto.TLSStat, states: ipsec.List, work: crypto.WorkOf, route: route, now: time.Now,
	}}
}

// lookEvery is how old what is known of the host may be: a look reads all of it.
const lookEvery = 10 * time.Second

// ends tell a TCP connection from the others.
type ends struct{ local, remote netip.AddrPort }

// said tells an IPsec state from the others (net/xfrm: destination, SPI, protocol).
type said struct {
	dst   netip.Addr
	spi   ipsec.SPI
	proto string
}

// seen is what rates are made of.
type seen struct {
	at       time.Time
	sessions map[ends]tcpdiag.Session
	states   map[said]uint64
	work     map[int]crypto.Work // by ifindex
}

// Frame reads what is there now. What cannot be read is in Unseen.
func (m *Monitor) Frame(ctx context.Context) Frame {
	now := m.from.now()
	f := Frame{Time: now, Netdevs: []Netdev{}, TLS: []Session{}, IPsec: []State{}}
	unseen := func(what string, err error) { f.Unseen = append(f.Unseen, what+": "+err.Error()) }
	if m.host == nil || now.Sub(m.looked) >= lookEvery {
		h, err := m.from.look(ctx, m.host)
		if err != nil {
			unseen("why work is not in a card", err)
		} else {
			m.host, m.looked = h, now
		}
		m.ways = map[trip]way{}
	}
	if m.host == nil {
		m.host = &Host{} // nothing is known, and what is in software has no reason
	}
	if !m.before.at.IsZero() {
		f.Seconds = now.Sub(m.before.at).Seconds()
	}
	is := seen{at: now, sessions: map[ends]tcpdiag.Session{}, states: map[said]uint64{}, work: map[int]crypto.Work{}}
	if err := m.netdevs(&f, is.work); err != nil {
		unseen("counters", err)
	}
	sessions, err := m.from.sessions(ctx)
	if err == nil {
		err = m.hidden(sessions)
	}
	if err != nil {
		unseen("TLS sessions", err)
	}
	states, err := m.from.states(ctx)
	if err != nil && !errors.Is(err, unix.EPROTONOSUPPORT) { // a kernel whose IPsec is not loaded has no states
		unseen("IPsec states", err)
	}
	m.tls(&f, sessions, is)
	m.ipsec(&f, states, is)
	m.before = is
	return f
}

// hidden tells of sessions that the kernel counts and does not list.
func (m *Monitor) hidden(sessions []tcpdiag.Session) error {
	if len(sessions) > 0 {
		return nil
	}
	stat, err := m.from.stat()
	if err != nil {
		return err
	}
	n := max(stat["TlsCurrTxDevice"]+stat["TlsCurrTxSw"], stat["TlsCurrRxDevice"]+stat["TlsCurrRxSw"])
	if n == 0 {
		return nil
	}
	return fmt.Errorf("the kernel counts %d and lists none: it shows them to root alone (CAP_NET_ADMIN in this network namespace)", n)
}

func (m *Monitor) netdevs(f *Frame, is map[int]crypto.Work) error {
	var errs []error
	for _, index := range slices.Sorted(maps.Keys(m.host.Sight.Netdevs)) {
		n := m.host.Sight.Netdevs[index]
		if !n.Offloads {
			continue
		}
		w, err := m.from.work(n.Name)
		if err != nil {
			if !errors.Is(err, unix.ENODEV) { // it went away meanwhile
				errs = append(errs, err)
			}
			continue
		}
		is[index] = w
		was := m.before.work[index]
		f.Netdevs = append(f.Netdevs, Netdev{
			Netdev: n.Name, Function: n.ID.Function.String(), TLSContexts: w.TLSOpen, TLSBytes: w.TLSBytes, IPsecBytes: w.IPsecBytes, Resyncs: w.Resyncs,
			TLSRate: rates(was.TLSBytes, w.TLSBytes, f.Seconds), IPsecRate: rates(was.IPsecBytes, w.IPsecBytes, f.Seconds),
		})
	}
	return errors.Join(errs...)
}

func rates(was, is map[string]uint64, seconds float64) map[string]float64 {
	out := map[string]float64{}
	for dir, n := range is {
		if before, there := was[dir]; there {
			if r := rate(before, n, seconds); r != nil {
				out[dir] = *r
			}
		}
	}
	return out
}

// rate is nil where there is none: a counter that went back is another's.
func rate(was, is uint64, seconds float64) *float64 {
	if seconds <= 0 || is < was {
		return nil
	}
	r := float64(is-was) / seconds
	return &r
}

func (m *Monitor) tls(f *Frame, sessions []tcpdiag.Session, is seen) {
	for _, s := range sessions {
		if s.Tx == tcpdiag.Nobody && s.Rx == tcpdiag.Nobody {
			continue // a socket that may become a session
		}
		is.sessions[ends{s.Local, s.Remote}] = s
		out := Session{
			Local: s.Local, Remote: s.Remote, Version: s.Version, Cipher: s.Cipher,
			Tx: Direction{By: s.Tx, Bytes: s.Sent}, Rx: Direction{By: s.Rx, Bytes: s.Received},
		}
		if was, there := m.before.sessions[ends{s.Local, s.Remote}]; there {
			out.Tx.PerSecond, out.Rx.PerSecond = rate(was.Sent, s.Sent, f.Seconds), rate(was.Received, s.Received, f.Seconds)
		}
		switch out.rank() {
		case 0:
			f.Totals.TLSSoftware++
		case 1:
			f.Totals.TLSPartly++
		default:
			f.Totals.TLSCard++
		}
		f.TLS = append(f.TLS, out)
	}
	slices.SortFunc(f.TLS, func(a, b Session) int {
		return cmp.Or(a.rank()-b.rank(), cmp.Compare(sum(b.Tx.PerSecond, b.Rx.PerSecond), sum(a.Tx.PerSecond, a.Rx.PerSecond)),
			a.Remote.Compare(b.Remote), a.Local.Compare(b.Local))
	})
	f.TLS, f.Totals.TLSUnlisted = cut(f.TLS, m.Most)
	for i := range f.TLS {
		s := &f.TLS[i]
		w := m.way(trip{s.Local.Addr(), s.Remote.Addr(), is.sessions[ends{s.Local, s.Remote}].Bound})
		s.Netdev = m.host.name(w.index)
		ask := crypto.Ask{TLSVersion: s.Version, Cipher: s.Cipher}
		if s.Tx.By == tcpdiag.Kernel {
			s.Tx.Why = m.host.whyTLS(w, crypto.Transmit, ask, is.work)
		}
		if s.Rx.By == tcpdiag.Kernel {
			s.Rx.Why = m.host.whyTLS(w, crypto.Receive, ask, is.work)
		}
	}
}

// rank is 0 in software, 1 partly, 2 in the card.
func (s Session) rank() int {
	card := s.Tx.By == tcpdiag.Card || s.Rx.By == tcpdiag.Card
	switch {
	case !card:
		return 0
	case s.Tx.By == tcpdiag.Kernel || s.Rx.By == tcpdiag.Kernel:
		return 1
	}
	return 2
}

// cut is the first of them, and how many are left out.
func cut[T any](all []T, most int) ([]T, int) {
	if most == 0 || len(all) <= most {
		return all, 0
	}
	return all[:most], len(all) - most
}

func sum(all ...*float64) (n float64) {
	for _, r := range all {
		if r != nil {
			n += *r
		}
	}
	return n
}

func (m *Monitor) ipsec(f *Frame, states []ipsec.State, is seen) {
	of := map[said]ipsec.State{}
	for _, s := range states {
		id := said{s.Dst, s.SPI, s.Proto}
		of[id], is.states[id] = s, s.Bytes
		out := State{Src: s.Src, Dst: s.Dst, SPI: s.SPI, Proto: s.Proto, Mode: s.Mode.String(), Algorithm: s.Algorithms(), Offload: s.Offload.Mode, Bytes: s.Bytes}
		if was, there := m.before.states[id]; there {
			out.PerSecond = rate(was, s.Bytes, f.Seconds)
		}
		switch s.Offload.Mode {
		case ipsec.Packet:
			f.Totals.IPsecPacket++
		case ipsec.Crypto:
			f.Totals.IPsecCrypto++
		default:
			f.Totals.IPsecNone++
		}
		f.IPsec = append(f.IPsec, out)
	}
	slices.SortStableFunc(f.IPsec, func(a, b State) int {
		return cmp.Or(cmp.Compare(a.Offload, b.Offload), cmp.Compare(sum(b.PerSecond), sum(a.PerSecond)))
	})
	f.IPsec, f.Totals.IPsecUnlisted = cut(f.IPsec, m.Most)
	for i := range f.IPsec {
		s := &f.IPsec[i]
		state := of[said{s.Dst, s.SPI, s.Proto}]
		if s.Offload != ipsec.None {
			s.Netdev = state.Offload.Netdev
			continue
		}
		w := m.peer(state)
		s.Netdev = m.host.name(w.index)
		s.Why = m.host.whyIPsec(w, state)
	}
}
