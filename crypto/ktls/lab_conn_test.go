// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLabBothDirectionsAtOnce(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
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
				if want := (State{Version: suite.version, Cipher: suite.kernel, Tx: Software, Rx: Software}); s != want {
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

// What a peer may send beside data, read with buffers of any size.
func TestLabControlRecords(t *testing.T) {
	for _, size := range []int{1, 3, 1 << 14} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c, peer := half(t)
			peer.record(recordHandshake, string(ticket(300))+string(ticket(7)))
			peer.record(recordData, "one")
			// Where the second record begins: the kernel takes one that begins like a KeyUpdate for one.
			long := strings.ReplaceAll(string(ticket(20_000)), "\x18", "t")
			peer.record(recordHandshake, long[:16_000])
			peer.record(recordHandshake, long[16_000:])
			peer.record(recordData, "")
			peer.record(recordData, "two\x00\x00\x00") // ends in what looks like padding
			peer.record(recordAlert, "\x01\x5a")       // user_canceled
			peer.record(recordAlert, "\x01\x00")
			var got []byte
			p := make([]byte, size)
			for {
				n, err := c.Read(p)
				got = append(got, p[:n]...)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if string(got) != "onetwo\x00\x00\x00" {
				t.Errorf("got %q", got)
			}
		})
	}
	for name, records := range map[string][]struct {
		kind  byte
		plain string
	}{
		"data within a ticket":      {{recordHandshake, "\x04\x00\x01\x00half"}, {recordData, "x"}},
		"half an alert":             {{recordAlert, "\x02"}, {recordData, "x"}},
		"a message of no use":       {{recordHandshake, "\x01\x00\x00\x04four"}},
		"a record type TLS has not": {{24, "heartbeat"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := half(t)
			for _, r := range records {
				peer.record(r.kind, r.plain)
			}
			n, err := c.Read(make([]byte, 99))
			if n != 0 || err == nil {
				t.Fatalf("read %d bytes, %v", n, err)
			}
			if _, again := c.Read(make([]byte, 99)); again != err {
				t.Errorf("then %v", again)
			}
		})
	}
	t.Run("messages without end", func(t *testing.T) {
		c, peer := half(t)
		go func() {
			for range maxUseless {
				peer.record(recordHandshake, string(ticket(9)))
			}
		}()
		if _, err := c.Read(make([]byte, 9)); err == nil || !strings.Contains(err.Error(), "too many") {
			t.Errorf("got %v", err)
		}
	})
}

// A record that was changed on its way is the kernel's EBADMSG, for good.
func TestLabTampered(t *testing.T) {
	c, peer := half(t)
	record := seal(t, &peer.send, peer.su, recordData, "to be trusted")
	record[recordHeader+3] ^= 1
	if _, err := peer.conn.Write(record); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := c.Read(make([]byte, 99)); n != 0 || !errors.Is(err, syscall.EBADMSG) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
}

func TestLabNoAllocations(t *testing.T) {
	for _, suite := range suites {
		client, server := pair(t, suite.id)
		record, p := randomBytes(1<<14), make([]byte, 1<<14)
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := client.Write(record); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < len(record); {
				n, err := server.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations a record", suite.name, allocs)
		}
	}
}

func TestLabOptions(t *testing.T) {
	client, server := pair(t, tls.TLS_AES_128_GCM_SHA256)
	if err := errors.Join(server.SetExpectNoPad(true), client.SetZeroCopySendfile(true)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		conn *Conn
		want bool
	}{{server, true}, {client, false}} {
		ss, err := exec.Command("ss", "-Htie", "sport", "=", fmt.Sprint(c.conn.LocalAddr().(*net.TCPAddr).Port)).CombinedOutput()
		if err != nil || strings.Contains(string(ss), "no_pad_rx") != c.want {
			t.Errorf("ss says otherwise of TLS_RX_EXPECT_NO_PAD: %v\n%s", err, ss)
		}
	}
	data := randomBytes(1<<20 + 5)
	f := file(t, data)
	sent := make(chan error, 1)
	go func() { _, err := client.ReadFrom(f); sent <- err }()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(server, got); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil || !bytes.Equal(got, data) {
		t.Errorf("what was sent did not arrive: %v", err)
	}
	old, _ := pair(t, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	if err := old.SetExpectNoPad(true); !errors.Is(err, ErrNotTLS13) {
		t.Errorf("TLS_RX_EXPECT_NO_PAD on TLS 1.2: %v", err)
	}
}

func TestLabAttach(t *testing.T) {
	needLab(t)
	good, _ := traffic(tls.TLS_AES_256_GCM_SHA384)
	for name, change := range map[string]func(*Traffic){
		"a suite of TLS 1.2": func(t *Traffic) { t.Suite = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 },
		"no secret":          func(t *Traffic) { t.Receive = nil },
		"a short secret":     func(t *Traffic) { t.Send = t.Send[:32] },
	} {
		a, _ := loopback(t)
		bad := good
		change(&bad)
		if _, err := Attach(a, bad); err == nil {
			t.Errorf("%s was taken", name)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the connection is still open: %v", name, err)
		}
	}
	up, down := traffic(tls.TLS_CHACHA20_POLY1305_SHA256)
	up.SendSequence, down.ReceiveSequence = 7, 7
	a, b := loopback(t)
	client, err := Attach(a, up)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := Attach(b, down)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := client.Write([]byte("record 7")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 9)
	if n, err := server.Read(p); err != nil || string(p[:n]) != "record 7" {
		t.Errorf("read %q, %v", p[:n], err)
	}
	if s := client.ConnectionState(); s.Version != tls.VersionTLS13 || s.CipherSuite != up.Suite || !s.HandshakeComplete {
		t.Errorf("%+v", s)
	}
}
