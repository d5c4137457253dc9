// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/nicwright/nicwright/internal/proof"
)

// DefaultBytes are sent by each proof when the profile does not say.
const DefaultBytes = 16 << 20

// ErrDiffers is that other bytes arrived than were sent.
var ErrDiffers = errors.New("other bytes arrived than were sent")

// Pattern is what is sent, again and again: of a length that no record or segment
// divides, so that bytes out of place are not equal. Both ends make it of one seed.
func Pattern(seed [32]byte) []byte {
	b := make([]byte, 1<<20+7)
	_, _ = rand.NewChaCha8(seed).Read(b) // it never fails
	return b
}

// Seed is a random one.
func Seed() (seed [32]byte, err error) {
	if _, err = crand.Read(seed[:]); err != nil {
		err = fmt.Errorf("making something to send: %w", err)
	}
	return seed, err
}

// Pump sends size bytes into w and compares what comes out of r. It fills in
// what arrived and what it took, and tells rate at once and then now and then.
func Pump(ctx context.Context, w io.Writer, r io.Reader, size int64, p *proof.Proof, rate func(bytes int64, seconds float64)) error {
	seed, err := Seed()
	if err != nil {
		return err
	}
	pattern := Pattern(seed)
	return Account(ctx, func() error { return Send(w, pattern, size) },
		func(rate func(int64)) (int64, error) { return Compare(r, pattern, size, rate) }, p, rate)
}

// Account is Pump where the ends are elsewhere: send and receive run side by side,
// and receive gives how many bytes have arrived and are equal.
func Account(ctx context.Context, send func() error, receive func(rate func(int64)) (int64, error), p *proof.Proof, rate func(bytes int64, seconds float64)) error {
	acc := account(p)
	sent := make(chan error, 1)
	go func() { sent <- send() }()
	n, err := receive(func(n int64) {
		rate(n, acc.seconds())
		acc.sample(n)
	})
	p.Bytes, p.Seconds = n, acc.seconds()
	if err != nil {
		select {
		case sendErr := <-sent: // why nothing came
			err = errors.Join(sendErr, err)
		default: // it may be waiting for a reader that has gone: the caller closes
		}
		return errors.Join(err, context.Cause(ctx))
	}
	if err := <-sent; err != nil {
		return err
	}
	acc.end()
	return nil
}

const (
	// chunk is written at a time: four records.
	chunk = 64 << 10
	// window is how often Compare tells, and how long a sample is at least.
	window = 200 * time.Millisecond
)

// Send sends size bytes of the pattern.
func Send(w io.Writer, pattern []byte, size int64) error {
	for at := int64(0); at < size; {
		off := at % int64(len(pattern))
		n := min(size-at, int64(len(pattern))-off, chunk)
		k, err := w.Write(pattern[off : off+n])
		at += int64(k)
		if err != nil {
			return fmt.Errorf("sending, after %d of %d bytes: %w", at, size, err)
		}
	}
	return nil
}

// Compare receives size bytes and compares them with the pattern; it gives how many
// were equal, and tells rate at once and then now and then.
func Compare(r io.Reader, pattern []byte, size int64, rate func(int64)) (int64, error) {
	buf := make([]byte, chunk)
	var told time.Time
	for at := int64(0); at < size; {
		off := at % int64(len(pattern))
		n := min(size-at, int64(len(pattern))-off, chunk)
		k, err := r.Read(buf[:n])
		if !bytes.Equal(buf[:k], pattern[off:off+int64(k)]) {
			return at, fmt.Errorf("%w, between byte %d and byte %d", ErrDiffers, at, at+int64(k))
		}
		at += int64(k)
		if err != nil {
			return at, fmt.Errorf("receiving, after %d of %d bytes: %w", at, size, err)
		}
		if time.Since(told) >= window {
			rate(at)
			told = time.Now()
		}
	}
	return size, nil
}

// Limit is how long a transfer of so many bytes may take: far more than any
// card or emulation needs, so that only one that stands still meets it.
func Limit(size int64) time.Duration {
	return time.Minute + time.Duration(size>>20)*2*time.Second
}
