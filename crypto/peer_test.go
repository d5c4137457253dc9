// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/nicwright/nicwright/internal/door"
	"github.com/nicwright/nicwright/internal/site"
)

// servedBy starts a peer on the loopback address and gives where it listens and what it told.
func servedBy(t *testing.T) (string, <-chan Served) {
	t.Helper()
	return servedWithin(t, defaultPeerLimits)
}

func servedWithin(t *testing.T, limits door.Limits) (string, <-chan Served) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan Served, 10), make(chan error, 1)
	go func() { ended <- servePeer(ctx, l, limits, func(s Served) { told <- s }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), told
}

// talk is a client without kernel TLS: ask, then what do does with the connection and the witness's records.
func talk(t *testing.T, address string, change func(*peerRequest), do func(end *net.TCPConn, r peerRequest, rec *records) error) error {
	t.Helper()
	c := KTLSCell{Versions[0], Ciphers[1], Tx}
	keys, err := newKeys(suites[c.Version][c.Cipher])
	if err != nil {
		t.Fatal(err)
	}
	r := peerRequest{peerProtocol, c.Version, c.Cipher, c.Direction, 1<<20 + 3, keys.Key, keys.IV[:], [32]byte{1, 2, 3}}
	if change != nil {
		change(&r)
	}
	rec, err := c.newRecords(keys)
	if err != nil {
		t.Fatal(err)
	}
	end, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	if err := ask(t.Context(), end, r); err != nil {
		return err
	}
	return do(end.(*net.TCPConn), r, rec)
}

func TestPeerReceives(t *testing.T) {
	address, told := servedBy(t)
	for name, x := range map[string]struct {
		spoil func(pattern []byte)
		want  string
	}{
		"what was sent":   {func([]byte) {}, ""},
		"another byte":    {func(b []byte) { b[70000] ^= 1 }, site.ErrDiffers.Error()},
		"not the records": {nil, errRecord.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			var n int64
			err := talk(t, address, nil, func(end *net.TCPConn, r peerRequest, rec *records) error {
				pattern := site.Pattern(r.Seed)
				var w io.Writer = sealer{end, rec}
				if x.spoil == nil {
					rec.iv[0] ^= 1
				} else {
					x.spoil(pattern)
				}
				if err := site.Send(w, pattern, r.Bytes); err != nil {
					return err
				}
				var err error
				n, err = readAnswer(end)
				return err
			})
			s := <-told
			if x.want == "" {
				if err != nil || n != 1<<20+3 || s.Err != nil || s.Bytes != n {
					t.Errorf("%v, %d bytes; the peer: %+v", err, n, s)
				}
				return
			}
			if !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), x.want) || s.Err == nil {
				t.Errorf("%v, want %q; the peer: %+v", err, x.want, s)
			}
		})
	}
}

func TestPeerSends(t *testing.T) {
	address, told := servedBy(t)
	err := talk(t, address, func(r *peerRequest) { r.Direction = Rx }, func(end *net.TCPConn, r peerRequest, rec *records) error {
		if _, err := end.Write([]byte{peerGo}); err != nil {
			return err
		}
		n, err := site.Compare(opener{end, rec}, site.Pattern(r.Seed), r.Bytes, func(int64) {})
		if n != r.Bytes {
			t.Errorf("%d of %d bytes", n, r.Bytes)
		}
		return err
	})
	if s := <-told; err != nil || s.Err != nil || s.Bytes != 1<<20+3 || s.Direction != Rx {
		t.Errorf("%v; the peer: %+v", err, s)
	}
	err = talk(t, address, func(r *peerRequest) { r.Direction = Rx }, func(end *net.TCPConn, _ peerRequest, _ *records) error {
		_, err := end.Write([]byte("x"))
		return err
	})
	if s := <-told; err != nil || s.Err == nil || !strings.Contains(s.Err.Error(), "the word to send") {
		t.Errorf("%v; the peer: %+v", err, s)
	}
}

func TestPeerRefuses(t *testing.T) {
	address, told := servedBy(t)
	for want, change := range map[string]func(*peerRequest){
		"the same version has to run on both": func(r *peerRequest) { r.Protocol = "nicwright-peer/0" },
		"0 bytes are asked for":               func(r *peerRequest) { r.Bytes = 0 },
		"1099511627777 bytes are asked for":   func(r *peerRequest) { r.Bytes = maxPeerBytes + 1 },
		`the direction "up"`:                  func(r *peerRequest) { r.Direction = "up" },
		`"TLSv1.1" with`:                      func(r *peerRequest) { r.Version = "TLSv1.1" },
		"a key of 16 bytes":                   func(r *peerRequest) { r.Key = r.Key[:16] },
		"an IV of 11":                         func(r *peerRequest) { r.IV = r.IV[:11] },
		"no cipher here":                      func(r *peerRequest) { r.Cipher = "RC4" },
	} {
		err := talk(t, address, change, func(*net.TCPConn, peerRequest, *records) error { return nil })
		if !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), strings.Trim(strconv.Quote(want), `"`)) {
			t.Errorf("%v, want %q", err, want)
		}
		if s := <-told; s.Err == nil || !strings.Contains(s.Err.Error(), want) {
			t.Errorf("the peer told %+v, want %q", s, want)
		}
	}
	// Who only looks whether there is a way is not told of; who speaks something else is.
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if c, err = net.Dial("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-told:
		if s.Err == nil || s.Version != "" {
			t.Errorf("for HTTP the peer told %+v", s)
		}
	case <-time.After(time.Minute):
		t.Error("the peer waits for more of HTTP")
	}
}

// idle are connections that ask for nothing.
func idle(t *testing.T, address, from string, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range n {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all = append(all, c)
	}
	return all
}

// closed waits until the other end has closed.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var ne net.Error
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.As(err, &ne) && ne.Timeout() {
		t.Errorf("it is still open: %v", err)
	}
}

// transfer is one that is served to its end.
func transfer(t *testing.T, address string) error {
	return talk(t, address, nil, func(end *net.TCPConn, r peerRequest, rec *records) error {
		if err := site.Send(sealer{end, rec}, site.Pattern(r.Seed), r.Bytes); err != nil {
			return err
		}
		_, err := readAnswer(end)
		return err
	})
}

// Whoever only connects holds no turn, and not more than its share of the rest.
func TestPeerIdleClientsHoldNothing(t *testing.T) {
	limits := door.Limits{Turns: 1, Waiting: 3, Address: 2, Patience: time.Minute}
	address, _ := servedWithin(t, limits)
	// More than one address has, in each of more than have room.
	first := idle(t, address, "127.0.0.2", 2)
	third := idle(t, address, "127.0.0.2", 1)
	closed(t, third[0])
	idle(t, address, "127.0.0.3", 2)
	closed(t, first[0]) // the oldest gives way
	idle(t, address, "127.0.0.4", 2)
	if err := transfer(t, address); err != nil {
		t.Errorf("with idle clients: %v", err)
	}
}

// Whoever says nothing is closed after a while, and not worth a line.
func TestPeerPatienceEnds(t *testing.T) {
	address, told := servedWithin(t, door.Limits{Turns: 1, Waiting: 9, Address: 9, Patience: 50 * time.Millisecond})
	for _, c := range idle(t, address, "127.0.0.2", 2) {
		closed(t, c)
	}
	select {
	case s := <-told:
		t.Errorf("of who asked for nothing the peer told %+v", s)
	default:
	}
}

// Where all turns are taken, one more is told so, and not left waiting.
func TestPeerIsCrowded(t *testing.T) {
	address, _ := servedWithin(t, door.Limits{Turns: 1, Waiting: 9, Address: 9, Patience: 300 * time.Millisecond})
	err := talk(t, address, nil, func(*net.TCPConn, peerRequest, *records) error { // it holds its turn
		if err := transfer(t, address); !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), door.ErrCrowded.Error()) {
			t.Errorf("a second at a time: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := transfer(t, address); err != nil {
		t.Errorf("when the turn is free again: %v", err)
	}
}

// A transfer's deadline moves on with what has passed, and not with the time.
func TestPacedDeadline(t *testing.T) {
	start := time.Now()
	for moved, want := range map[int64]time.Duration{0: time.Minute, 1<<20 - 1: time.Minute, 10 << 20: time.Minute + 20*time.Second} {
		if got := (&paced{start: start, moved: moved}).deadline().Sub(start); got != want {
			t.Errorf("after %d bytes it ends after %v, want %v", moved, got, want)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	late := &paced{Conn: a, start: start.Add(-time.Hour)}
	if _, err := late.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an hour without a byte: %v", err)
	}
	if _, err := late.Write([]byte{1}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an hour without a byte: %v", err)
	}
}

// What a stranger sends does not steer the terminal on which it is printed.
func TestPeerQuotesStrangers(t *testing.T) {
	const evil = "\x1b[31m\nfake: TLSv1.2 AES-128-GCM tx, 1 bytes: equal\u202e"
	address, told := servedBy(t)
	for name, change := range map[string]func(*peerRequest){
		"protocol": func(r *peerRequest) { r.Protocol = evil }, "version": func(r *peerRequest) { r.Version = evil },
		"cipher": func(r *peerRequest) { r.Cipher = evil }, "direction": func(r *peerRequest) { r.Direction = evil },
	} {
		err := talk(t, address, change, func(*net.TCPConn, peerRequest, *records) error { return nil })
		s := <-told
		for _, text := range []string{err.Error(), s.String()} {
			if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s: %q is printed", name, text)
			}
		}
		if s.Version != "" {
			t.Errorf("%s: the peer tells of %+v as if it had served that", name, s)
		}
	}
	odd := Served{From: &net.TCPAddr{}, Err: errors.New(evil)}
	if text := odd.String(); strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q is printed", text)
	}
}

func TestServedText(t *testing.T) {
	from := &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 7}
	for want, s := range map[string]Served{
		"192.0.2.1:7: TLSv1.2 AES-128-GCM tx, 5 bytes: equal":  {from, "TLSv1.2", "AES-128-GCM", Tx, 5, nil},
		"192.0.2.1:7: TLSv1.2 AES-128-GCM rx, 5 bytes: sent":   {from, "TLSv1.2", "AES-128-GCM", Rx, 5, nil},
		`192.0.2.1:7: nothing that was understood: the "x" is`: {From: from, Err: errors.New(`the "x" is`)},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzPeerRequest(f *testing.F) {
	f.Add([]byte(`{"protocol":"nicwright-peer/1","version":"TLSv1.2","cipher":"AES-128-GCM","direction":"tx","bytes":1,"key":"AAAAAAAAAAAAAAAAAAAAAA==","iv":"AAAAAAAAAAAAAAAA"}`))
	f.Add([]byte(`{"protocol":"nicwright-peer/1","version":"TLSv1.3","cipher":"RC4","direction":"rx","bytes":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r peerRequest
		if json.Unmarshal(b, &r) != nil {
			return
		}
		rec, err := r.records()
		if (rec == nil) == (err == nil) {
			t.Errorf("%+v: %v, %v", r, rec, err)
		}
		if err == nil && (r.Bytes < 1 || r.Bytes > maxPeerBytes || len(r.IV) != 12) {
			t.Errorf("%+v was taken", r)
		}
	})
}
