// SPDX-License-Identifier: Apache-2.0

// Package await waits for the kernel: a condition is looked at again whenever
// an event says that something changed. Subscribe before the act, then act,
// then wait.
package await

import (
	"context"
	"errors"
	"fmt"
)

// ErrClosed is returned when the event source ended before the condition held.
var ErrClosed = errors.New("the event source ended")

// Until evaluates cond at once and then after every event, until it is true,
// fails, or ctx ends. what completes the sentence "waiting until ...". A burst
// of events costs one evaluation.
func Until(ctx context.Context, what string, events <-chan struct{}, cond func() (bool, error)) error {
	for {
		ok, err := cond()
		if err != nil {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
		case _, open := <-events:
			if !open {
				if ctx.Err() != nil { // a source that ends with ctx: it is the time that is over
					return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
				}
				return fmt.Errorf("waiting until %s: %w", what, ErrClosed)
			}
		}
	}
}
