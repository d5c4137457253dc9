// SPDX-License-Identifier: Apache-2.0

// Package ovsdb talks to ovsdb-server over its UNIX socket: the requests of
// RFC 7047 that a look at Open vSwitch's configuration, one transaction and a
// wait for ovs-vswitchd need. Every call has a deadline, after which the
// connection is closed. Columns are kept as the server writes them, also those
// that nobody here knows, so that a row can be put back as it was.
package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// ErrNotRunning is found in the error of Dial when nobody listens.
var ErrNotRunning = errors.New("Open vSwitch is not running") //nolint:staticcheck // a name begins with a capital

// StartHint is what to do then.
const StartHint = "install and start it: apt install openvswitch-switch, systemctl start openvswitch-switch"

// CallTimeout is how long ovsdb-server may take to answer one call whose context
// sets no earlier end. It answers in milliseconds, and forks for nothing.
const CallTimeout = 15 * time.Second

// maxMessage is the most bytes of one message: a database of a thousand ports has a few million.
const maxMessage = 256 << 20

// Sockets are where ovsdb-server listens, by its own default and where /var/run
// is no link to /run.
func Sockets() []string {
	return []string{"/run/openvswitch/db.sock", "/var/run/openvswitch/db.sock"}
}

// Client is one connection. It is for one goroutine at a time.
type Client struct {
	path   string
	conn   net.Conn
	dec    *json.Decoder
	limit  *io.LimitedReader
	id     int
	events []Event // read while a reply was awaited
}

// Dial connects to the first of the sockets that is there. errors.Is(err,
// ErrNotRunning) when none is, or nobody listens.
func Dial(ctx context.Context, paths []string) (*Client, error) {
	path := ""
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, fmt.Errorf("%w: there is no socket %s (%s)", ErrNotRunning, strings.Join(paths, " or "), StartHint)
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: nobody listens on %s (%s)", ErrNotRunning, path, StartHint)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("OVSDB: connecting to %s: %w (it needs root)", path, err)
	case err != nil:
		return nil, fmt.Errorf("OVSDB: connecting to %s: %w (systemctl status openvswitch-switch)", path, err)
	}
	limit := &io.LimitedReader{R: conn, N: maxMessage}
	return &Client{path: path, conn: conn, dec: json.NewDecoder(limit), limit: limit}, nil
}

// Close ends the connection, if a call that failed has not yet.
func (c *Client) Close() error {
	if err := c.conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// message is any of JSON-RPC 1.0 (RFC 7047, 4).
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

// call sends a request and reads until its reply. What else arrives is kept for Next.
func (c *Client) call(ctx context.Context, method string, params, result any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, CallTimeout, fmt.Errorf("%v are over", CallTimeout))
	defer cancel()
	defer c.arm(ctx)()
	c.id++
	if err := c.send(map[string]any{"id": c.id, "method": method, "params": params}); err != nil {
		return c.broken(ctx, method, err)
	}
	for {
		m, err := c.read()
		if err != nil {
			return c.broken(ctx, method, err)
		}
		if string(m.ID) != fmt.Sprint(c.id) || m.Method != "" {
			continue
		}
		if len(m.Error) > 0 && string(m.Error) != "null" {
			return fmt.Errorf("OVSDB: %s at %s was refused: %s", method, c.path, m.Error)
		}
		if err := json.Unmarshal(m.Result, result); err != nil {
			return fmt.Errorf("OVSDB: the answer to %s at %s: %w (is it ovsdb-server that listens there?)", method, c.path, err)
		}
		return nil
	}
}

// arm makes reads and writes fail when ctx ends; the function it returns undoes it.
func (c *Client) arm(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// broken is the error of a connection that is of no use any more.
func (c *Client) broken(ctx context.Context, what string, err error) error {
	_ = c.conn.Close()
	if ctx.Err() != nil {
		return fmt.Errorf("OVSDB: %s: ovsdb-server does not answer at %s: %w (systemctl status openvswitch-switch, /var/log/openvswitch/ovsdb-server.log)", what, c.path, context.Cause(ctx))
	}
	return fmt.Errorf("OVSDB: %s: the connection to %s ended: %w (is it ovsdb-server that listens there? systemctl status openvswitch-switch)", what, c.path, err)
}

func (c *Client) send(m any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = c.conn.Write(b)
	return err
}

// read reads one message, answers it if it is an echo, and keeps its events.
func (c *Client) read() (message, error) { return c.readAtMost(maxMessage) }

func (c *Client) readAtMost(bytes int64) (message, error) {
	var m message
	c.limit.N = bytes
	if err := c.dec.Decode(&m); err != nil {
		if c.limit.N == 0 {
			return m, fmt.Errorf("a message of more than %d bytes", bytes)
		}
		return m, err
	}
	switch m.Method {
	case "echo": // RFC 7047, 4.1.11: who does not answer is cut off
		return m, c.send(map[string]any{"id": m.ID, "result": m.Params, "error": nil})
	case "update":
		events, err := parseUpdate(m.Params)
		c.events = append(c.events, events...)
		return m, err
	}
	return m, nil
}
