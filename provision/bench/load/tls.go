// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/nicwright/nicwright/crypto/ktls"
)

// Ciphers are those that can be measured, as the samples name them.
var Ciphers = []string{"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"}

// suites are those of a server with an ECDSA key.
var suites = map[string]map[string]uint16{
	"1.2": {
		"AES-128-GCM":       tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		"AES-256-GCM":       tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"ChaCha20-Poly1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	},
	"1.3": {
		"AES-128-GCM":       tls.TLS_AES_128_GCM_SHA256,
		"AES-256-GCM":       tls.TLS_AES_256_GCM_SHA384,
		"ChaCha20-Poly1305": tls.TLS_CHACHA20_POLY1305_SHA256,
	},
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

func (t *TLS) suite() (uint16, error) {
	s, ok := suites[t.Version][t.Cipher]
	if !ok {
		return 0, fmt.Errorf("TLS %q with %q: the versions are 1.2 and 1.3, the ciphers %q", t.Version, t.Cipher, Ciphers)
	}
	return s, nil
}

// config is of one client: a ticket of TLS 1.3 is good for one connection, so
// that clients do not take one another's.
func (t *TLS) config(roots *x509.CertPool) (*tls.Config, error) {
	suite, err := t.suite()
	if err != nil {
		return nil, err
	}
	v := versions[t.Version]
	c := &tls.Config{
		RootCAs: roots, ServerName: t.Name, MinVersion: v, MaxVersion: v,
		// The same in both versions, so that they compare. P-256 is for the certificate's key: a server of TLS 1.2 must
		// not use one on a curve that the client did not name.
		CurvePreferences:       []tls.CurveID{tls.X25519, tls.CurveP256},
		SessionTicketsDisabled: !t.Resume,
	}
	if v == tls.VersionTLS12 || t.Kernel {
		c.CipherSuites = []uint16{suite} // of 1.3 crypto/tls lets the server choose
	}
	if t.Resume {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	}
	return c, nil
}

// protect does the handshake, and refuses another suite than the one that is
// measured.
func (t *TLS) protect(ctx context.Context, raw *net.TCPConn, config *tls.Config) (net.Conn, bool, error) {
	want, err := t.suite()
	if err != nil {
		return nil, false, err
	}
	var conn net.Conn
	var state tls.ConnectionState
	if t.Kernel {
		k, err := ktls.Client(ctx, raw, config)
		if err != nil {
			return nil, false, err
		}
		conn, state = k, k.ConnectionState()
	} else {
		c := tls.Client(raw, config)
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, false, errors.Join(fmt.Errorf("the TLS handshake: %w", err), c.Close())
		}
		conn, state = c, c.ConnectionState()
	}
	if state.CipherSuite != want {
		return nil, false, errors.Join(fmt.Errorf("the server chose %s, and %s is measured", tls.CipherSuiteName(state.CipherSuite), tls.CipherSuiteName(want)), conn.Close())
	}
	return conn, state.DidResume, nil
}

func roots(pem []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, errors.New("the server's certificate is no PEM")
	}
	return p, nil
}
