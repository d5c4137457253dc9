// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A try without an answer is made again, until there is a way or the time is over; a refusal is the answer.
func TestReachTriesAgainWhereNobodyAnswers(t *testing.T) {
	silent := func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("dial: %w", os.ErrDeadlineExceeded) }
	for _, tt := range []struct {
		name  string
		tries []func(context.Context) error
		want  error
	}{
		{"at once", []func(context.Context) error{func(context.Context) error { return nil }}, nil},
		{"no answer, no neighbour, a way", []func(context.Context) error{
			silent, func(context.Context) error { return unix.EHOSTUNREACH }, func(context.Context) error { return nil },
		}, nil},
		{"refused", []func(context.Context) error{func(context.Context) error { return unix.ECONNREFUSED }}, unix.ECONNREFUSED},
	} {
		n := 0
		err := reachWithin(t.Context(), time.Minute, time.Millisecond, func(ctx context.Context) error {
			n++
			return tt.tries[n-1](ctx)
		})
		if n != len(tt.tries) || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v after %d tries", tt.name, err, n)
		}
	}
	if err := reachWithin(t.Context(), 20*time.Millisecond, time.Millisecond, silent); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nobody ever answers: %v", err)
	}
}
