// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Alerts that are not errors (RFC 8446 6), and the level that TLS 1.2 has.
const (
	alertWarning      = 1
	alertCloseNotify  = 0
	alertUserCanceled = 90
)

// Handshake messages that come after the handshake (RFC 8446 4).
const (
	helloRequest     = 0 // TLS 1.2
	newSessionTicket = 4
	keyUpdate        = 24

	messageHeader = 4
	maxTicket     = 1 << 17 // a NewSessionTicket is shorter: 2^16 each of ticket and extensions
)

// control reads what comes in records of other types than data, in any pieces.
type control struct {
	alert []byte // of an alert that did not come whole
	head  [messageHeader + 1]byte
	have  int // of head: the header, and the first byte of the body
	left  int // bytes of the message's body to come
}

// cutShort says that a record of this type comes where a message or an alert has to
// go on.
func (c *control) cutShort(kind byte) bool {
	return c.inMessage() && kind != recordHandshake && kind != recordAlert || len(c.alert) > 0 && kind != recordAlert
}

// inMessage says that the next record has to go on with a handshake message.
func (c *control) inMessage() bool { return c.have > 0 }

var (
	errMessage   = errors.New("ktls: the peer sent a handshake message or an alert that is none, or one cut short")
	errKeyUpdate = errors.New("ktls: the peer sent a KeyUpdate that is none")
)

// readAlert takes bytes of alert records; nil is a warning that may be passed over,
// or an alert of which there is more to come.
func (c *control) readAlert(p []byte, version uint16) error {
	for _, b := range p {
		if c.alert = append(c.alert, b); len(c.alert) < 2 {
			continue
		}
		level, description := c.alert[0], c.alert[1]
		c.alert = c.alert[:0]
		switch {
		case description == alertCloseNotify:
			return io.EOF
		case description == alertUserCanceled, level == alertWarning && version == tls.VersionTLS12:
		default: // in TLS 1.3 whatever its level
			return fmt.Errorf("ktls: the peer ended the connection: %w", tls.AlertError(description))
		}
	}
	return nil
}

// update is what a handshake message wants.
type update int

const (
	nothing         update = iota
	peerUpdated            // the peer's next record is made with its next keys
	updateRequested        // and ours shall be
)

// readMessage takes bytes of handshake records up to the end of a message, and says
// what the message wants and how many bytes it took. Tickets are passed over.
func (c *control) readMessage(p []byte, version uint16) (want update, n int, err error) {
	n = copy(c.head[c.have:messageHeader], p)
	if c.have < messageHeader {
		c.have += n
		if c.have < messageHeader {
			return nothing, n, nil
		}
		c.left = int(binary.BigEndian.Uint32(c.head[:]) & 0xffffff)
		if err := c.acceptable(version); err != nil {
			return nothing, n, err
		}
	} else {
		n = 0
	}
	if body := p[n:min(len(p), n+c.left)]; len(body) > 0 {
		c.head[messageHeader] = body[0] // the only one of a KeyUpdate
		c.left -= len(body)
		n += len(body)
	}
	if c.left > 0 {
		return nothing, n, nil
	}
	c.have = 0
	if c.head[0] != keyUpdate {
		return nothing, n, nil
	}
	switch {
	case len(p) > n: // RFC 8446 5.1: no record goes on across a change of keys
		return nothing, n, errKeyUpdate
	case c.head[messageHeader] == 0:
		return peerUpdated, n, nil
	case c.head[messageHeader] == 1:
		return updateRequested, n, nil
	default:
		return nothing, n, errKeyUpdate
	}
}

// acceptable judges the header of a message.
func (c *control) acceptable(version uint16) error {
	kind := c.head[0]
	switch {
	case version != tls.VersionTLS13 && kind == helloRequest:
		return errors.New("ktls: the peer asks for renegotiation, which the kernel does not do")
	case version != tls.VersionTLS13:
		return fmt.Errorf("ktls: the peer sent a handshake message of type %d: renegotiation, which the kernel does not do", kind)
	case kind == newSessionTicket && c.left > 0 && c.left <= maxTicket, kind == keyUpdate && c.left == 1:
		return nil
	case kind == keyUpdate:
		return errKeyUpdate
	case kind == newSessionTicket:
		return errMessage
	default:
		return fmt.Errorf("ktls: the peer sent a handshake message of type %d after the handshake", kind)
	}
}
