// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// The other end is crypto/tls alone, which as a server sends a ticket at once and
// follows changes of keys.
func TestLabCryptoTLS(t *testing.T) {
	needLab(t)
	data := randomBytes(200_001)
	for _, suite := range suites {
		if suite.id == tls.TLS_AES_256_GCM_SHA384 || suite.id == tls.TLS_CHACHA20_POLY1305_SHA256 {
			continue // which crypto/tls does not come to
		}
		for _, client := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, client %t", suite.name, client), func(t *testing.T) {
				clientConfig, serverConfig := configs(t, suite.id)
				for _, c := range []*tls.Config{clientConfig, serverConfig} {
					c.MaxVersion = suite.version // CipherSuites does not keep crypto/tls from 1.3
				}
				a, b := loopback(t)
				other := tls.Server(b, serverConfig)
				if !client {
					other = tls.Client(b, clientConfig)
				}
				echoed := make(chan error, 1)
				go func() { // crypto/tls sends back what comes, until the end
					got, err := io.ReadAll(other)
					if err == nil {
						_, err = other.Write(got)
					}
					echoed <- errors.Join(err, other.Close())
				}()
				c, err := handshake(t.Context(), a, map[bool]*tls.Config{true: clientConfig, false: serverConfig}[client], client)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				half := len(data) / 2
				if _, err := c.Write(data[:half]); err != nil {
					t.Fatal(err)
				}
				if suite.version == tls.VersionTLS13 && newKeys(t) {
					if err := c.Rekey(true); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := c.Write(data[half:]); err != nil {
					t.Fatal(err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(c)
				if err = errors.Join(err, <-echoed); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Fatal(err)
				}
				if !bytes.Equal(got, data) {
					t.Errorf("%d other bytes came back for %d", len(got), len(data))
				}
			})
		}
	}
}

// The kernel reads padded records also when told that there are none, and counts them.
func TestLabPadding(t *testing.T) {
	for _, expect := range []bool{true, false} {
		c, peer := half(t)
		if err := c.SetExpectNoPad(expect); err != nil {
			t.Fatal(err)
		}
		before := tlsStat(t, "TlsRxNoPadViolation")
		peer.record(0, "padded\x17\x00\x00\x00") // what seal takes for the type is padding too
		p := make([]byte, 1<<14)
		if n, err := c.Read(p); err != nil || string(p[:n]) != "padded" {
			t.Errorf("read %q, %v", p[:n], err)
		}
		if moved := tlsStat(t, "TlsRxNoPadViolation") - before; (moved > 0) != expect {
			t.Errorf("expecting no padding, %t: the kernel counts %d violations", expect, moved)
		}
	}
}
