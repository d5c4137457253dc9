// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// ErrNotOffered is returned when a tls.Config leaves nothing that the kernel can
// take over: it has to allow TLS 1.2 and one of the AES-GCM cipher suites.
var ErrNotOffered = errors.New("the tls.Config allows none of what the kernel can take: TLS 1.2 with an AES-GCM cipher suite")

// Client does the handshake of a TLS client on conn and gives the connection to
// the kernel. Of config it uses all but what the kernel cannot take: the version
// is 1.2 and the cipher suites are those of AES-GCM. A KeyLogWriter keeps
// working. The handshake ends with ctx. conn belongs to the Conn from then on,
// and is closed when there is an error: ErrNotOffered, ErrNoKernelTLS, the
// errors of crypto/tls, and the errno of the kernel.
func Client(ctx context.Context, conn *net.TCPConn, config *tls.Config) (*Conn, error) {
	return handshake(ctx, conn, config, true)
}

// Server is Client for the other side. Session tickets are not resumed across
// connections unless config.SetSessionTicketKeys was called.
func Server(ctx context.Context, conn *net.TCPConn, config *tls.Config) (*Conn, error) {
	return handshake(ctx, conn, config, false)
}

func handshake(ctx context.Context, conn *net.TCPConn, config *tls.Config, client bool) (*Conn, error) {
	keys := &keyLog{}
	defer func() { clear(keys.secrets.master[:]) }()
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
	suite, ok := cipherOf(state.CipherSuite)
	if !ok || state.Version != tls.VersionTLS12 {
		return nil, fmt.Errorf("ktls: handshake with %v: %s with %s is not for the kernel", peer, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	}
	keys.secrets.serverRandom, keys.secrets.haveServer = random()
	fromClient, fromServer, err := keys.secrets.derive(suite)
	defer func() { fromClient, fromServer = direction{}, direction{} }()
	if err != nil {
		return nil, fmt.Errorf("ktls: handshake with %v: %w", peer, err)
	}
	send, receive := &fromServer, &fromClient
	if client {
		send, receive = &fromClient, &fromServer
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: %w", peer, err)
	}
	if err := handOver(raw, suite, send, receive); err != nil {
		return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: %w", peer, err)
	}
	return newConn(conn, raw, state), nil
}

// restrict gives config without what the kernel cannot take, and with keys
// listening.
func restrict(config *tls.Config, keys *keyLog) (*tls.Config, error) {
	if config == nil {
		config = &tls.Config{}
	}
	c := config.Clone()
	if c.MinVersion > tls.VersionTLS12 || (c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS12) {
		return nil, ErrNotOffered
	}
	c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if c.CipherSuites == nil {
		for _, s := range tls.CipherSuites() {
			c.CipherSuites = append(c.CipherSuites, s.ID)
		}
	}
	c.CipherSuites = slices.DeleteFunc(slices.Clone(c.CipherSuites), func(id uint16) bool {
		_, ok := cipherOf(id)
		return !ok
	})
	if len(c.CipherSuites) == 0 {
		return nil, ErrNotOffered
	}
	keys.next = c.KeyLogWriter
	c.KeyLogWriter = keys
	if choose := c.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(info)
			if err != nil || chosen == nil {
				return nil, err
			}
			chosen = chosen.Clone()
			chosen.GetConfigForClient = nil // crypto/tls does not ask twice either
			return restrict(chosen, keys)
		}
	}
	return c, nil
}
