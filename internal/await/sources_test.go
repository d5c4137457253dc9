// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"testing"
	"time"
)

func TestSourcesEndWithTheirContext(t *testing.T) {
	for name, source := range map[string]func(context.Context) (<-chan struct{}, error){"Links": Links, "Addresses": Addresses, "Uevents": Uevents} {
		ctx, stop := context.WithCancel(context.Background())
		ch, err := source(ctx)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		merged := Any(ctx, ch)
		stop()
		limit := time.After(10 * time.Second)
		for open := true; open; {
			select {
			case _, open = <-merged:
			case <-limit:
				t.Fatalf("%s: still open after its context ended", name)
			}
		}
	}
}

func TestAnyPassesEventsOn(t *testing.T) {
	a, b := make(chan struct{}, 1), make(chan struct{}, 1)
	merged := Any(t.Context(), a, b)
	b <- struct{}{}
	<-merged
	close(a)
	close(b)
	if _, open := <-merged; open {
		t.Error("open after all its sources ended")
	}
}
