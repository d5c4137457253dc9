// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestUntilLooksAgainAtEachEvent(t *testing.T) {
	events := make(chan struct{}, 3)
	for range 3 {
		events <- struct{}{}
	}
	looks := 0
	if err := Until(t.Context(), "three looks", events, func() (bool, error) { looks++; return looks == 3, nil }); err != nil {
		t.Fatal(err)
	}
}

func TestUntilSaysWhatItWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the deadline of 30 s")
	cancel(why)
	err := Until(ctx, "the LAG is active", nil, func() (bool, error) { return false, nil })
	if !errors.Is(err, why) || !strings.Contains(err.Error(), "until the LAG is active") {
		t.Errorf("got %v", err)
	}
	closed := make(chan struct{})
	close(closed)
	for range 64 { // a source that ends with its context is closed when it is chosen, or not: the reason is the same
		if err := Until(ctx, "x", closed, func() (bool, error) { return false, nil }); !errors.Is(err, why) {
			t.Fatalf("got %v, want the context's reason", err)
		}
	}
	if err := Until(t.Context(), "x", closed, func() (bool, error) { return false, nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if err := Until(t.Context(), "x", nil, func() (bool, error) { return false, why }); !errors.Is(err, why) {
		t.Errorf("got %v, want the condition's error", err)
	}
}
