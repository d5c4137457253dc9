// SPDX-License-Identifier: Apache-2.0

// Package openflow reads and changes the flow tables of a bridge of Open vSwitch, over
// the bridge's management socket, in OpenFlow 1.4 (OpenFlow Switch Specification 1.4.0;
// ovs-vswitchd(8), ovs-fields(7), ovs-actions(7)). No kept Go library of it is served
// where nicwright is built; what is here is what filtering of VLANs takes.
package openflow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// version is OpenFlow 1.4, the first with bundles, which Open vSwitch speaks from 2.4 on.
const version = 5

// Types of messages (7.1.1).
const (
	typeHello     = 0
	typeError     = 1
	typeEchoAsk   = 2
	typeEchoReply = 3
	typeFlowMod   = 14
	typeMultiAsk  = 18
	typeMulti     = 19
	typeBundle    = 33
	typeBundleAdd = 34
)

const headerLen = 8

// maxFlows is more than anybody has of ours: an answer that is longer is none.
const maxFlows = 1 << 20

// look is what to look at when ovs-vswitchd does not answer.
const look = "systemctl status openvswitch-switch, /var/log/openvswitch/ovs-vswitchd.log"

// dirs are where ovs-vswitchd has the management sockets.
func dirs() []string { return []string{"/run/openvswitch", "/var/run/openvswitch"} }

// Conn is a connection to one bridge. It is of one goroutine.
type Conn struct {
	bridge string
	c      net.Conn
	stop   func() bool
	ctx    context.Context //nolint:containedctx // whose end cuts the connection
	xid    uint32
}

// Dial connects to a bridge; when ctx ends, the connection does. Errors: nobody listens, the bridge speaks no
// OpenFlow 1.4.
func Dial(ctx context.Context, bridge string) (*Conn, error) { return dialAt(ctx, dirs(), bridge) }

func dialAt(ctx context.Context, dirs []string, bridge string) (*Conn, error) {
	fail := func(err error) error {
		return fmt.Errorf("the flows of bridge %s: speaking OpenFlow with ovs-vswitchd: %w", bridge, err)
	}
	if filepath.Base(bridge) != bridge { // OVSDB does not let one be made, and its name becomes a path here
		return nil, fail(errors.New("the bridge's name is no name of a file"))
	}
	path := ""
	for _, d := range dirs {
		path = filepath.Join(d, bridge+".mgmt")
		if _, err := os.Stat(path); err == nil {
			break
		}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil, fail(fmt.Errorf("nobody listens: %w (%s)", err, look))
	}
	if err != nil {
		return nil, fail(err)
	}
	c := &Conn{bridge: bridge, c: conn, ctx: ctx, stop: context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })}
	if err := c.hello(); err != nil {
		return nil, errors.Join(fail(c.cause(err)), c.Close())
	}
	return c, nil
}

// Close ends the connection.
func (c *Conn) Close() error {
	c.stop()
	return c.c.Close()
}

// cause is the error of an act: the context's, where that is what cut the connection.
func (c *Conn) cause(err error) error {
	if err != nil && c.ctx.Err() != nil {
		return fmt.Errorf("it does not answer: %w (%s)", context.Cause(c.ctx), look)
	}
	return err
}

// hello agrees on the version: a peer that does not say what it speaks answers with an error (7.5.1).
func (c *Conn) hello() error {
	element := []byte{0, 1, 0, 8, 0, 0, 0, 1 << version} // OFPHET_VERSIONBITMAP
	if err := c.send(typeHello, c.next(), element); err != nil {
		return err
	}
	m, err := readMessage(c.c)
	if err != nil {
		return err
	}
	if m.kind == typeHello && m.speaks(version) {
		return nil
	}
	if m.kind == typeError {
		err = parseError(m.body)
	} else {
		err = errors.New("it speaks other versions")
	}
	return fmt.Errorf("%w: nicwright speaks OpenFlow 1.4, so that the column protocols of the bridge has to be empty or have it: ovs-vsctl add bridge %s protocols OpenFlow14", err, c.bridge)
}

func (c *Conn) next() uint32 {
	c.xid++
	return c.xid
}

func (c *Conn) send(kind byte, xid uint32, body []byte) error {
	b, err := encode(kind, xid, body)
	if err == nil {
		_, err = c.c.Write(b)
	}
	return err
}

func encode(kind byte, xid uint32, body []byte) ([]byte, error) {
	n := headerLen + len(body)
	if n > 0xffff {
		return nil, fmt.Errorf("a message of %d bytes is more than OpenFlow has", n)
	}
	b := append(make([]byte, 0, n), version, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = binary.BigEndian.AppendUint32(b, xid)
	return append(b, body...), nil
}

type message struct {
	version, kind byte
	xid           uint32
	body          []byte
}

func readMessage(r io.Reader) (message, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return message{}, err
	}
	n := int(binary.BigEndian.Uint16(h[2:]))
	if n < headerLen {
		return message{}, fmt.Errorf("a message says that it has %d bytes", n)
	}
	m := message{version: h[0], kind: h[1], xid: binary.BigEndian.Uint32(h[4:]), body: make([]byte, n-headerLen)}
	_, err := io.ReadFull(r, m.body)
	return m, err
}

// speaks tells whether a hello offers a version: by its bitmap, or where it has none, by its own.
func (m message) speaks(v int) bool {
	for b := m.body; len(b) >= 8; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if binary.BigEndian.Uint16(b) == 1 {
			return binary.BigEndian.Uint32(b[4:])>>v&1 == 1
		}
		if n = (n + 7) &^ 7; n < 8 || n > len(b) {
			break
		}
		b = b[n:]
	}
	return int(m.version) >= v
}

// answer waits for the answer of one kind to a request: what the bridge says by itself is passed over. An error that
// answers the message number since, or a later one, is an answer too.
func (c *Conn) answer(kind byte, xid, since uint32) ([]byte, error) {
	for {
		m, err := readMessage(c.c)
		switch {
		case err != nil:
			return nil, err
		case m.kind == typeEchoAsk:
			if err := c.send(typeEchoReply, m.xid, m.body); err != nil {
				return nil, err
			}
		case m.kind == typeError && m.xid >= since:
			return nil, parseError(m.body)
		case m.kind == kind && m.xid == xid:
			return m.body, nil
		}
	}
}
