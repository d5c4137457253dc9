// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"errors"
	"fmt"
	"time"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/internal/tcpdiag"
)

// Connections makes a workload of connections to a port of this host that ended while
// it was looked at. What is counted as a transfer is what a connection sent, all of it:
// it is a connection that pays the set-up.
type Connections struct {
	Port  uint16
	sizes counter
	all   tcpdiag.Connection // sums
	n     uint64
}

// Add counts a connection that ended, if it is one to the port that sent something.
func (c *Connections) Add(x tcpdiag.Connection) {
	if x.Local.Port() != c.Port || x.Sent == 0 {
		return
	}
	if c.sizes == nil {
		c.sizes = counter{}
	}
	c.sizes.add(x.Sent)
	c.n++
	c.all.Sent, c.all.Received = c.all.Sent+x.Sent, c.all.Received+x.Received
	c.all.Segments, c.all.Retransmits = c.all.Segments+x.Segments, c.all.Retransmits+x.Retransmits
}

// fewest is how many connections say something of what a server sends.
const fewest = 20

// ErrFewConnections is that of less than 20 connections.
var ErrFewConnections = errors.New("too few connections ended")

// Workload is what was seen in so long a time. Errors: ErrFewConnections.
func (c *Connections) Workload(took time.Duration) (*Workload, error) {
	if c.n < fewest {
		return nil, fmt.Errorf("%w to tell what is sent: %s to port %d in %v, of at least %d; look longer, when there is traffic, or say --workload or --sizes", ErrFewConnections, style.Count(int(c.n), "connection"), c.Port, took.Round(time.Second), fewest)
	}
	w := &Workload{Source: fmt.Sprintf("%d connections to port %d that ended within %v", c.n, c.Port, took.Round(time.Second))}
	w.Sizes, w.Transfers = c.sizes.shares()
	w.Busiest = float64(c.n) / took.Seconds()
	received := float64(c.all.Received) / float64(c.all.Sent)
	w.Received = &received
	if c.all.Segments > 0 {
		again := float64(c.all.Retransmits) / float64(c.all.Segments)
		w.Retransmits = &again
	}
	return w, nil
}
