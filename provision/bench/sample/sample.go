// SPDX-License-Identifier: Apache-2.0

package sample

// Sample is one cell, measured once, from the completion of one request to that of
// another; the warm-up is left out.
type Sample struct {
	Bench Bench `json:"bench"`
	Cell  Cell  `json:"cell"`
	// Turn counts from 1. In a turn every cell is measured once: what the machine did meanwhile met all of
	// them, so two cells are compared turn by turn.
	Turn  int `json:"turn"`
	Order int `json:"order"` // place in the run, from 1: cells are in random order
	// Control is 1 or 2 for the two halves of the A/A control: the same cell twice a turn, between which there
	// must be no difference. 0: an ordinary sample.
	Control int `json:"control,omitempty"`

	Seconds    float64 `json:"seconds"` // measured
	Bytes      uint64  `json:"bytes"`   // of content, both ways
	Operations uint64  `json:"operations"`
	// Connections are TCP connections that were made.
	Connections uint64 `json:"connections,omitempty"`
	// Missed are requests that the open loop could not begin in time: their waiting is in the latencies.
	Missed uint64 `json:"missed,omitempty"`
	Errors uint64 `json:"errors,omitempty"` // requests that failed

	CPU CPU `json:"cpu"`
	// Segments are TCP segments that the server sent, Retransmits those of them that it sent again; both 0: not known.
	Segments    uint64 `json:"segments,omitempty"`
	Retransmits uint64 `json:"retransmits,omitempty"`
	// Counters moved by this much in all of the cell, with its warm-up. Names are the kernel's, after "server." or
	// "client.": server.TlsTxDevice, server.tx_tls_encrypted_bytes.
	Counters map[string]int64 `json:"counters,omitempty"`
	// Latency is by phase: connect, handshake, first_byte, whole, setup (of kernel TLS: the socket options).
	Latency map[Phase]Percentiles `json:"latency,omitempty"`

	Gate  Gate   `json:"gate"`
	Flags []Flag `json:"flags,omitempty"`
}

// CPU is the seconds that processors were busy in the time measured.
type CPU struct {
	Server float64 `json:"server"` // the server's processes, with the kernel's work on their behalf
	Client float64 `json:"client,omitempty"`
	// Busy is that of the server's whole machine, softirq and all, Idle the rest; both 0: not known.
	Busy float64 `json:"busy,omitempty"`
	Idle float64 `json:"idle,omitempty"`
}

// Phase is a part of a request.
type Phase string

// The phases. Whole is from the beginning to the last byte; in the open loop from when it should have begun.
const (
	Connect   Phase = "connect"
	Handshake Phase = "handshake"
	FirstByte Phase = "first_byte"
	Whole     Phase = "whole"
	SetUp     Phase = "setup"
)

// Percentiles of a time, in seconds.
type Percentiles struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

// Verdict is what the counters say of the path.
type Verdict string

// The verdicts. Only a sample whose path was as its cell says is a figure.
const (
	AsSaid  Verdict = "as-said"
	Finding Verdict = "finding" // another path ran: Gate.Words say which
)

// Gate is whether the path was the one that the cell names, by counters.
type Gate struct {
	Verdict Verdict `json:"verdict"`
	// Words say what ran instead, for people: "kernel TLS in the card, TLS 1.3: all 40 sessions in software".
	Words string `json:"words,omitempty"`
	// Software is the share, 0 to 1, of the sessions that were in software where the card was asked for.
	Software float64 `json:"software,omitempty"`
}

// Flag is a reason to trust a sample less.
type Flag string

// The flags.
const (
	ClientBound Flag = "client-bound" // the client was as busy as it can be: it is not the server that was measured
	ColdCache   Flag = "cold-cache"   // the server read from its disk
	Noisy       Flag = "noisy"        // others used the machine
	Short       Flag = "short"        // too few requests or too little time for the interval that was wanted
)

// Figure tells a sample that says something of its cell.
func (s *Sample) Figure() bool {
	return s.Gate.Verdict == AsSaid && s.Seconds > 0 && s.Bytes > 0 && s.Control == 0
}

// Has tells whether the sample is flagged so.
func (s *Sample) Has(f Flag) bool {
	for _, have := range s.Flags {
		if have == f {
			return true
		}
	}
	return false
}

// Throughput is bytes of content a second.
func (s *Sample) Throughput() float64 { return float64(s.Bytes) / s.Seconds }
