// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	_ = exec.Command("modprobe", "-a", "tls", "gcm", "ctr", "ghash-generic", "chacha20poly1305", "tcp_diag").Run()
}

// unloadTLS takes TLS out of the kernel, which may not load it again before the test's end.
func unloadTLS(t *testing.T) {
	t.Helper()
	const path = "/proc/sys/kernel/modprobe"
	program, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte("\n"), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(path, program, 0); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat("/sys/module/mlx5_core"); err == nil {
		t.Skip("the card's driver holds the kernel's TLS: run this without a card")
	}
	if out, err := exec.Command("modprobe", "-r", "tls").CombinedOutput(); err != nil {
		t.Fatalf("modprobe -r tls: %v\n%s", err, out)
	}
}

var suites = []struct {
	name    string // as openssl calls it
	id      uint16
	version uint16
	kernel  uint16
}{
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, 51},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, 52},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, 54},
	{"TLS_AES_128_GCM_SHA256", tls.TLS_AES_128_GCM_SHA256, tls.VersionTLS13, 51},
	{"TLS_AES_256_GCM_SHA384", tls.TLS_AES_256_GCM_SHA384, tls.VersionTLS13, 52},
	{"TLS_CHACHA20_POLY1305_SHA256", tls.TLS_CHACHA20_POLY1305_SHA256, tls.VersionTLS13, 54},
}

// pair is a kTLS connection with kTLS at both ends, made by a handshake where
// crypto/tls comes to the suite.
func pair(t *testing.T, id uint16) (client, server *Conn) {
	t.Helper()
	needLab(t)
	a, b := loopback(t)
	if id == tls.TLS_AES_256_GCM_SHA384 || id == tls.TLS_CHACHA20_POLY1305_SHA256 {
		up, down := traffic(id)
		var err error
		if client, err = Attach(a, up); err != nil {
			t.Fatal(err)
		}
		if server, err = Attach(b, down); err != nil {
			t.Fatal(err)
		}
	} else {
		clientConfig, serverConfig := configs(t, id)
		done := make(chan error, 1)
		go func() {
			var err error
			server, err = Server(t.Context(), b, serverConfig)
			done <- err
		}()
		var err error
		client, err = Client(t.Context(), a, clientConfig)
		if err = errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*Conn{client, server} {
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return client, server
}

// traffic is what a handshake might leave to either side.
func traffic(id uint16) (client, server Traffic) {
	su, _ := suiteOf(id)
	b := randomBytes(2 * su.hash().Size())
	up, down := b[:len(b)/2], b[len(b)/2:]
	return Traffic{Suite: id, Send: up, Receive: down}, Traffic{Suite: id, Send: down, Receive: up}
}

// half is a kTLS connection with the test at the other end, which makes the records
// of TLS 1.3 with AES-128-GCM by itself.
func half(t *testing.T) (c *Conn, peer *testPeer) {
	t.Helper()
	needLab(t)
	a, b := loopback(t)
	if err := errors.Join(a.SetWriteBuffer(1<<16), b.SetReadBuffer(1<<16)); err != nil {
		t.Fatal(err)
	}
	ours, theirs := traffic(tls.TLS_AES_128_GCM_SHA256)
	c, err := Attach(a, ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := errors.Join(c.SetDeadline(time.Now().Add(60*time.Second)), b.SetDeadline(time.Now().Add(60*time.Second))); err != nil {
		t.Fatal(err)
	}
	peer = &testPeer{t: t, conn: b}
	peer.su, _ = suiteOf(ours.Suite)
	if err := errors.Join(peer.send.from(peer.su, theirs.Send), peer.receive.from(peer.su, theirs.Receive)); err != nil {
		t.Fatal(err)
	}
	peer.sendSecret.size = copy(peer.sendSecret.bytes[:], theirs.Send)
	peer.receiveSecret.size = copy(peer.receiveSecret.bytes[:], theirs.Receive)
	return c, peer
}

type testPeer struct {
	t                         *testing.T
	conn                      io.ReadWriter
	su                        suite
	send, receive             direction
	sendSecret, receiveSecret secret
}

func (p *testPeer) record(kind byte, plain string) {
	p.t.Helper()
	if _, err := p.conn.Write(seal(p.t, &p.send, p.su, kind, plain)); err != nil {
		p.t.Fatal(err)
	}
}

// wants reads a record and compares.
func (p *testPeer) wants(kind byte, plain string) {
	p.t.Helper()
	if k, got := open(p.t, &p.receive, p.su, next(p.t, p.conn)); k != kind || string(got) != plain {
		p.t.Fatalf("got %x of type %d, want %x of type %d", got, k, plain, kind)
	}
}

// follow goes on with the next keys of a direction.
func (p *testPeer) follow(s *secret, d *direction) {
	p.t.Helper()
	var err error
	*d = direction{}
	if *s, err = s.next(p.su); err == nil {
		err = d.from(p.su, s.get())
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{7})
	_, _ = rng.Read(b)
	return b
}

func file(t *testing.T, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
