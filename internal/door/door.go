// SPDX-License-Identifier: Apache-2.0

// Package door is where `nicwright peer` listens to strangers: it bounds what they can
// hold of it, hears what they ask for in TLS 1.3, and gives each its turn. What is asked
// for, and what is done about it, is for others.
package door

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Limits bound what strangers can hold of a peer.
type Limits struct {
	// Turns are had at a time. Only who has asked for something that can be had counts.
	Turns int
	// Waiting is how many connections may not have asked yet: of more the oldest is closed, so that
	// whoever asks at once is heard however many only connect.
	Waiting int
	// Address is how many connections one address has, of IPv6 one /64.
	Address int
	// Patience is how long a connection takes to ask, to get its turn, and to take an answer.
	Patience time.Duration
}

var (
	// ErrCrowded is that of who waited for a turn for too long.
	ErrCrowded = errors.New("too many transfers at a time: try again later")
	errTooMany = errors.New("too many connections of this address")
)

// door counts connections.
type door struct {
	limits Limits
	turns  chan struct{}

	mu      sync.Mutex
	waiting []net.Conn // that have not asked yet, oldest first
	of      map[netip.Prefix]int
}

func newDoor(l Limits) *door {
	return &door{limits: l, turns: make(chan struct{}, l.Turns), of: map[netip.Prefix]int{}}
}

// enter takes a connection in, or says why not; leave is called when it ends.
func (d *door) enter(conn net.Conn) (leave func(), err error) {
	who := household(conn.RemoteAddr())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[who] >= d.limits.Address {
		return nil, errTooMany
	}
	d.of[who]++
	d.waiting = append(d.waiting, conn)
	if len(d.waiting) > d.limits.Waiting {
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

// turn waits for one of the turns at a time.
func (d *door) turn(ctx context.Context) (end func(), err error) {
	t := time.NewTimer(d.limits.Patience)
	defer t.Stop()
	select {
	case d.turns <- struct{}{}:
		return func() { <-d.turns }, nil
	case <-t.C:
		return nil, ErrCrowded
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
