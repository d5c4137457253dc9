// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nicwright/nicwright/crypto/ktls"
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
		how = s.Err.Error()
		if q := strconv.Quote(how); q != `"`+strings.ReplaceAll(how, `"`, `\"`)+`"` {
			how = q
		}
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

func servePeer(ctx context.Context, l net.Listener, limits peerLimits, done func(Served)) error {
	cert, err := peerCertificate()
	if err != nil {
		return err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var all sync.WaitGroup
	defer all.Wait()
	var one sync.Mutex
	d := newDoor(limits)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a connection on %s: %w", l.Addr(), err)
		}
		leave, err := d.enter(conn)
		if err != nil {
			conn.Close() // without a word: telling each would be work that strangers make
			continue
		}
		all.Go(func() {
			defer leave()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			defer conn.Close()
			if s, asked := serve(ctx, conn, config, d); asked {
				one.Lock()
				defer one.Unlock()
				done(s)
			}
		})
	}
}

// serve answers one connection; asked tells whether it was for a transfer.
func serve(ctx context.Context, conn net.Conn, config *tls.Config, d *door) (s Served, asked bool) {
	s.From = conn.RemoteAddr()
	if s.Err = conn.SetDeadline(time.Now().Add(d.limits.patience)); s.Err != nil {
		return s, true
	}
	t := tls.Server(conn, config)
	var r peerRequest
	if s.Err = t.HandshakeContext(ctx); s.Err != nil {
		// It only looked whether there is a way, or never asked, or made room for others.
		silent := errors.Is(s.Err, io.EOF) || errors.Is(s.Err, os.ErrDeadlineExceeded) || errors.Is(s.Err, net.ErrClosed)
		return s, !silent
	}
	if s.Err = json.NewDecoder(io.LimitReader(t, maxMessage)).Decode(&r); s.Err != nil {
		return s, true
	}
	defer clear(r.Key)
	d.asked(conn)
	records, err := r.records()
	end := func() {}
	if err == nil {
		s.Version, s.Cipher, s.Direction = r.Version, r.Cipher, r.Direction
		end, err = d.turn(ctx)
	}
	answer := peerAnswer{}
	if err != nil {
		answer.Error = err.Error()
		end = func() {}
	}
	defer end()
	if s.Err = errors.Join(err, conn.SetDeadline(time.Now().Add(d.limits.patience)), json.NewEncoder(t).Encode(answer)); s.Err != nil {
		return s, true
	}
	at := &paced{Conn: conn, start: time.Now()}
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

// peerCertificate is for the life of the process: nobody checks it.
func peerCertificate() (tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the peer's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the peer's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}
