// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/nicwright/nicwright/crypto/ktls"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// How often the set-up is measured: alternating, one at a time and several at once, for
// a card that makes keys one after the other has those wait.
const (
	setUpTurns = 5 // at most
	setUpEach  = 8
)

// setUpSuites are those that a card may take.
var setUpSuites = map[string]uint16{
	"AES-128-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "AES-256-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
}

// SetUpVariant marks the samples of the set-up: they have that latency and no other figure.
const SetUpVariant = "set-up alone"

// setUps measures how long the kernel takes to set up TLS on a connection (the socket
// options TCP_ULP and TLS_TX), by the card and in software.
func (b *bench) setUps(ctx context.Context, cipher string, size uint64) error {
	suite, ok := setUpSuites[cipher]
	if !ok {
		return nil // no card has it
	}
	for turn := 1; turn <= min(setUpTurns, b.in.Turns); turn++ {
		for _, card := range b.random.Perm(2) {
			mode := []sample.Mode{sample.Kernel, sample.CardTx}[card]
			if err := b.switchTo(ctx, mode); err != nil {
				return nil //nolint:nilerr // the cells of that mode say so
			}
			for _, at := range []int{1, setUpEach} {
				s, err := b.setUp(ctx, mode, suite, at)
				if err != nil {
					return err
				}
				s.Cell.Cipher, s.Cell.Size, s.Turn = cipher, size, turn
				b.order++
				s.Order = b.order
				if err := b.write(s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// setUp sets up setUpEach connections, so many at once.
func (b *bench) setUp(ctx context.Context, mode sample.Mode, suite uint16, at int) (sample.Sample, error) {
	s := sample.Sample{Bench: sample.HTTPS, Cell: sample.Cell{Mode: mode, TLS: "1.2", Clients: at, Sendfile: true, Variant: SetUpVariant}, Counters: map[string]int64{}}
	hist := hdrhistogram.New(1, int64(time.Hour), 3)
	before, err := b.counters()
	if err != nil {
		return s, err
	}
	var mu sync.Mutex
	var errs []error
	for range setUpEach / at {
		var wait sync.WaitGroup
		begin := make(chan struct{})
		for range at {
			client, server, err := site.Connect(ctx, b.Server, b.Client, false)
			if err != nil {
				return s, err
			}
			defer server.Close()
			keys := ktls.Keys{Suite: suite, Key: make([]byte, ktls.KeySize(suite)), Sequence: 1}
			_, _ = rand.Read(keys.Key) // it never fails
			wait.Go(func() {
				<-begin
				start := time.Now()
				conn, err := ktls.AttachKeys(client, &keys, nil)
				took := time.Since(start)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, err)
					return
				}
				errs = append(errs, hist.RecordValue(int64(took)), conn.Close())
			})
		}
		close(begin)
		wait.Wait()
	}
	if err := errors.Join(errs...); err != nil {
		return s, fmt.Errorf("measuring the set-up of kernel TLS: %w", err)
	}
	after, err := b.counters()
	if err != nil {
		return s, err
	}
	s.Counters = rounds.Moved(before, after)
	s.Operations = setUpEach
	s.Latency = map[sample.Phase]sample.Percentiles{sample.SetUp: load.Percentiles(hist)}
	s.Gate = gate(sample.Cell{Mode: mode, TLS: "1.2", Cipher: "AES-128-GCM"}, s.Counters, load.Total{Sessions: setUpEach, Requests: setUpEach})
	return s, nil
}

// loadTLS has the kernel load its module tls, which it does for a socket of root's
// alone: nginx is not root. Where that cannot be, the cells say so.
func (b *bench) loadTLS(ctx context.Context) {
	if b.Client == nil {
		b.loadTLSFar(ctx)
		return
	}
	_ = b.switchTo(ctx, sample.Kernel) // no key for the card, of which no sample tells
	_, _ = b.setUp(ctx, sample.Kernel, setUpSuites["AES-128-GCM"], 1)
}

// loadTLSFar is loadTLS by a connection to the peer, in which nothing is said.
func (b *bench) loadTLSFar(ctx context.Context) {
	conn, err := site.Dial(ctx, b.Server, b.in.Peer.At)
	if err != nil {
		return
	}
	_ = b.switchTo(ctx, sample.Kernel)
	suite := setUpSuites["AES-128-GCM"]
	keys := ktls.Keys{Suite: suite, Key: make([]byte, ktls.KeySize(suite)), Sequence: 1}
	// TCP is closed, and not TLS: its alert would be something to the peer that it does not understand.
	_, _ = ktls.AttachKeys(conn, &keys, nil)
	_ = conn.Close()
}
