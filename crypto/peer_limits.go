// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/nicwright/nicwright/internal/site"
)

// peerLimits bound what strangers can hold of a peer.
type peerLimits struct {
	// transfers are answered at a time. Only who has asked for one that can be had counts.
	transfers int
	// waiting is how many connections may not have asked yet: of more the oldest is closed, so that
	// whoever asks at once is heard however many only connect.
	waiting int
	// address is how many connections one address has, of IPv6 one /64.
	address int
	// patience is how long a connection takes to ask, to get its turn, and to take an answer.
	patience time.Duration
}

// defaultPeerLimits: a verify has one connection at a time.
var defaultPeerLimits = peerLimits{transfers: 16, waiting: 64, address: 4, patience: 20 * time.Second}

var (
	errCrowded = errors.New("too many transfers at a time: try again later")
	errTooMany = errors.New("too many connections of this address")
)

// door counts connections.
type door struct {
	limits peerLimits
	turns  chan struct{}

	mu      sync.Mutex
	waiting []net.Conn // that have not asked yet, oldest first
	of      map[netip.Prefix]int
}

func newDoor(l peerLimits) *door {
	return &door{limits: l, turns: make(chan struct{}, l.transfers), of: map[netip.Prefix]int{}}
}

// enter takes a connection in, or says why not; leave is called when it ends.
func (d *door) enter(conn net.Conn) (leave func(), err error) {
	who := household(conn.RemoteAddr())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[who] >= d.limits.address {
		return nil, errTooMany
	}
	d.of[who]++
	d.waiting = append(d.waiting, conn)
	if len(d.waiting) > d.limits.waiting {
		d.waiting[0].Close() // its own goroutine sees that
		d.waiting = d.waiting[1:]
	}
	return func() {
		d.asked(conn)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.of[who]--; d.of[who] == 0 {
			delete(d.of, who)
		}
	}, nil
}

// asked tells that a connection waits no more.
func (d *door) asked(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = slices.DeleteFunc(d.waiting, func(c net.Conn) bool { return c == conn })
}

// turn waits for one of the transfers at a time.
func (d *door) turn(ctx context.Context) (end func(), err error) {
	t := time.NewTimer(d.limits.patience)
	defer t.Stop()
	select {
	case d.turns <- struct{}{}:
		return func() { <-d.turns }, nil
	case <-t.C:
		return nil, errCrowded
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// household is the address of IPv4, and the /64 of IPv6, of which one host has many.
func household(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // both lengths are of their family
	return p
}

// paced is a connection in a transfer. Its deadline moves on with what has passed:
// who stands still, or drips, ends after a minute.
type paced struct {
	net.Conn
	start time.Time
	moved int64
}

func (p *paced) Read(b []byte) (int, error) {
	if err := p.Conn.SetDeadline(p.deadline()); err != nil {
		return 0, err
	}
	n, err := p.Conn.Read(b)
	p.moved += int64(n)
	return n, err
}

func (p *paced) Write(b []byte) (int, error) {
	if err := p.Conn.SetDeadline(p.deadline()); err != nil {
		return 0, err
	}
	n, err := p.Conn.Write(b)
	p.moved += int64(n)
	return n, err
}

func (p *paced) deadline() time.Time { return p.start.Add(site.Limit(p.moved)) }
