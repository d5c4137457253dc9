// SPDX-License-Identifier: Apache-2.0

package door

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
	"strconv"
	"strings"
	"sync"
	"time"
)

// Visitor is one connection.
type Visitor struct {
	// Conn is TCP's, and TLS what is said in it; who has left TLS reads and writes Conn.
	Conn net.Conn
	TLS  *tls.Conn
	door *door
}

// Serve hears visitors until ctx ends: it closes l. Each is let in by a goroutine of its
// own, and its connection is closed when that returns, or ctx ends. An error is that
// nothing can be accepted any more.
func Serve(ctx context.Context, l net.Listener, limits Limits, visit func(context.Context, *Visitor)) error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var all sync.WaitGroup
	defer all.Wait()
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
			visit(ctx, &Visitor{conn, tls.Server(conn, config), d})
		})
	}
}

// Tell is Serve where what came of each visit is told to done, by one goroutine at a time;
// a visit that was for nothing (asked is false) is not.
func Tell[T any](ctx context.Context, l net.Listener, limits Limits, visit func(context.Context, *Visitor) (came T, asked bool), done func(T)) error {
	var one sync.Mutex
	return Serve(ctx, l, limits, func(ctx context.Context, v *Visitor) {
		if came, asked := visit(ctx, v); asked {
			one.Lock()
			defer one.Unlock()
			done(came)
		}
	})
}

// ErrSilent is that of who only looked whether there is a way, or never asked, or made
// room for others: it is not worth a line.
var ErrSilent = errors.New("nothing was asked for")

// Ask reads what a visitor asks for, as JSON of so many bytes at most. Errors: ErrSilent.
func (v *Visitor) Ask(ctx context.Context, request any, most int64) error {
	if err := v.Patience(); err != nil {
		return err
	}
	if err := v.TLS.HandshakeContext(ctx); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return ErrSilent
		}
		return err
	}
	if err := json.NewDecoder(io.LimitReader(v.TLS, most)).Decode(request); err != nil {
		return err
	}
	v.door.asked(v.Conn)
	return nil
}

// Turn waits for this visitor's turn; end ends it. Errors: ErrCrowded.
func (v *Visitor) Turn(ctx context.Context) (end func(), err error) { return v.door.turn(ctx) }

// Patience gives the visitor its time anew, to read or to write.
func (v *Visitor) Patience() error {
	return v.Conn.SetDeadline(time.Now().Add(v.door.limits.Patience))
}

// Line is a text that may be of a stranger's making, fit to be printed: quoted where it
// has what would steer a terminal.
func Line(text string) string {
	if q := strconv.Quote(text); q != `"`+strings.ReplaceAll(text, `"`, `\"`)+`"` {
		return q
	}
	return text
}

// certificate is for the life of the process: nobody checks it.
func certificate() (tls.Certificate, error) {
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
