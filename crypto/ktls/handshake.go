// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Client does the handshake of a TLS client on conn and gives the connection to
// the kernel. Of config it uses all but what the kernel cannot take: of what
// MinVersion and MaxVersion allow, TLS 1.2 and 1.3 remain, and of CipherSuites
// those with AES-GCM and ChaCha20-Poly1305. CipherSuites may name suites of TLS
// 1.3 as well, unlike in crypto/tls; if it is not nil, a version of which it names
// no suite is not offered, and to come to a suite that it does not name is
// ErrSuite. A KeyLogWriter keeps working. The handshake ends with ctx. conn
// belongs to the Conn from then on, and is closed when there is an error:
// ErrNotOffered, ErrSuite, ErrNoKernelTLS, the errors of crypto/tls, and the errno
// of the kernel.
func Client(ctx context.Context, conn *net.TCPConn, config *tls.Config) (*Conn, error) {
	return handshake(ctx, conn, config, true)
}

// Server is Client for the other side. It gives session tickets in TLS 1.2 only,
// which are not resumed across connections unless config.SetSessionTicketKeys was
// called.
func Server(ctx context.Context, conn *net.TCPConn, config *tls.Config) (*Conn, error) {
	return handshake(ctx, conn, config, false)
}

func handshake(ctx context.Context, conn *net.TCPConn, config *tls.Config, client bool) (*Conn, error) {
	keys := &keyLog{}
	defer keys.secrets.wipe()
	c, err := negotiate(ctx, conn, config, client, keys)
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return c, nil
}

// ignoreClosed leaves out that a connection was closed already: crypto/tls
// closes it when the context ends.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func negotiate(ctx context.Context, conn *net.TCPConn, config *tls.Config, client bool, keys *keyLog) (*Conn, error) {
	peer := conn.RemoteAddr()
	config, err := restrict(config, keys)
	if err != nil {
		return nil, fmt.Errorf("ktls: handshake with %v: %w", peer, err)
	}
	t := &tap{Conn: conn}
	side, random := tls.Server, t.toPeer.random
	if client {
		side, random = tls.Client, t.fromPeer.random
	}
	tc := side(t, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("ktls: handshake with %v: %w", peer, err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("ktls: handshake with %v: %w", peer, err)
	}
	state := tc.ConnectionState()
	su, ok := suiteOf(state.CipherSuite)
	if !ok || state.Version != su.version {
		return nil, fmt.Errorf("ktls: handshake with %v: %s with %s is not for the kernel", peer, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	}
	keys.secrets.serverRandom, keys.secrets.haveServer = random()
	fromClient, fromServer, err := keys.secrets.derive(su)
	defer func() { fromClient, fromServer = direction{}, direction{} }()
	if err != nil {
		return nil, fmt.Errorf("ktls: handshake with %v: %w", peer, err)
	}
	send, receive, sendSecret, receiveSecret := &fromServer, &fromClient, &keys.secrets.server, &keys.secrets.client
	if client {
		send, receive, sendSecret, receiveSecret = receive, send, receiveSecret, sendSecret
	}
	c, err := give(conn, su, send, receive)
	if err != nil {
		return nil, err
	}
	c.state, c.txSecret, c.rxSecret = state, *sendSecret, *receiveSecret
	return c, nil
}

// give gives the kernel the keys of both directions.
func give(conn *net.TCPConn, su suite, send, receive *direction) (*Conn, error) {
	raw, err := conn.SyscallConn()
	if err == nil {
		err = handOver(raw, su, send, receive)
	}
	if err != nil {
		return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: %w", conn.RemoteAddr(), err)
	}
	return newConn(conn, raw, su), nil
}
