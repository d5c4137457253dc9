// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	_ = exec.Command("modprobe", "-a", "tls", "gcm", "ctr", "ghash-generic", "tcp_diag").Run()
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

var suites = map[string]struct {
	id     uint16
	kernel uint16
}{
	"ECDHE-ECDSA-AES128-GCM-SHA256": {tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 51},
	"ECDHE-ECDSA-AES256-GCM-SHA384": {tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 52},
}

// pair is a kTLS connection with kTLS at both ends.
func pair(t *testing.T, suite uint16) (client, server *Conn) {
	t.Helper()
	needLab(t)
	clientConfig, serverConfig := configs(t, suite)
	a, b := loopback(t)
	done := make(chan error, 1)
	go func() {
		var err error
		server, err = Server(t.Context(), b, serverConfig)
		done <- err
	}()
	client, err := Client(t.Context(), a, clientConfig)
	if err = errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	for _, c := range []*Conn{client, server} {
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return client, server
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

func TestLabBothDirectionsAtOnce(t *testing.T) {
	for name, suite := range suites {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, suite.id)
			up, down := randomBytes(1<<20+17), randomBytes(1<<20-3)
			send := func(c *Conn, b []byte, done chan error) {
				_, err := c.Write(b)
				done <- errors.Join(err, c.CloseWrite())
			}
			done := make(chan error, 2)
			go send(client, up, done)
			go send(server, down, done)
			got := make(chan []byte, 1)
			go func() {
				b, err := io.ReadAll(server)
				done <- err
				got <- b
			}()
			back, err := io.ReadAll(client)
			if err = errors.Join(err, <-done, <-done, <-done); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(<-got, up) || !bytes.Equal(back, down) {
				t.Error("the bytes are not those that were sent")
			}
			for _, c := range []*Conn{client, server} {
				s, err := c.State()
				if err != nil {
					t.Fatal(err)
				}
				if want := (State{Version: tls.VersionTLS12, Cipher: suite.kernel, Tx: Software, Rx: Software}); s != want {
					t.Errorf("state %+v, want %+v", s, want)
				}
				ss, err := exec.Command("ss", "-Htie", "sport", "=", fmt.Sprint(c.LocalAddr().(*net.TCPAddr).Port)).CombinedOutput()
				if err != nil || !strings.Contains(string(ss), "rxconf: sw txconf: sw") {
					t.Errorf("ss says otherwise: %v\n%s", err, ss)
				}
			}
			if n, err := client.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("reading on gave %d, %v; want io.EOF again", n, err)
			}
			if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("writing after CloseWrite gave %v", err)
			}
		})
	}
}

func TestLabReadFromFile(t *testing.T) {
	client, server := pair(t, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	data := randomBytes(5<<20 + 1)
	f := file(t, data)
	for _, c := range []struct {
		name string
		r    io.Reader
		want []byte
	}{
		{"a part of the file", &io.LimitedReader{R: f, N: 100_001}, data[:100_001]},
		{"the rest of the file", f, data[100_001:]},
		{"a file at its end", f, nil},
		{"what is no file", strings.NewReader("words"), []byte("words")},
	} {
		done := make(chan error, 1)
		go func() {
			n, err := client.ReadFrom(c.r)
			if err == nil && n != int64(len(c.want)) {
				err = fmt.Errorf("ReadFrom says %d", n)
			}
			done <- err
		}()
		got := make([]byte, len(c.want))
		// All of it arrives though nothing is written after it.
		if _, err := io.ReadFull(server, got); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := <-done; err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s: other bytes arrived", c.name)
		}
	}
}

func TestLabDeadlines(t *testing.T) {
	client, server := pair(t, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	if err := client.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var p [8]byte
	var timeout net.Error
	if _, err := client.Read(p[:]); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
	if err := client.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write([]byte("later")); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(p[:]); err != nil || string(p[:n]) != "later" {
		t.Errorf("after a new deadline: %q, %v", p[:n], err)
	}
	reading := make(chan error, 1)
	go func() { _, err := client.Read(p[:]); reading <- err }()
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-reading; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a Read that waited while the connection was closed got %v", err)
	}
	if _, err := io.ReadAll(server); err != nil {
		t.Errorf("the peer of a Close reads %v, want the end", err)
	}
}

func TestLabEnds(t *testing.T) {
	t.Run("one byte at a time", func(t *testing.T) {
		client, server := pair(t, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)
		if _, err := client.Write([]byte("ab")); err != nil {
			t.Fatal(err)
		}
		if err := client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		var p [1]byte
		for _, want := range "ab" {
			if n, err := server.Read(p[:]); n != 1 || err != nil || rune(p[0]) != want {
				t.Fatalf("%q, %v", p[:n], err)
			}
		}
		if _, err := server.Read(p[:]); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want io.EOF", err)
		}
	})
	t.Run("TCP ends without close_notify", func(t *testing.T) {
		client, server := pair(t, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
		if err := client.tcp.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(make([]byte, 9)); !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want ErrTruncated", err)
		}
	})
	t.Run("a fatal alert", func(t *testing.T) {
		client, server := pair(t, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
		if err := client.sendAlert(alertWarning, 90); err != nil { // user_canceled: passed over
			t.Fatal(err)
		}
		if err := client.sendAlert(2, 20); err != nil {
			t.Fatal(err)
		}
		var alert tls.AlertError
		if _, err := server.Read(make([]byte, 9)); !errors.As(err, &alert) || alert != 20 {
			t.Errorf("got %v, want the alert bad_record_mac", err)
		}
	})
}
