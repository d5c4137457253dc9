// SPDX-License-Identifier: Apache-2.0

// Package load makes the requests of `nicwright bench https` and times their parts:
// a closed loop of clients, each of which asks again when it has been answered, or an
// open loop, in which requests begin at a given rate whatever is answered. It knows
// nothing of cards, namespaces or the server's programs.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Config is what is asked of whom, and for how long.
type Config struct {
	Target netip.AddrPort `json:"target"`
	Path   string         `json:"path"` // of the URL, from its "/"
	Size   uint64         `json:"size"` // bytes that each answer has to have
	TLS    *TLS           `json:"tls,omitempty"`
	// Clients are how many connections there are at one time, 1..100000.
	Clients int `json:"clients"`
	// Rate is requests a second that are begun, evenly; 0: a closed loop.
	Rate float64 `json:"rate,omitempty"`
	// KeepAlive: a connection carries one request after another; else each request has its own.
	KeepAlive bool `json:"keepalive,omitempty"`

	// Warm is how long requests are made before the first one counts, and WarmRequests how many.
	Warm         time.Duration `json:"warm"`
	WarmRequests int           `json:"warm_requests"`
	// Window is measured, at least, and Requests in it. Limit ends a window that has too few
	// requests, and a warm-up: the next completion is the last. So long again what is under way may take; then it is cut off.
	// A run that has measured nothing by then fails.
	Window   time.Duration `json:"window"`
	Requests int           `json:"requests"`
	Limit    time.Duration `json:"limit"`
}

// TLS is how a connection is protected.
type TLS struct {
	Version string `json:"version"` // 1.2 or 1.3
	Cipher  string `json:"cipher"`  // of Ciphers
	CA      []byte `json:"ca"`      // PEM: whom the server's certificate has to be from
	Name    string `json:"name"`    // in the certificate
	Resume  bool   `json:"resume,omitempty"`
	// Kernel: the kernel opens the records here (crypto/ktls), and else crypto/tls in this process.
	Kernel bool `json:"kernel,omitempty"`
}

// Result is what a run saw. Between two completions, but for what All says.
type Result struct {
	Seconds     float64                             `json:"seconds"`
	Bytes       uint64                              `json:"bytes"` // of content, also of answers that were not through
	Requests    uint64                              `json:"requests"`
	Connections uint64                              `json:"connections"` // that were made
	Missed      uint64                              `json:"missed,omitempty"`
	Latency     map[sample.Phase]sample.Percentiles `json:"latency,omitempty"`
	// Short: the limit came before there were as many requests as were asked for.
	Short bool  `json:"short,omitempty"`
	All   Total `json:"all"`
}

// Total is of a whole run, with its warm-up and what was cut off at its end.
type Total struct {
	Requests    uint64 `json:"requests"` // that were answered
	Connections uint64 `json:"connections"`
	Sessions    uint64 `json:"sessions"`           // TLS handshakes that were through
	Resumed     uint64 `json:"resumed,omitempty"`  // of them
	Bytes       uint64 `json:"bytes"`              // of content
	Received    uint64 `json:"received,omitempty"` // bytes by TCP's count, of connections that are closed
	Retransmits uint64 `json:"retransmits,omitempty"`
	Errors      uint64 `json:"errors,omitempty"`
	Cut         uint64 `json:"cut,omitempty"`   // requests that were under way at the end, and took too long to wait for
	Error       string `json:"error,omitempty"` // the first
}

const maxClients = 100_000

// Check says what is wrong in a Config.
func (c *Config) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !c.Target.IsValid() || c.Target.Port() == 0 {
		bad("the target %q is no address and port", c.Target)
	}
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, " \r\n\t") {
		bad("the path %q does not begin with / or has blanks", c.Path)
	}
	if c.Clients < 1 || c.Clients > maxClients {
		bad("%d clients: it is 1 to %d", c.Clients, maxClients)
	}
	if !(c.Rate >= 0 && c.Rate <= 1e7) {
		bad("a rate of %v requests a second: it is 0 to 10000000", c.Rate)
	}
	if c.Warm < 0 || c.WarmRequests < 0 || c.Window <= 0 || c.Requests < 1 || c.Limit < c.Window {
		bad("a warm-up of %v and %d, a window of %v and %d requests, a limit of %v: none is negative, the window and its requests are not 0, the limit is not below the window", c.Warm, c.WarmRequests, c.Window, c.Requests, c.Limit)
	}
	if c.TLS != nil {
		if _, err := c.TLS.suite(); err != nil {
			errs = append(errs, err)
		}
		if c.TLS.Kernel && c.TLS.Resume {
			bad("kernel TLS in the client resumes no session (crypto/ktls)")
		}
	}
	return errors.Join(errs...)
}

// ErrNothing is that no request was answered in time.
var ErrNothing = errors.New("no request was answered in time")

// Run makes the requests. edge is called at the beginning of what is measured and at
// its end, for whoever reads meters. Its errors are those of Check, of ctx, and
// ErrNothing, with the first error of a request; single requests that fail are
// counted.
func Run(ctx context.Context, c Config, edge func(open bool)) (Result, error) {
	if err := c.Check(); err != nil {
		return Result{}, fmt.Errorf("making load: %w", err)
	}
	r, err := newRun(c, edge)
	if err != nil {
		return Result{}, fmt.Errorf("making load: %w", err)
	}
	if err := r.all(ctx); err != nil {
		return Result{}, fmt.Errorf("making load for %s: %w", c.Target, err)
	}
	return r.result(), nil
}
