// SPDX-License-Identifier: Apache-2.0

// Package sampletest makes samples of which it is known what they should say: for tests.
package sampletest

import (
	"math"
	"math/rand/v2"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Truth is a line whose times are A + size/B, disturbed by a factor.
type Truth struct {
	Cell       sample.Cell // Size is set
	A, B       float64     // seconds of the system a transfer; bytes a second
	CPUA, CPUB float64     // the same of the server's processors
	Noise      float64     // standard deviation of the logarithm, of each sample
	Retransmit float64     // share of segments
	Finding    string      // not "": another path ran, in these words
}

// Sizes are 10 kB to 10 MB.
var Sizes = []uint64{10_000, 100_000, 1_000_000, 10_000_000}

// Samples measures each truth at each size once a turn. In a turn, what the machine does
// meanwhile disturbs all of them alike, by a factor whose logarithm has the deviation shared.
func Samples(seed uint64, turns int, shared float64, sizes []uint64, truths ...Truth) []sample.Sample {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // has to be the same each time
	var all []sample.Sample
	for turn := 1; turn <= turns; turn++ {
		meanwhile := math.Exp(random.NormFloat64() * shared)
		for _, t := range truths {
			for _, size := range sizes {
				all = append(all, one(t, size, turn, len(all)+1, meanwhile*math.Exp(random.NormFloat64()*t.Noise), math.Exp(random.NormFloat64()*t.Noise)))
			}
		}
	}
	return all
}

func one(t Truth, size uint64, turn, order int, slower, dearer float64) sample.Sample {
	const operations = 1000
	each := (t.A + float64(size)/t.B) * slower
	s := sample.Sample{
		Bench: sample.HTTPS, Cell: t.Cell, Turn: turn, Order: order,
		Seconds: each * operations, Bytes: size * operations, Operations: operations, Connections: operations,
		CPU: sample.CPU{Server: (t.CPUA + float64(size)/t.CPUB) * dearer * operations},
		// a segment has 1448 bytes
		Segments: size*operations/1448 + operations, Gate: sample.Gate{Verdict: sample.AsSaid},
	}
	s.Cell.Size = size
	s.Retransmits = uint64(float64(s.Segments) * t.Retransmit)
	wait := each * float64(s.Cell.Clients)
	s.Latency = map[sample.Phase]sample.Percentiles{
		sample.Whole: {Count: operations, Mean: wait, P50: wait, P90: 1.5 * wait, P99: 2 * wait, P999: 3 * wait, Max: 4 * wait},
	}
	if t.Finding != "" {
		s.Gate = sample.Gate{Verdict: sample.Finding, Words: t.Finding, Software: 1}
	}
	return s
}

// The seed's shape: times of a server whose card makes 870 keys a second.
var (
	// UserTruth is TLS in nginx.
	UserTruth = Truth{Cell: cell(sample.User), A: 22e-6, B: 1.2e9, CPUA: 150e-6, CPUB: 0.4e9, Noise: 0.02}
	// KernelTruth is kernel TLS.
	KernelTruth = Truth{Cell: cell(sample.Kernel), A: 40e-6, B: 1.6e9, CPUA: 180e-6, CPUB: 0.8e9, Noise: 0.02}
	// CardTruth is kernel TLS in the card: the set-up is paid one after the other.
	CardTruth = Truth{Cell: cell(sample.CardTx), A: 1.15e-3, B: 2.9e9, CPUA: 250e-6, CPUB: 4e9, Noise: 0.02}
)

func cell(m sample.Mode) sample.Cell {
	return sample.Cell{Mode: m, TLS: "1.2", Cipher: "AES-256-GCM", Clients: 50, Sendfile: m != sample.User}
}
