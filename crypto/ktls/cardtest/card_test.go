// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/crypto/ktls"
)

// pair is a connection from b to a. crypto/tls comes to one suite of TLS 1.3 only; the
// others are made without a handshake.
func pair(t *testing.T, suite uint16) (a, b *ktls.Conn) {
	t.Helper()
	l := listen(t)
	tcpB, err := dial(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tcpA, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	if suite == tls.TLS_AES_256_GCM_SHA384 || suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		up, down := make([]byte, 48), make([]byte, 48)
		_, _ = rand.Read(up)
		_, _ = rand.Read(down)
		if suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
			up, down = up[:32], down[:32]
		}
		if a, err = ktls.Attach(tcpA, ktls.Traffic{Suite: suite, Send: down, Receive: up}); err == nil {
			b, err = ktls.Attach(tcpB, ktls.Traffic{Suite: suite, Send: up, Receive: down})
		}
	} else {
		id := newIdentity(t)
		done := make(chan error, 1)
		go func() {
			var err error
			a, err = ktls.Server(t.Context(), tcpA, id.server(suite))
			done <- err
		}()
		b, err = ktls.Client(t.Context(), tcpB, id.client(suite))
		err = errors.Join(err, <-done)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*ktls.Conn{a, b} {
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

// ss is what the kernel tells another program of a connection.
func ss(t *testing.T, ns string, c *ktls.Conn) string {
	t.Helper()
	return ip(t, inNS(ns, "ss", "-Htie", "sport", "=", fmt.Sprint(c.LocalAddr().(*net.TCPAddr).Port))...)
}

// TLS 1.2 with AES-GCM is the card's, both ways, and all else is the kernel's; the
// kernel's word for it is that of ss, and the card's counters are of what was sent.
func TestLabCardTakesWhatItCan(t *testing.T) {
	namespaces(t)
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			a, b := pair(t, suite.id)
			want, word := ktls.State{Version: suite.version, Cipher: suite.kernel, Tx: ktls.Software, Rx: ktls.Software}, "sw"
			if suite.card {
				want.Tx, want.Rx, word = ktls.Hardware, ktls.Hardware, "hw"
			}
			for ns, c := range map[string]*ktls.Conn{"a": a, "b": b} {
				if got, err := c.State(); err != nil || got != want {
					t.Errorf("in %s: %+v, %v; want %+v", ns, got, err, want)
				}
				if got := ss(t, ns, c); !strings.Contains(got, "rxconf: "+word+" txconf: "+word) {
					t.Errorf("in %s ss says otherwise:\n%s", ns, got)
				}
			}
			sent, received := counter(t, "a", "tx_tls_encrypted_bytes"), counter(t, "b", "rx_tls_decrypted_bytes")
			data := make([]byte, 1_000_003)
			_, _ = rand.Read(data)
			path := filepath.Join(t.TempDir(), "data")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if suite.card {
				if err := a.SetZeroCopySendfile(true); err != nil {
					t.Fatal(err)
				}
				if got := ss(t, "a", a); !strings.Contains(got, "zc_ro_tx") {
					t.Errorf("ss does not see zero-copy sendfile:\n%s", got)
				}
			}
			done := make(chan error, 1)
			go func() {
				f, err := os.Open(path)
				if err == nil {
					_, err = a.ReadFrom(f)
					_ = f.Close()
				}
				done <- errors.Join(err, a.CloseWrite())
			}()
			got, err := io.ReadAll(b)
			if err = errors.Join(err, <-done); err != nil {
				t.Fatal(err)
			}
			same(t, "from a", got, data)
			if _, err := b.Write(data[:70_001]); err != nil { // the other half is still open
				t.Fatal(err)
			}
			back := make([]byte, 70_001)
			if _, err := io.ReadFull(a, back); err != nil {
				t.Fatal(err)
			}
			same(t, "from b", back, data[:70_001])
			sent, received = counter(t, "a", "tx_tls_encrypted_bytes")-sent, counter(t, "b", "rx_tls_decrypted_bytes")-received
			if suite.card && (sent < len(data) || received < len(data)*9/10) || !suite.card && sent+received != 0 {
				t.Errorf("the card says that it encrypted %d bytes and decrypted %d of %d", sent, received, len(data))
			}
		})
	}
}

// With the offload switched off the kernel does the same work.
func TestLabOffloadOff(t *testing.T) {
	namespaces(t)
	ip(t, inNS("a", "ethtool", "-K", "vf0", "tls-hw-tx-offload", "off")...)
	defer ip(t, inNS("a", "ethtool", "-K", "vf0", "tls-hw-tx-offload", "on")...)
	a, b := pair(t, suites[0].id)
	if got, err := a.State(); err != nil || got.Tx != ktls.Software || got.Rx != ktls.Hardware {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := a.Write([]byte("in software")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 99)
	if n, err := b.Read(p); err != nil || string(p[:n]) != "in software" {
		t.Errorf("read %q, %v", p[:n], err)
	}
}
