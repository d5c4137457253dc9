// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/nicwright/nicwright/crypto/ktls"
	"github.com/nicwright/nicwright/internal/door"
	"github.com/nicwright/nicwright/internal/site"
)

// maxPeerBytes is what a profile can ask for.
const maxPeerBytes = 1 << 40

// Served is a transfer that [ServePeer] was the other end of.
type Served struct {
	From                       net.Addr
	Version, Cipher, Direction string // as asked for, if that can be had; else ""
	Bytes                      int64  // that arrived and are equal, or were sent
	Err                        error  // what is of the other end's making in it is quoted
}

// String is one line of text, whatever the other end has sent.
func (s Served) String() string {
	what := "nothing that was understood"
	if s.Version != "" {
		what = fmt.Sprintf("%s %s %s, %d bytes", s.Version, s.Cipher, s.Direction, s.Bytes)
	}
	how := "equal"
	switch {
	case s.Err != nil:
		how = door.Line(s.Err.Error())
	case s.Direction == Rx:
		how = "sent"
	}
	return fmt.Sprintf("%s: %s: %s", s.From, what, how)
}

// ServePeer is the other end of the proofs of other hosts, in software and without
// any privilege, until ctx ends: it closes l. Each transfer is told to done, by
// one goroutine at a time; connections that asked for nothing are not. Idle clients
// hold nothing that others need: a transfer's turn is taken by who has asked for it,
// and each address has a few connections.
func ServePeer(ctx context.Context, l net.Listener, done func(Served)) error {
	return servePeer(ctx, l, defaultPeerLimits, done)
}

func servePeer(ctx context.Context, l net.Listener, limits door.Limits, done func(Served)) error {
	return door.Tell(ctx, l, limits, serve, done)
}

// defaultPeerLimits: a verify has one connection at a time.
var defaultPeerLimits = door.Limits{Turns: 16, Waiting: 64, Address: 4, Patience: 20 * time.Second}

// serve answers one connection; asked tells whether it was for a transfer.
func serve(ctx context.Context, v *door.Visitor) (s Served, asked bool) {
	s.From = v.Conn.RemoteAddr()
	var r peerRequest
	if s.Err = v.Ask(ctx, &r, maxMessage); s.Err != nil {
		return s, !errors.Is(s.Err, door.ErrSilent)
	}
	defer clear(r.Key)
	records, err := r.records()
	end := func() {}
	if err == nil {
		s.Version, s.Cipher, s.Direction = r.Version, r.Cipher, r.Direction
		end, err = v.Turn(ctx)
	}
	answer := peerAnswer{}
	if err != nil {
		answer.Error = err.Error()
		end = func() {}
	}
	defer end()
	if s.Err = errors.Join(err, v.Patience(), json.NewEncoder(v.TLS).Encode(answer)); s.Err != nil {
		return s, true
	}
	at := &paced{Conn: v.Conn, start: time.Now()}
	if r.Direction == Rx {
		s.Bytes, s.Err = r.send(at, records)
	} else {
		s.Bytes, s.Err = r.receive(at, records)
	}
	return s, true
}

// records checks a request and makes the witness of it.
func (r peerRequest) records() (*records, error) {
	switch {
	case r.Protocol != peerProtocol:
		return nil, fmt.Errorf("the protocol %q is asked for, and this nicwright has %q: the same version has to run on both hosts", r.Protocol, peerProtocol)
	case r.Bytes < 1 || r.Bytes > maxPeerBytes:
		return nil, fmt.Errorf("%d bytes are asked for: it is 1 to %d", r.Bytes, int64(maxPeerBytes))
	case !slices.Contains(Directions, r.Direction):
		return nil, fmt.Errorf("the direction %q is asked for: it is one of %v", r.Direction, Directions)
	}
	suite, known := suites[r.Version][r.Cipher]
	k := ktls.Keys{Suite: suite, Key: r.Key}
	if !known || len(r.Key) != ktls.KeySize(suite) || copy(k.IV[:], r.IV) != len(k.IV) || len(r.IV) != len(k.IV) {
		return nil, fmt.Errorf("%q with %q, a key of %d bytes and an IV of %d are asked for, and that is no cipher here", r.Version, r.Cipher, len(r.Key), len(r.IV))
	}
	return KTLSCell{r.Version, r.Cipher, r.Direction}.newRecords(k)
}

// receive opens what arrives and says how it went.
func (r peerRequest) receive(conn *paced, records *records) (int64, error) {
	n, err := site.Compare(opener{conn, records}, site.Pattern(r.Seed), r.Bytes, func(int64) {})
	answer := peerAnswer{Bytes: n}
	if err != nil {
		answer.Error = err.Error()
	}
	if writeErr := json.NewEncoder(conn).Encode(answer); writeErr != nil {
		return n, errors.Join(err, writeErr)
	}
	// Closing with something unread would reset the connection, and the answer be lost.
	return n, errors.Join(err, conn.drain())
}

// send sends as soon as the other end's card has its keys.
func (r peerRequest) send(conn *paced, records *records) (int64, error) {
	var b [1]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return 0, fmt.Errorf("waiting for the word to send: %w", err)
	}
	if b[0] != peerGo {
		return 0, fmt.Errorf("the word to send is %q, and %#x came", peerGo, b[0])
	}
	if err := site.Send(sealer{conn, records}, site.Pattern(r.Seed), r.Bytes); err != nil {
		return 0, err
	}
	// The other end closes when it has everything.
	return r.Bytes, conn.drain()
}

// drain waits for the other end to close, and takes what little may still come.
func (p *paced) drain() error {
	if err := p.Conn.SetDeadline(p.deadline()); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, p.Conn)
	return err
}

// paced is a connection in a transfer. Its deadline moves on with what has passed:
// who stands still, or drips, ends after a minute.
type paced struct {
	net.Conn
	start time.Time
	moved int64
}

func (p *paced) Read(b []byte) (int, error) {
	if err := p.Conn.SetDeadline(p.deadline()); err != nil {
		return 0, err
	}
	n, err := p.Conn.Read(b)
	p.moved += int64(n)
	return n, err
}

func (p *paced) Write(b []byte) (int, error) {
	if err := p.Conn.SetDeadline(p.deadline()); err != nil {
		return 0, err
	}
	n, err := p.Conn.Write(b)
	p.moved += int64(n)
	return n, err
}

func (p *paced) deadline() time.Time { return p.start.Add(site.Limit(p.moved)) }
