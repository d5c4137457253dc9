// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// stage is how far a run is.
type stage int

const (
	warming stage = iota
	measuring
	over
)

// edgeOf is what there was at an edge of what is measured.
type edgeOf struct {
	at                 time.Time
	bytes, connections uint64
}

// run is a Run under way.
type run struct {
	Config
	roots *x509.CertPool
	edge  func(open bool)
	stop  context.CancelFunc // asking

	bytes, connections, sessions, resumed, received, retransmits atomic.Uint64

	mu          sync.Mutex
	stage       stage
	began       time.Time // the run
	answered    uint64    // requests, of all
	measured    uint64    // of what is measured
	missed      uint64
	first, last edgeOf
	phases      map[sample.Phase]*hdrhistogram.Histogram
	errors, cut uint64
	err         error // the first

	// Of the open loop: how many requests were taken, how many are measured, how many come before those, and how many of
	// those that are measured are not through.
	slots             atomic.Int64
	total, skip, left int64
}

// Histograms are of nanoseconds, to 3 digits, up to an hour.
const (
	highest = int64(time.Hour)
	digits  = 3
)

func newRun(c Config, edge func(bool)) (*run, error) {
	r := &run{Config: c, edge: edge, phases: map[sample.Phase]*hdrhistogram.Histogram{}}
	if c.TLS != nil {
		var err error
		if r.roots, err = roots(c.TLS.CA); err != nil {
			return nil, err
		}
	}
	if c.Rate > 0 {
		r.skip = int64(c.Warm.Seconds() * c.Rate)
		r.total = max(int64(c.Window.Seconds()*c.Rate), int64(c.Requests))
		r.left = r.total
	}
	return r, nil
}

// all runs until what is measured is over and what was begun is answered, or cut off
// after as long as a request may take that is measured.
func (r *run) all(ctx context.Context) error {
	ctx, end := context.WithTimeoutCause(ctx, r.Warm+4*r.Limit, ErrNothing)
	defer end()
	asking, stop := context.WithCancel(ctx)
	defer stop()
	r.stop = stop
	clients := make([]*client, r.Clients)
	for i := range clients {
		var err error
		if clients[i], err = newClient(r); err != nil {
			return err
		}
	}
	r.began = time.Now()
	var wait sync.WaitGroup
	for _, c := range clients {
		wait.Go(func() {
			defer c.end()
			if r.Rate > 0 {
				r.open(ctx, asking, c)
			} else {
				r.closed(ctx, asking, c)
			}
		})
	}
	cut := time.NewTimer(0)
	defer cut.Stop()
	go func() {
		<-asking.Done()
		cut.Reset(max(r.Limit, time.Second))
		select {
		case <-cut.C:
			end()
		case <-ctx.Done():
		}
	}()
	wait.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stage == over && r.measured > 0:
		return nil
	case r.stage != over && r.err == nil && context.Cause(ctx) != nil:
		return context.Cause(ctx)
	}
	return errors.Join(ErrNothing, r.err)
}

// closed asks again and again, until asking is over. ctx cuts off what was begun.
func (r *run) closed(ctx, asking context.Context, c *client) {
	for asking.Err() == nil {
		if err := c.request(ctx, time.Now(), -1); err != nil {
			r.failed(ctx, asking, err)
		}
	}
}

// open takes the next request that is due and waits for its time. One that nobody was
// free for at its time begins late, and its waiting is in its latency.
func (r *run) open(ctx, asking context.Context, c *client) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for asking.Err() == nil {
		n := r.slots.Add(1) - 1
		due := r.dueAt(n)
		late := time.Now().After(due)
		if !late {
			timer.Reset(time.Until(due))
			select {
			case <-asking.Done():
				return
			case <-timer.C:
			}
		}
		r.due(n, late)
		if err := c.request(ctx, due, n); err != nil {
			r.failed(ctx, asking, err)
			r.lost(n)
		}
	}
}

// dueAt is when request n of an open loop should begin.
func (r *run) dueAt(n int64) time.Time {
	return r.began.Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))
}

// due tells that request n of an open loop begins.
func (r *run) due(n int64, late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stage == warming && n >= r.skip {
		// When the first that counts should have begun: one that begins late has the same rate.
		r.begin(r.dueAt(r.skip))
	}
	if late && r.counts(n) {
		r.missed++
	}
}

// counts tells whether request n of an open loop is one of those that are measured.
func (r *run) counts(n int64) bool {
	return r.stage == measuring && n >= r.skip && n < r.skip+r.total
}

// lost tells that request n of an open loop failed.
func (r *run) lost(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts(n) {
		r.through(time.Now())
	}
}

// through ends what an open loop measures when all of it was answered or failed.
func (r *run) through(now time.Time) {
	if r.left--; r.left == 0 {
		r.finish(now)
	}
}

// failed counts an error. A server that refuses would have a closed loop spin: a
// moment passes.
func (r *run) failed(ctx, asking context.Context, err error) {
	r.mu.Lock()
	if ctx.Err() != nil { // it was cut off
		r.cut++
		r.mu.Unlock()
		return
	}
	r.errors++
	if r.err == nil {
		r.err = err
	}
	giveUp := r.answered == 0 && r.errors >= hopeless
	r.mu.Unlock()
	if giveUp {
		r.stop()
		return
	}
	t := time.NewTimer(moment)
	defer t.Stop()
	select {
	case <-asking.Done():
	case <-t.C:
	}
}

const (
	moment = 10 * time.Millisecond
	// hopeless is how many requests may fail before one was answered.
	hopeless = 100
)

// completed tells that a request was answered, before its connection is closed. n is
// its number in an open loop.
func (r *run) completed(n int64, t times) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.answered++
	if r.Rate > 0 {
		if r.counts(n) {
			r.measure(t)
			r.through(now)
		}
		return
	}
	switch r.stage {
	case warming:
		spent := now.Sub(r.began)
		if spent >= r.Warm && r.answered >= uint64(r.WarmRequests) || spent >= r.Warm+r.Limit {
			r.begin(now)
		}
	case measuring:
		r.measure(t)
		spent := now.Sub(r.first.at)
		if spent >= r.Window && r.measured >= uint64(r.Requests) || spent >= r.Limit {
			r.finish(now)
		}
	}
}

func (r *run) measure(t times) {
	for p, d := range t {
		r.record(p, d)
	}
	r.measured++
}

func (r *run) record(p sample.Phase, d time.Duration) {
	h := r.phases[p]
	if h == nil {
		h = hdrhistogram.New(1, highest, digits)
		r.phases[p] = h
	}
	_ = h.RecordValue(min(max(int64(d), 1), highest)) // it is in the range
}

func (r *run) begin(now time.Time) {
	r.stage = measuring
	r.first = edgeOf{now, r.bytes.Load(), r.connections.Load()}
	r.edge(true)
}

func (r *run) finish(now time.Time) {
	r.stage = over
	r.last = edgeOf{now, r.bytes.Load(), r.connections.Load()}
	r.edge(false)
	r.stop()
}

func (r *run) result() Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := Result{
		Seconds: r.last.at.Sub(r.first.at).Seconds(), Bytes: r.last.bytes - r.first.bytes, Requests: r.measured,
		Connections: r.last.connections - r.first.connections, Missed: r.missed,
		Short:   r.measured < uint64(r.Requests),
		Latency: map[sample.Phase]sample.Percentiles{},
		All: Total{
			Requests: r.answered, Connections: r.connections.Load(), Sessions: r.sessions.Load(), Resumed: r.resumed.Load(),
			Bytes: r.bytes.Load(), Received: r.received.Load(), Retransmits: r.retransmits.Load(), Errors: r.errors, Cut: r.cut,
		},
	}
	if r.err != nil {
		out.All.Error = fmt.Sprintf("%v", r.err)
	}
	for p, h := range r.phases {
		out.Latency[p] = Percentiles(h)
	}
	return out
}

// Percentiles are those of a histogram of nanoseconds.
func Percentiles(h *hdrhistogram.Histogram) sample.Percentiles {
	s := func(ns int64) float64 { return min(time.Duration(ns), time.Duration(h.Max())).Seconds() }
	return sample.Percentiles{
		Count: uint64(h.TotalCount()), Mean: min(h.Mean()/1e9, s(h.Max())), Max: s(h.Max()),
		P50: s(h.ValueAtQuantile(50)), P90: s(h.ValueAtQuantile(90)), P99: s(h.ValueAtQuantile(99)), P999: s(h.ValueAtQuantile(99.9)),
	}
}
