// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// buffer is what is read at a time, in bytes.
const buffer = 256 << 10

// introduce is how long a connection may take to show its token.
const introduce = 10 * time.Second

type receiver struct {
	Config
	total   atomic.Uint64
	goal    atomic.Uint64 // of total; 0: none yet
	reached chan struct{}
	once    sync.Once
	failed  chan error // the first stream that ended before it should
}

// Receive takes as many connections from l as the config says, and counts what comes
// out of them; edge is called at the beginning of what is measured and at its end, for
// whoever reads meters. It closes the connections when it has enough, which the sender
// takes for the end, and leaves l open. Its errors are those of Check, of ctx, that
// connections did not come, that one ended, and [ErrStill].
func Receive(ctx context.Context, l *net.TCPListener, c Config, edge func(open bool)) (Received, error) {
	if err := c.Check(); err != nil {
		return Received{}, fmt.Errorf("receiving: %w", err)
	}
	r := &receiver{Config: c, reached: make(chan struct{}), failed: make(chan error, 1)}
	conns, err := r.accept(ctx, l)
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
	}()
	if err != nil {
		return Received{}, fmt.Errorf("receiving, with %d of %d streams: %w", len(conns), c.Streams, err)
	}
	each := make([]uint64, len(conns))
	var wait sync.WaitGroup
	for i, conn := range conns {
		wait.Go(func() { each[i] = r.read(conn) })
	}
	got, err := r.measure(ctx, edge)
	for _, conn := range conns {
		conn.Close()
	}
	wait.Wait()
	if err != nil {
		return Received{}, fmt.Errorf("receiving: %w", err)
	}
	got.All, got.Least = r.total.Load(), each[0]
	for _, n := range each {
		got.Least = min(got.Least, n)
	}
	return got, nil
}

func (r *receiver) accept(ctx context.Context, l *net.TCPListener) (conns []*net.TCPConn, err error) {
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := l.SetDeadline(time.Now().Add(r.Limit)); err != nil {
		return nil, err
	}
	for len(conns) < r.Streams {
		conn, err := l.AcceptTCP()
		if err != nil {
			return conns, errors.Join(context.Cause(ctx), err)
		}
		var token Token
		err = conn.SetReadDeadline(time.Now().Add(introduce))
		if err == nil {
			_, err = io.ReadFull(conn, token[:])
		}
		if err == nil {
			err = conn.SetReadDeadline(time.Time{})
		}
		if err != nil || subtle.ConstantTimeCompare(token[:], r.Token[:]) == 0 {
			conn.Close() // somebody else's, or of a run that is over
			continue
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// read reads a stream until it is closed here.
func (r *receiver) read(conn *net.TCPConn) (all uint64) {
	b := make([]byte, buffer)
	for {
		n, err := conn.Read(b)
		all += uint64(n)
		if sum := r.total.Add(uint64(n)); r.goal.Load() != 0 && sum >= r.goal.Load() {
			r.once.Do(func() { close(r.reached) })
		}
		if err != nil {
			select {
			case r.failed <- err:
			default:
			}
			return all
		}
	}
}

// after waits so long, unless something ends before.
func (r *receiver) after(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case err := <-r.failed:
		return fmt.Errorf("a stream ended too early: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *receiver) measure(ctx context.Context, edge func(bool)) (got Received, err error) {
	if err := r.after(ctx, r.Warm); err != nil {
		return got, err
	}
	edge(true)
	start, before := time.Now(), r.total.Load()
	goal := before + r.Transfers*r.Size
	r.goal.Store(goal)
	if err := r.after(ctx, r.Window); err != nil {
		return got, err
	}
	if r.total.Load() < goal {
		rest := time.NewTimer(r.Limit - r.Window)
		defer rest.Stop()
		select {
		case <-r.reached:
		case <-rest.C:
		case err := <-r.failed:
			return got, fmt.Errorf("a stream ended too early: %w", err)
		case <-ctx.Done():
			return got, context.Cause(ctx)
		}
	}
	got.Bytes, got.Seconds = r.total.Load()-before, time.Since(start).Seconds()
	edge(false)
	got.Short = got.Bytes < r.Transfers*r.Size
	if got.Bytes == 0 {
		return got, ErrStill
	}
	return got, nil
}
