// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/cpu"
	"github.com/nicwright/nicwright/internal/proof"
)

// DefaultBytes are sent by each proof when the profile does not say.
const DefaultBytes = 16 << 20

// Connect makes a TCP connection between two places. Both ends are closed when
// ctx ends.
func Connect(ctx context.Context, from, to *Place, v6 bool) (client, server *net.TCPConn, err error) {
	network, remote := "tcp4", to.V4.Addr()
	if v6 {
		network, remote = "tcp6", to.V6.Addr()
	}
	var l *net.TCPListener
	err = to.NS.Do(func() error {
		var err error
		l, err = net.ListenTCP(network, net.TCPAddrFromAddrPort(netip.AddrPortFrom(remote, 0)))
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("listening on %s of %s: %w", remote, to, err)
	}
	defer l.Close()
	if client, err = Dial(ctx, from, l.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		return nil, nil, fmt.Errorf("connecting from %s to %s: %w; do they share a VLAN, and is the switch between them running?", from, to, err)
	}
	// The connection is established: accepting does not wait.
	if server, err = l.AcceptTCP(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("accepting on %s: %w", to, err), client.Close())
	}
	context.AfterFunc(ctx, func() { server.Close() })
	return client, server, nil
}

// Dial makes a TCP connection from a place, from its own address: a proof is about
// this VF and no other. It is closed when ctx ends.
func Dial(ctx context.Context, from *Place, to netip.AddrPort) (*net.TCPConn, error) {
	local := from.V4.Addr()
	if to.Addr().Is6() {
		local = from.V6.Addr()
	}
	var c net.Conn
	err := from.NS.Do(func() error {
		var err error
		d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))}
		c, err = d.DialContext(ctx, "tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return c.(*net.TCPConn), nil
}

// reach is how long the way between two places may take to be there: a switch
// learns of netdevs that came back a moment later.
const reach = 30 * time.Second

// Reach tries to connect until there is a way. Each try waits itself, in the
// kernel, for an answer to its question for the other's address.
func Reach(ctx context.Context, connect func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	for {
		err := connect(ctx)
		if err == nil || ctx.Err() != nil || !errors.Is(err, unix.EHOSTUNREACH) {
			return err
		}
	}
}

// ErrDiffers is that other bytes arrived than were sent.
var ErrDiffers = errors.New("other bytes arrived than were sent")

// Pattern is what is sent, again and again: of a length that no record or segment
// divides, so that bytes out of place are not equal. Both ends make it of one seed.
func Pattern(seed [32]byte) []byte {
	b := make([]byte, 1<<20+7)
	_, _ = rand.NewChaCha8(seed).Read(b) // it never fails
	return b
}

// Seed is a random one.
func Seed() (seed [32]byte, err error) {
	if _, err = crand.Read(seed[:]); err != nil {
		err = fmt.Errorf("making something to send: %w", err)
	}
	return seed, err
}

// Pump sends size bytes into w and compares what comes out of r. It fills in
// what arrived and what it took, and tells rate at once and then now and then.
func Pump(ctx context.Context, w io.Writer, r io.Reader, size int64, p *proof.Proof, rate func(bytes int64, seconds float64)) error {
	seed, err := Seed()
	if err != nil {
		return err
	}
	pattern := Pattern(seed)
	return Account(ctx, func() error { return Send(w, pattern, size) },
		func(rate func(int64)) (int64, error) { return Compare(r, pattern, size, rate) }, p, rate)
}

// Account is Pump where the ends are elsewhere: send and receive run side by side,
// and receive gives how many bytes have arrived and are equal.
func Account(ctx context.Context, send func() error, receive func(rate func(int64)) (int64, error), p *proof.Proof, rate func(bytes int64, seconds float64)) error {
	before, err := cpu.Busy()
	if err != nil {
		return err
	}
	start := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- send() }()
	n, err := receive(func(n int64) { rate(n, time.Since(start).Seconds()) })
	p.Bytes, p.Seconds = n, time.Since(start).Seconds()
	if err != nil {
		select {
		case sendErr := <-sent: // why nothing came
			err = errors.Join(sendErr, err)
		default: // it may be waiting for a reader that has gone: the caller closes
		}
		return errors.Join(err, context.Cause(ctx))
	}
	if err := <-sent; err != nil {
		return err
	}
	after, err := cpu.Busy()
	p.CPUSeconds = after - before
	return err
}

// chunk is written at a time: four records.
const chunk = 64 << 10

// Send sends size bytes of the pattern.
func Send(w io.Writer, pattern []byte, size int64) error {
	for at := int64(0); at < size; {
		off := at % int64(len(pattern))
		n := min(size-at, int64(len(pattern))-off, chunk)
		k, err := w.Write(pattern[off : off+n])
		at += int64(k)
		if err != nil {
			return fmt.Errorf("sending, after %d of %d bytes: %w", at, size, err)
		}
	}
	return nil
}

// Compare receives size bytes and compares them with the pattern; it gives how many
// were equal, and tells rate at once and then now and then.
func Compare(r io.Reader, pattern []byte, size int64, rate func(int64)) (int64, error) {
	buf := make([]byte, chunk)
	var told time.Time
	for at := int64(0); at < size; {
		off := at % int64(len(pattern))
		n := min(size-at, int64(len(pattern))-off, chunk)
		k, err := r.Read(buf[:n])
		if !bytes.Equal(buf[:k], pattern[off:off+int64(k)]) {
			return at, fmt.Errorf("%w, between byte %d and byte %d", ErrDiffers, at, at+int64(k))
		}
		at += int64(k)
		if err != nil {
			return at, fmt.Errorf("receiving, after %d of %d bytes: %w", at, size, err)
		}
		if time.Since(told) > 200*time.Millisecond {
			rate(at)
			told = time.Now()
		}
	}
	return size, nil
}

// Limit is how long a transfer of so many bytes may take: far more than any
// card or emulation needs, so that only one that stands still meets it.
func Limit(size int64) time.Duration {
	return time.Minute + time.Duration(size>>20)*2*time.Second
}

// TCPInfo is the kernel's account of a connection (struct tcp_info of
// include/uapi/linux/tcp.h).
func TCPInfo(c *net.TCPConn) (*unix.TCPInfo, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("asking a connection for its account: %w", err)
	}
	var info *unix.TCPInfo
	ctlErr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err := errors.Join(ctlErr, err); err != nil {
		return nil, fmt.Errorf("asking a connection for its account (getsockopt TCP_INFO): %w", err)
	}
	return info, nil
}
