// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// Traffic is what a TLS 1.3 handshake leaves: what the records that follow are
// made with.
type Traffic struct {
	// Suite is a TLS 1.3 cipher suite, such as tls.TLS_AES_256_GCM_SHA384.
	Suite uint16
	// Send and Receive are the traffic secrets of this side's records and of the
	// peer's, of the size of the suite's hash: what a key log calls
	// CLIENT_TRAFFIC_SECRET_0 and SERVER_TRAFFIC_SECRET_0.
	Send, Receive []byte
	// SendSequence and ReceiveSequence are the numbers of the next records: how many
	// were made with these secrets already.
	SendSequence, ReceiveSequence uint64
}

// Attach gives the kernel a connection on which another implementation of TLS 1.3
// did the handshake, and from which it read no byte too many. No two records may
// be made with the same secret and number. The caller wipes its secrets. conn
// belongs to the Conn from then on, and is closed when there is an error:
// ErrNoKernelTLS, one about the Traffic, and the errno of the kernel.
func Attach(conn *net.TCPConn, t Traffic) (*Conn, error) {
	c, err := attach(conn, t)
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return c, nil
}

func attach(conn *net.TCPConn, t Traffic) (*Conn, error) {
	su, ok := suiteOf(t.Suite)
	if !ok || su.version != tls.VersionTLS13 {
		return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: %s is no TLS 1.3 cipher suite that it takes", conn.RemoteAddr(), tls.CipherSuiteName(t.Suite))
	}
	send, receive := direction{sequence: t.SendSequence}, direction{sequence: t.ReceiveSequence}
	defer func() { send, receive = direction{}, direction{} }()
	err := send.from(su, t.Send)
	if err == nil {
		err = receive.from(su, t.Receive)
	}
	if err != nil {
		return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: %w", conn.RemoteAddr(), err)
	}
	c, err := give(conn, su, &send, &receive)
	if err != nil {
		return nil, err
	}
	c.state = tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: t.Suite, HandshakeComplete: true}
	c.txSecret.size, c.rxSecret.size = copy(c.txSecret.bytes[:], t.Send), copy(c.rxSecret.bytes[:], t.Receive)
	return c, nil
}
