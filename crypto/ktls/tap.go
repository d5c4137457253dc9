// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"encoding/binary"
	"net"
)

// Of RFC 8446.
const (
	recordHeader    = 5
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23

	helloRandom = 4 + 2 // handshake header, version
	serverHello = 2
)

// tap is the connection under crypto/tls during the handshake. It sees the
// server's random go by, and hands out no byte beyond the record that is being
// read: what follows Finished is for the kernel to read.
type tap struct {
	net.Conn
	fromPeer hello // looked at in clients
	toPeer   hello // looked at in servers

	header [recordHeader]byte
	got    int // bytes of the header that were handed out
	body   int // bytes of the record that were not
}

func (t *tap) Read(p []byte) (int, error) {
	left := t.body
	if left == 0 {
		left = recordHeader - t.got
	}
	n, err := t.Conn.Read(p[:min(len(p), left)])
	t.fromPeer.see(p[:n])
	if t.body > 0 {
		t.body -= n
		return n, err
	}
	t.got += copy(t.header[t.got:], p[:n])
	if t.got == recordHeader {
		t.body, t.got = int(binary.BigEndian.Uint16(t.header[3:])), 0
	}
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	t.toPeer.see(p)
	return t.Conn.Write(p)
}

// hello finds the random of the ServerHello in the stream of records that a
// server sends.
type hello struct {
	record  []byte // the header of a record, as far as it came
	kind    byte
	left    int // bytes of the record's body to come
	message []byte
	done    bool
}

func (h *hello) see(p []byte) {
	for len(p) > 0 && !h.done {
		if h.left == 0 {
			n := min(len(p), recordHeader-len(h.record))
			h.record, p = append(h.record, p[:n]...), p[n:]
			if len(h.record) == recordHeader {
				h.kind, h.left = h.record[0], int(binary.BigEndian.Uint16(h.record[3:]))
				h.record = h.record[:0]
			}
			continue
		}
		n := min(len(p), h.left)
		if h.kind == recordHandshake {
			h.message = append(h.message, p[:min(n, helloRandom+randomSize-len(h.message))]...)
			h.done = len(h.message) == helloRandom+randomSize
		}
		h.left -= n
		p = p[n:]
	}
}

// random gives the server's random once it went by.
func (h *hello) random() (r [randomSize]byte, ok bool) {
	if !h.done || h.message[0] != serverHello {
		return r, false
	}
	copy(r[:], h.message[helloRandom:])
	return r, true
}
