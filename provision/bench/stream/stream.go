// SPDX-License-Identifier: Apache-2.0

// Package stream sends bytes over TCP as fast as they go, many connections at a time,
// and counts those that arrive between two moments: the transfer of `nicwright bench
// ipsec`. It knows nothing of what protects them on their way.
package stream

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Config is what both ends of a run agree on.
type Config struct {
	Streams int `json:"streams"` // TCP connections, 1..MaxStreams
	// Size is written at a time, in bytes, 1..MaxSize: a transfer.
	Size uint64 `json:"size"`
	// Warm is how long bytes arrive before the first one counts.
	Warm time.Duration `json:"warm"`
	// Window is measured, at least, and Transfers of Size in it. Limit ends a window that has
	// too few; it is also how long all connections may take to be there.
	Window    time.Duration `json:"window"`
	Transfers uint64        `json:"transfers"`
	Limit     time.Duration `json:"limit"`
	// Token is the first bytes of each connection: others are closed.
	Token Token `json:"token"`
}

// Token tells the connections of a run from all others.
type Token [16]byte

// NewToken makes a random one.
func NewToken() (t Token) {
	_, _ = rand.Read(t[:]) // it never fails
	return t
}

// Limits of a Config.
const (
	MaxStreams = 4096
	MaxSize    = 16 << 20
)

// Check says what is wrong in a Config.
func (c *Config) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Streams < 1 || c.Streams > MaxStreams {
		bad("%d streams: it is 1 to %d", c.Streams, MaxStreams)
	}
	if c.Size < 1 || c.Size > MaxSize {
		bad("transfers of %d bytes: it is 1 to %d", c.Size, MaxSize)
	}
	if c.Warm < 0 || c.Window <= 0 || c.Limit < c.Window || c.Transfers < 1 {
		bad("a warm-up of %v, a window of %v and %d transfers, a limit of %v: none is negative, the window and its transfers are not 0, the limit is not below the window", c.Warm, c.Window, c.Transfers, c.Limit)
	}
	return errors.Join(errs...)
}

// Received is what arrived.
type Received struct {
	Seconds float64 `json:"seconds"` // measured
	Bytes   uint64  `json:"bytes"`   // in that time
	// Short: the limit came before there was as much as was asked for.
	Short bool `json:"short,omitempty"`
	// All are the bytes of the whole run, with its warm-up.
	All uint64 `json:"all"`
	// Least is of the stream that had the fewest bytes of all.
	Least uint64 `json:"least"`
}

// Sent is what was sent.
type Sent struct {
	Bytes uint64 `json:"bytes"` // that the kernel took; not all of them need have arrived
	// Segments are of TCP, Retransmits those that were sent again.
	Segments    uint64 `json:"segments"`
	Retransmits uint64 `json:"retransmits"`
}

// ErrStill is that nothing arrived in the window.
var ErrStill = errors.New("the connections stand, and nothing arrives")
