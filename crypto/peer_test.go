// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/site"
)

// servedBy starts a peer on the loopback address and gives where it listens and what it told.
func servedBy(t *testing.T) (string, <-chan Served) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan Served, 10), make(chan error, 1)
	go func() { ended <- ServePeer(ctx, l, func(s Served) { told <- s }) }()
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
		if !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), want) {
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
