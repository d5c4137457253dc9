// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Load from another host: a server's host asks `nicwright peer --load` there, in a TLS 1.3
// connection, to make it, and is told as the window opens, as it closes, and what was
// seen. A connection is one run. Load goes to nobody but who asks for it.

// remoteProtocol changes when the messages do, or what is in them.
const remoteProtocol = "nicwright-load/1"

// remoteRequest is the first message.
type remoteRequest struct {
	Protocol string `json:"protocol"`
	Load     Config `json:"load"`
}

// What a message of the peer's is about. After end there is none.
const (
	atTurn  = "turn"  // the request can be had, and it is its turn
	atOpen  = "open"  // the window opens
	atClose = "close" // it closes
	atEnd   = "end"   // the run is over
)

// remoteAnswer is each message of the peer's.
type remoteAnswer struct {
	At     string  `json:"at"`
	Error  string  `json:"error,omitempty"` // at the end: why there is no result; before: why there will be none
	Remote *Remote `json:"remote,omitempty"`
}

// Remote is what a run on another host saw.
type Remote struct {
	Result Result `json:"result"`
	// CPU is processor time of the peer's in the window, in seconds, and Processors are those of its host.
	CPU        float64 `json:"cpu"`
	Processors int     `json:"processors"`
}

// mostBusy is the share of its processors from which on a client is as busy as it can be.
const mostBusy = 0.9

// Bound tells whether the client, and not the server, may be what was measured.
func (r *Remote) Bound() bool {
	return r.CPU >= mostBusy*r.Result.Seconds*float64(r.Processors)
}

// Limits of what is asked for over the wire, beside those of Check.
const (
	maxRequest       = 16 << 10 // bytes of the message: most of it is a certificate
	maxAnswers       = 64 << 10 // of all messages back
	maxRemoteClients = 10_000
	maxRemoteSize    = 1e10
	maxRemoteWarm    = time.Minute
	maxRemoteLimit   = 10 * time.Minute
	maxRemoteMin     = 100_000 // requests that are waited for
	remotePatience   = 20 * time.Second
)

// ErrPeer is what errors.Is finds where the peer said what is wrong.
var ErrPeer = errors.New("the peer says")

// lasts is how long a run takes at most: its warm-up, its window, and what is under way.
func (c *Config) lasts() time.Duration { return c.Warm + 4*c.Limit + remotePatience }

// check is Check of what a host asks for over the wire.
func (r *remoteRequest) check(from netip.Addr) error {
	c := &r.Load
	switch {
	case r.Protocol != remoteProtocol:
		return fmt.Errorf("the protocol %q is asked for, and this is `nicwright peer --load`, which has %q: the same version has to run on both hosts, and verify asks a peer without --load", r.Protocol, remoteProtocol)
	case c.Target.Addr() != from:
		return fmt.Errorf("load for %s is asked for by %s: it is made for who asks, and nobody else", c.Target.Addr(), from)
	case c.Size < 1 || c.Size > maxRemoteSize:
		return fmt.Errorf("answers of %d bytes: it is 1 to %d", c.Size, uint64(maxRemoteSize))
	case c.Path != fmt.Sprintf("/%d", c.Size):
		return fmt.Errorf("the path %q of an answer of %d bytes: it is /%d", c.Path, c.Size, c.Size)
	case c.Clients > maxRemoteClients:
		return fmt.Errorf("%d clients: it is 1 to %d", c.Clients, maxRemoteClients)
	case c.Warm > maxRemoteWarm || c.Limit > maxRemoteLimit:
		return fmt.Errorf("a warm-up of %v and a limit of %v: it is up to %v and %v", c.Warm, c.Limit, maxRemoteWarm, maxRemoteLimit)
	case c.WarmRequests > maxRemoteMin || c.Requests > maxRemoteMin:
		return fmt.Errorf("%d requests after %d: it is up to %d", c.Requests, c.WarmRequests, maxRemoteMin)
	case c.TLS != nil && c.TLS.Kernel:
		return errors.New("kernel TLS is asked for: a peer's client opens records in its own process")
	}
	return c.Check()
}

// RunRemote is Run by the peer at the other end of conn, which is closed when ctx ends. c.Target is
// an address of this end's. Errors: ErrPeer, and what is wrong with what the peer sends.
func RunRemote(ctx context.Context, conn net.Conn, c Config, edge func(open bool)) (*Remote, error) {
	fail := func(err error) (*Remote, error) {
		return nil, fmt.Errorf("having the peer %s make load: %w", conn.RemoteAddr(), errors.Join(context.Cause(ctx), err))
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(remotePatience)); err != nil {
		return fail(err)
	}
	// Whoever is in between could only spoil the figures: nothing that passes is secret.
	t := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}) //nolint:gosec // see above
	if err := t.HandshakeContext(ctx); err != nil {
		return fail(fmt.Errorf("the TLS handshake, with what should be `nicwright peer --load`: %w", err))
	}
	if err := json.NewEncoder(t).Encode(remoteRequest{remoteProtocol, c}); err != nil {
		return fail(err)
	}
	// The peer's own patience ends before: it says so.
	if err := conn.SetDeadline(time.Now().Add(remotePatience + c.lasts())); err != nil {
		return fail(err)
	}
	r, err := answers(t, &c, edge)
	if err != nil {
		return fail(err)
	}
	return r, nil
}

// answers reads the messages of a run, in their order.
func answers(in io.Reader, c *Config, edge func(open bool)) (*Remote, error) {
	messages := json.NewDecoder(io.LimitReader(in, maxAnswers))
	var a remoteAnswer
	for _, next := range []string{atTurn, atOpen, atClose, atEnd} {
		a = remoteAnswer{}
		if err := messages.Decode(&a); err != nil {
			return nil, fmt.Errorf("reading its answer: %w; is it `nicwright peer --load`, of the same version?", err)
		}
		if a.Error != "" {
			return nil, fmt.Errorf("%w: %.400q", ErrPeer, a.Error)
		}
		if a.At != next {
			return nil, fmt.Errorf("it answers %.40q where %q comes next: the same version has to run on both hosts", a.At, next)
		}
		if next == atOpen || next == atClose {
			edge(next == atOpen)
		}
	}
	if a.Remote == nil {
		return nil, errors.New("it ends without a result: the same version has to run on both hosts")
	}
	return a.Remote, a.Remote.check(c)
}

// check says what cannot be in what a peer sends.
func (r *Remote) check(c *Config) error {
	s := sample.Sample{
		Bench: sample.HTTPS, Cell: sample.Cell{Mode: sample.Plain, Size: c.Size, Clients: c.Clients}, Turn: 1, Gate: sample.Gate{Verdict: sample.AsSaid},
		Seconds: r.Result.Seconds, Bytes: r.Result.Bytes, Operations: r.Result.Requests, Connections: r.Result.Connections, Missed: r.Result.Missed,
		CPU: sample.CPU{Client: r.CPU}, Latency: r.Result.Latency,
	}
	err := s.Check()
	switch all := r.Result.All; {
	case err != nil:
	case !(r.Result.Seconds > 0):
		err = fmt.Errorf("%v seconds were measured", r.Result.Seconds)
	case r.Processors < 1 || r.Processors > 1<<20:
		err = fmt.Errorf("it has %d processors", r.Processors)
	case max(all.Requests, all.Connections, all.Sessions, all.Resumed, all.Bytes, all.Received, all.Retransmits, all.Errors, all.Cut) > math.MaxInt64>>8:
		err = fmt.Errorf("it counts %+v", all)
	}
	if err != nil {
		return fmt.Errorf("what it sends cannot be: %w", err)
	}
	return nil
}
