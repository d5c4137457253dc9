// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func to(l *net.TCPListener) func(context.Context, int) (*net.TCPConn, error) {
	return func(ctx context.Context, _ int) (*net.TCPConn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}
}

func config() Config {
	return Config{Streams: 3, Size: 64 << 10, Warm: 10 * time.Millisecond, Window: 50 * time.Millisecond, Transfers: 20, Limit: 20 * time.Second, Token: NewToken()}
}

func TestWhatIsSentArrivesAndIsCounted(t *testing.T) {
	l, c := listen(t), config()
	// A stranger, and one of a run that is over, are not counted.
	stranger, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Write(append(make([]byte, 16), "who is there?"...)); err != nil {
		t.Fatal(err)
	}
	type result struct {
		Sent
		err error
	}
	sent := make(chan result, 1)
	go func() {
		s, err := Send(t.Context(), c, to(l))
		sent <- result{s, err}
	}()
	edges := ""
	got, err := Receive(t.Context(), l, c, func(open bool) { edges += map[bool]string{true: "(", false: ")"}[open] })
	if err != nil {
		t.Fatal(err)
	}
	s := <-sent
	if s.err != nil {
		t.Fatal(s.err)
	}
	// The kernel may take the last write in part, and say nothing of it: the sender then knows of less.
	switch {
	case edges != "()":
		t.Errorf("the edges are %q", edges)
	case got.Bytes < 20*c.Size || got.Short || got.Seconds < c.Window.Seconds():
		t.Errorf("measured %+v", got)
	case got.All < got.Bytes || s.Bytes+uint64(c.Streams)*c.Size < got.All:
		t.Errorf("sent %+v, received %+v", s.Sent, got)
	case got.Least == 0 || got.Least*3 > got.All:
		t.Errorf("the least stream of three had %d of %d bytes", got.Least, got.All)
	case s.Segments == 0:
		t.Errorf("TCP sent no segment: %+v", s.Sent)
	}
}

func TestWhatDoesNotComeIsAnError(t *testing.T) {
	l, c := listen(t), config()
	c.Window, c.Limit = time.Millisecond, 20*time.Millisecond
	edge := func(bool) {}
	if _, err := Receive(t.Context(), l, c, edge); !isTimeout(err) || !strings.Contains(err.Error(), "with 0 of 3 streams") {
		t.Errorf("nobody connects: %v", err)
	}
	connect := func() (conns []net.Conn) {
		for range c.Streams {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := conn.Write(c.Token[:]); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		return conns
	}
	connect()
	if _, err := Receive(t.Context(), l, c, edge); !errors.Is(err, ErrStill) {
		t.Errorf("nothing is sent: %v", err)
	}
	for _, conn := range connect() {
		conn.Close()
	}
	if _, err := Receive(t.Context(), l, c, edge); err == nil || !strings.Contains(err.Error(), "ended too early") {
		t.Errorf("the sender goes: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Receive(ctx, l, c, edge); !errors.Is(err, context.Canceled) {
		t.Errorf("the context has ended: %v", err)
	}
	refuse := func(context.Context, int) (*net.TCPConn, error) { return nil, unix.ECONNREFUSED }
	if _, err := Send(t.Context(), c, refuse); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestCheck(t *testing.T) {
	good := config()
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"0 streams": func(c *Config) { c.Streams = 0 }, "transfers of 0 bytes": func(c *Config) { c.Size = 0 }, "a window of 0s": func(c *Config) { c.Window = 0 },
	} {
		c := config()
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
