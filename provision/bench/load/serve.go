// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/door"
)

// Served is a run that [Serve] made for another host.
type Served struct {
	From   net.Addr
	Load   Config // as asked for, if that can be had; else zero
	Result Result
	Err    error // what is of the other end's making in it is quoted
}

// String is one line of text, whatever the other end has sent.
func (s Served) String() string {
	what := "nothing that was understood"
	if s.Load.Clients > 0 {
		how := "plain"
		if t := s.Load.TLS; t != nil {
			how = "TLS " + t.Version + " " + t.Cipher
		}
		what = fmt.Sprintf("%d bytes by %d clients, %s", s.Load.Size, s.Load.Clients, how)
	}
	how := fmt.Sprintf("%d requests in %.3g s", s.Result.Requests, s.Result.Seconds)
	if s.Err != nil {
		how = door.Line(s.Err.Error())
	}
	return fmt.Sprintf("%s: %s: %s", s.From, what, how)
}

// serveLimits: a bench has one run at a time, and two at a time would measure one another.
var serveLimits = door.Limits{Turns: 1, Waiting: 64, Address: 4, Patience: remotePatience}

// Serve makes load for other hosts, each for itself, without any privilege, until ctx ends: it closes
// l. Each run is told to done, by one goroutine at a time; connections that asked for
// nothing are not.
func Serve(ctx context.Context, l net.Listener, done func(Served)) error {
	return serveWithin(ctx, l, serveLimits, done)
}

func serveWithin(ctx context.Context, l net.Listener, limits door.Limits, done func(Served)) error {
	return door.Tell(ctx, l, limits, visit, done)
}

func visit(ctx context.Context, v *door.Visitor) (s Served, asked bool) {
	s.From = v.Conn.RemoteAddr()
	var r remoteRequest
	if s.Err = v.Ask(ctx, &r, maxRequest); s.Err != nil {
		return s, !errors.Is(s.Err, door.ErrSilent)
	}
	say := func(a remoteAnswer) error { return json.NewEncoder(v.TLS).Encode(a) }
	err := r.check(sender(s.From))
	end := func() {}
	if err == nil {
		s.Load = r.Load
		end, err = v.Turn(ctx)
	}
	if err != nil {
		s.Err = errors.Join(err, v.Patience(), say(remoteAnswer{At: atTurn, Error: err.Error()}))
		return s, true
	}
	defer end()
	if s.Err = errors.Join(v.Conn.SetDeadline(time.Now().Add(r.Load.lasts())), say(remoteAnswer{At: atTurn})); s.Err != nil {
		return s, true
	}
	remote, err := runFor(ctx, v, r.Load, say)
	last := remoteAnswer{At: atEnd, Remote: remote}
	if err != nil {
		last = remoteAnswer{At: atEnd, Error: err.Error()}
	}
	if remote != nil {
		s.Result = remote.Result
	}
	s.Err = errors.Join(err, v.Patience(), say(last))
	return s, true
}

// errLeft is that of who has closed, or says more than there is to say.
var errLeft = errors.New("who asked for it did not wait for its end")

// runFor makes the load for as long as who asked for it is there.
func runFor(ctx context.Context, v *door.Visitor, c Config, say func(remoteAnswer) error) (*Remote, error) {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	go func() {
		_, _ = v.TLS.Read(make([]byte, 1)) // it returns when the visitor is gone, or this one is
		leave(errLeft)
	}()
	out := Remote{Processors: runtime.NumCPU()}
	var said error
	var began float64
	r, err := Run(ctx, c, func(open bool) {
		used, err := used()
		at := atOpen
		if open {
			began = used
		} else {
			at, out.CPU = atClose, used-began
		}
		said = errors.Join(said, err, say(remoteAnswer{At: at}))
	})
	if err = errors.Join(err, said); err != nil {
		return nil, err
	}
	out.Result = r
	return &out, nil
}

// used is the processor time of this process, in seconds.
func used() (float64, error) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0, fmt.Errorf("reading the processor time of this process: %w", err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds(), nil
}

// sender is the address that a connection is from.
func sender(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}
