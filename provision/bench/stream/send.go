// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Send makes the connections, by dial for each number from 0, and writes into all of
// them until the receiver closes them. dial has a context that ends after the config's
// limit. Its errors are those of Check, of dial, of ctx, and what ended a connection
// but its receiver.
func Send(ctx context.Context, c Config, dial func(ctx context.Context, i int) (*net.TCPConn, error)) (Sent, error) {
	if err := c.Check(); err != nil {
		return Sent{}, fmt.Errorf("sending: %w", err)
	}
	conns := make([]*net.TCPConn, 0, c.Streams)
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
	}()
	soon, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	for i := range c.Streams {
		conn, err := dial(soon, i)
		if err == nil {
			conns = append(conns, conn)
			// A receiver that never took it does not close it either.
			err = conn.SetWriteDeadline(time.Now().Add(c.Warm + 2*c.Limit + introduce))
		}
		if err == nil {
			_, err = conn.Write(c.Token[:])
		}
		if err != nil {
			return Sent{}, fmt.Errorf("sending, with %d of %d streams: %w", i, c.Streams, err)
		}
	}
	stop := context.AfterFunc(ctx, func() {
		for _, conn := range conns {
			conn.Close()
		}
	})
	defer stop()
	block := make([]byte, c.Size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(block) // it never fails
	var mu sync.Mutex
	var all Sent
	var errs []error
	var wait sync.WaitGroup
	for _, conn := range conns {
		wait.Go(func() {
			n, err := write(conn, block)
			mu.Lock()
			defer mu.Unlock()
			all.Bytes += n
			errs = append(errs, err, all.account(conn))
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return all, fmt.Errorf("sending: %w", context.Cause(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return all, fmt.Errorf("sending: %w", err)
	}
	return all, nil
}

// write writes until the other end is closed.
func write(conn *net.TCPConn, block []byte) (all uint64, err error) {
	for {
		n, err := conn.Write(block)
		all += uint64(n)
		if errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// account adds TCP's own account of a connection (struct tcp_info).
func (s *Sent) account(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var info *unix.TCPInfo
	ctl := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err = errors.Join(ctl, err); err != nil {
		return fmt.Errorf("asking a connection for its account (getsockopt TCP_INFO): %w", err)
	}
	s.Segments += uint64(info.Segs_out)
	s.Retransmits += uint64(info.Total_retrans)
	return nil
}
