// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// client is one of those that ask. It has at most one connection.
type client struct {
	run    *run
	dialer net.Dialer
	tls    *tls.Config // nil: plain
	conn   *connection // that is kept alive
	buf    []byte
	ask    []byte
	as     *http.Request // what the answer is an answer to
}

type connection struct {
	raw *net.TCPConn
	net.Conn
	in   *bufio.Reader
	stop func() bool
}

// readBuffer is for heads of answers: bodies are read past it.
const readBuffer = 4096

func newClient(r *run) (*client, error) {
	c := &client{run: r, buf: make([]byte, 64<<10), as: &http.Request{Method: http.MethodGet}}
	how := "close"
	if r.KeepAlive {
		how = "keep-alive"
	}
	c.ask = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: nicwright\r\nConnection: %s\r\n\r\n", r.Path, how)
	if r.TLS == nil {
		return c, nil
	}
	var err error
	c.tls, err = r.TLS.config(r.roots)
	return c, err
}

// times are the ends of a request's parts, each since the one before; zero of what
// was not done.
type times map[sample.Phase]time.Duration

// request makes one request, which should have begun at begin; n is its number in an
// open loop.
func (c *client) request(ctx context.Context, begin time.Time, n int64) (err error) {
	t := times{}
	at := time.Now()
	lap := func(p sample.Phase) {
		now := time.Now()
		t[p] = now.Sub(at)
		at = now
	}
	conn := c.conn
	if conn == nil {
		if conn, err = c.open(ctx, lap); err != nil {
			return err
		}
	}
	c.conn = nil
	if _, err = conn.Write(c.ask); err == nil {
		err = c.answer(conn, lap)
	}
	if err != nil {
		conn.stop()
		return errors.Join(err, closed(conn.Close()))
	}
	t[sample.Whole] = time.Since(begin)
	if c.run.KeepAlive {
		c.conn = conn
	}
	c.run.completed(n, t)
	if !c.run.KeepAlive {
		c.finish(conn)
	}
	return nil
}

func (c *client) open(ctx context.Context, lap func(sample.Phase)) (*connection, error) {
	n, err := c.dialer.DialContext(ctx, "tcp", c.run.Target.String())
	if err != nil {
		return nil, err
	}
	conn := &connection{raw: n.(*net.TCPConn), Conn: n}
	lap(sample.Connect)
	c.run.connections.Add(1)
	if c.tls != nil {
		protected, resumed, err := c.run.TLS.protect(ctx, conn.raw, c.tls)
		if err != nil {
			return nil, err
		}
		conn.Conn = protected
		lap(sample.Handshake)
		c.run.sessions.Add(1)
		if resumed {
			c.run.resumed.Add(1)
		}
	}
	// Of TCP: that of TLS waits for its writer.
	conn.stop = context.AfterFunc(ctx, func() { conn.raw.Close() })
	conn.in = bufio.NewReaderSize(conn.Conn, readBuffer)
	return conn, nil
}

// answer reads one and counts its bytes as they come.
func (c *client) answer(conn *connection, lap func(sample.Phase)) error {
	if _, err := conn.in.Peek(1); err != nil {
		return fmt.Errorf("waiting for an answer: %w", err)
	}
	lap(sample.FirstByte)
	a, err := http.ReadResponse(conn.in, c.as) //nolint:bodyclose // it is read to its end: closing it does no more
	if err != nil {
		return fmt.Errorf("reading the head of an answer: %w", err)
	}
	if a.StatusCode != http.StatusOK || a.ContentLength < 0 || uint64(a.ContentLength) != c.run.Size {
		return fmt.Errorf("the server answers %q with %d bytes, and 200 with %d is measured", a.Status, a.ContentLength, c.run.Size)
	}
	for got := uint64(0); got < c.run.Size; {
		n, err := a.Body.Read(c.buf)
		got += uint64(n)
		c.run.bytes.Add(uint64(n))
		if err != nil && got < c.run.Size {
			return fmt.Errorf("reading an answer, after %d of %d bytes: %w", got, c.run.Size, err)
		}
	}
	return nil
}

// finish lets the server close first: the waiting of a closed connection (TIME_WAIT)
// is then the server's, and takes none of the client's ports.
func (c *client) finish(conn *connection) {
	_, _ = conn.in.Read(c.buf[:1])
	c.account(conn)
	conn.stop()
	_ = conn.Close()
}

// account takes TCP's own count of a connection; that there is none fails nothing.
func (c *client) account(conn *connection) {
	if info, err := site.TCPInfo(conn.raw); err == nil {
		c.run.received.Add(info.Bytes_received)
		c.run.retransmits.Add(uint64(info.Total_retrans))
	}
}

// end closes what is kept alive.
func (c *client) end() {
	if c.conn != nil {
		c.account(c.conn)
		c.conn.stop()
		_ = c.conn.Close()
	}
}

// closed leaves out that a connection was closed already.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
