// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newKeys says by the kernel's version whether it can change keys, and leaves the
// rest of the test if it is not as wanted.
func newKeys(t *testing.T) bool {
	t.Helper()
	needLab(t)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 14
}

const (
	updateOnly    = "\x18\x00\x00\x01\x00"
	updateRequest = "\x18\x00\x00\x01\x01"
)

// rekeys reads how often the kernel changed keys, and failed to.
func rekeys(t *testing.T) (tx, rx, failed int) {
	t.Helper()
	b, err := os.ReadFile("/proc/net/tls_stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var name string
		var n int
		if _, err := fmt.Sscan(line, &name, &n); err != nil {
			t.Fatal(err)
		}
		switch name {
		case "TlsTxRekeyOk":
			tx = n
		case "TlsRxRekeyOk":
			rx = n
		case "TlsTxRekeyError", "TlsRxRekeyError":
			failed += n
		}
	}
	return tx, rx, failed
}

func TestLabRekey(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			client, server := pair(t, suite.id)
			tx, rx, failed := rekeysIf(t)
			err := client.Rekey(true)
			switch {
			case suite.version != tls.VersionTLS13:
				if !errors.Is(err, ErrNotTLS13) {
					t.Errorf("on TLS 1.2: %v", err)
				}
			case !newKeys(t):
				if !errors.Is(err, ErrNoRekey) {
					t.Errorf("on this kernel: %v", err)
				}
			default:
				if err != nil {
					t.Fatal(err)
				}
				flowing(t, client, server)
				tx2, rx2, failed2 := rekeys(t)
				if tx2-tx < 12 || rx2-rx < 12 || failed2 != failed {
					t.Errorf("the kernel counts %d and %d changes of keys, and %d failures", tx2-tx, rx2-rx, failed2-failed)
				}
			}
			// Whatever became of it, the connection is as good as before.
			if _, err := client.Write([]byte("still here")); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 99)
			if n, err := server.Read(p); err != nil || string(p[:n]) != "still here" {
				t.Errorf("read %q, %v", p[:n], err)
			}
		})
	}
}

func rekeysIf(t *testing.T) (tx, rx, failed int) {
	t.Helper()
	if !newKeys(t) {
		return 0, 0, 0
	}
	return rekeys(t)
}

// flowing sends both ways at once while both sides change keys, with and without
// asking for the other's.
func flowing(t *testing.T, client, server *Conn) {
	t.Helper()
	const rounds = 6
	data := randomBytes(300_001)
	done := make(chan error, 4)
	for _, c := range []*Conn{client, server} {
		go func() {
			for i := range rounds {
				_, err := c.Write(data)
				if err = errors.Join(err, c.Rekey(i%2 == 0)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		go func() {
			got := make([]byte, rounds*len(data))
			_, err := io.ReadFull(c, got)
			if err == nil && !bytes.Equal(got, bytes.Repeat(data, rounds)) {
				err = errors.New("other bytes arrived")
			}
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// The peer changes its keys: with a KeyUpdate that comes by itself or after a ticket,
// read in any pieces.
func TestLabPeerRekeys(t *testing.T) {
	for _, size := range []int{1, 4, 5, 999} {
		c, peer := half(t)
		read := func(want string) error {
			t.Helper()
			p := make([]byte, size)
			var got []byte
			for len(got) < len(want) {
				n, err := c.Read(p)
				if err != nil {
					return err
				}
				got = append(got, p[:n]...)
			}
			if string(got) != want {
				t.Errorf("read %q, want %q", got, want)
			}
			return nil
		}
		peer.record(recordData, "before")
		if err := read("before"); err != nil {
			t.Fatal(err)
		}
		peer.record(recordHandshake, updateOnly)
		peer.follow(&peer.sendSecret, &peer.send)
		peer.record(recordData, "after")
		err := read("after")
		if !newKeys(t) {
			if !errors.Is(err, ErrNoRekey) || !strings.Contains(err.Error(), "Linux 6.14") {
				t.Errorf("got %v, want ErrNoRekey", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		peer.record(recordHandshake, string(ticket(60))+updateRequest)
		peer.follow(&peer.sendSecret, &peer.send)
		peer.record(recordData, "once more")
		if err := read("once more"); err != nil {
			t.Fatal(err)
		}
		peer.wants(recordHandshake, updateOnly) // it needs no Write of c's
		peer.follow(&peer.receiveSecret, &peer.receive)
		if _, err := c.Write([]byte("as asked")); err != nil {
			t.Fatal(err)
		}
		peer.wants(recordData, "as asked")
		if err := c.Rekey(true); err != nil {
			t.Fatal(err)
		}
		peer.wants(recordHandshake, updateRequest)
		peer.follow(&peer.receiveSecret, &peer.receive)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		peer.wants(recordAlert, "\x01\x00")
		if err := c.Rekey(false); !errors.Is(err, errWriteEnded) {
			t.Errorf("after CloseWrite: %v", err)
		}
	}
}

// The answer to a request has to wait for a Write that waits for the peer; Read goes
// on meanwhile, and a write deadline that has passed harms nothing.
func TestLabAnswerWaits(t *testing.T) {
	if !newKeys(t) {
		return // TestLabPeerRekeys says what then
	}
	c, peer := half(t)
	data := randomBytes(2 << 20) // more than the sockets hold
	wrote := make(chan error, 1)
	go func() { _, err := c.Write(data); wrote <- err }()
	first := make([]byte, recordHeader)
	if _, err := io.ReadFull(peer.conn, first); err != nil { // the Write has begun
		t.Fatal(err)
	}
	peer.conn = struct {
		io.Reader
		io.Writer
	}{io.MultiReader(bytes.NewReader(first), peer.conn), peer.conn}
	peer.record(recordHandshake, updateRequest)
	peer.follow(&peer.sendSecret, &peer.send)
	peer.record(recordData, "read me")
	p := make([]byte, 99)
	if n, err := c.Read(p); err != nil || string(p[:n]) != "read me" {
		t.Fatalf("read %q, %v", p[:n], err)
	}
	var got []byte
	for len(got) < len(data) {
		kind, plain := open(t, &peer.receive, peer.su, next(t, peer.conn))
		if kind != recordData {
			t.Fatalf("a record of type %d within the data", kind)
		}
		got = append(got, plain...)
	}
	if err := <-wrote; err != nil || !bytes.Equal(got, data) {
		t.Fatalf("the data did not arrive: %v", err)
	}
	peer.wants(recordHandshake, updateOnly)
	peer.follow(&peer.receiveSecret, &peer.receive)

	if err := c.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	peer.record(recordHandshake, updateRequest)
	peer.follow(&peer.sendSecret, &peer.send)
	peer.record(recordData, "again")
	if n, err := c.Read(p); err != nil || string(p[:n]) != "again" {
		t.Fatalf("read %q, %v", p[:n], err)
	}
	if err := c.Rekey(false); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
	if err := c.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	peer.wants(recordHandshake, updateOnly)
	peer.follow(&peer.receiveSecret, &peer.receive)
	peer.wants(recordData, "late")
}
