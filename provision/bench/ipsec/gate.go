// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"fmt"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/stream"
)

// The counters of the card: of who sends (the server) and who receives.
const (
	sentBytes       = "server.ipsec_tx_bytes"
	sentPackets     = "server.ipsec_tx_pkts"
	receivedBytes   = "client.ipsec_rx_bytes"
	receivedPackets = "client.ipsec_rx_pkts"
)

// evidence is what decides whether the path was the one that a cell names.
type evidence struct {
	counted  map[string]int64 // the counters that there are, by name
	moved    map[string]int64 // how far they moved in all of the run
	states   []ipsec.State    // by which the sender sent, after the run
	sent     stream.Sent
	received stream.Received
}

// gate says whether the path was the one that the cell names: by the card's own
// counters, at both ends, and by the kernel's of each SA.
func (e evidence) gate(c sample.Cell) sample.Gate {
	var words []string
	software := 0.0
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	words = append(words, badPackets(e.moved)...)
	arrived := int64(e.received.All)
	switch c.Mode {
	case sample.IPsecCard, sample.IPsecFull:
		for _, end := range []struct{ bytes, packets string }{{sentBytes, sentPackets}, {receivedBytes, receivedPackets}} {
			if _, there := e.counted[end.bytes]; !there {
				say("the driver has no counter %s to show that the card did it: it is there from Linux 6.2 on", end.bytes)
				continue
			}
			// Headers are counted, acknowledgements, and what was sent twice.
			moved, most := e.moved[end.bytes], 2*int64(e.sent.Bytes)+256*e.moved[end.packets]+1<<20
			switch {
			case moved < arrived:
				software = max(software, 1-float64(max(moved, 0))/float64(max(arrived, 1)))
				say("the card's %s moved by %d, and %d bytes arrived: the kernel did the rest", end.bytes, moved, arrived)
			case moved > most:
				say("the card's %s moved by %d, more than the %d that these streams can account for: somebody else uses the VF", end.bytes, moved, most)
			}
		}
	default:
		for _, name := range []string{sentBytes, receivedBytes} {
			if n := e.moved[name]; n != 0 {
				say("the card's %s moved by %d: it did what the kernel should have done", name, n)
			}
		}
	}
	words = append(words, e.associations(c, arrived)...)
	return rounds.Gate(words, software)
}

// badPackets says which packets an end or its card did not take.
func badPackets(moved map[string]int64) (words []string) {
	for _, side := range []string{"server.", "client."} {
		for _, name := range crypto.IPsecErrors() {
			if n := moved[side+name]; n != 0 {
				words = append(words, fmt.Sprintf("%s moved by %d: packets were not accepted", side+name, n))
			}
		}
	}
	return words
}

// associations says what is wrong by the kernel's counts of the SAs: each is to have
// carried something, and all of them at least what arrived. Of packet offload, where the
// kernel sees no ESP, it knows what the driver tells it, if that does.
func (e evidence) associations(c sample.Cell, arrived int64) (words []string) {
	if len(e.states) != c.SAs {
		words = append(words, fmt.Sprintf("the kernel lists %d SAs out, not %d", len(e.states), c.SAs))
	}
	if c.Mode == sample.Plain {
		return words
	}
	var bytes int64
	idle := 0
	for _, s := range e.states {
		bytes += int64(s.Bytes)
		if s.Packets == 0 {
			idle++
		}
	}
	if c.Mode == sample.IPsecFull && idle == len(e.states) {
		return words // the driver tells nothing
	}
	if idle > 0 {
		words = append(words, fmt.Sprintf("%d of %d SAs carried nothing", idle, len(e.states)))
	}
	if c.Mode != sample.IPsecFull && bytes < arrived {
		words = append(words, fmt.Sprintf("the SAs carried %d bytes, and %d arrived: the rest was not protected", bytes, arrived))
	}
	return words
}
