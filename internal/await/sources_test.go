// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"strings"
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

func TestCounts(t *testing.T) {
	var c Counts
	c.note(false)
	c.note(true)
	c.note(false)
	(*Counts)(nil).note(true) // of who does not count
	if events, lost := c.Events.Load(), c.Lost.Load(); events != 2 || lost != 1 {
		t.Errorf("%d events, %d lost", events, lost)
	}
}

func TestGenericSaysWhatIsNotThere(t *testing.T) {
	if _, err := Generic(t.Context(), nil, "nicwright-no-such", "config"); err == nil || !strings.Contains(err.Error(), "nicwright-no-such family") {
		t.Errorf("a family that is none: %v", err)
	}
	if _, err := Generic(t.Context(), nil, "nlctrl", "nobody"); err == nil || !strings.Contains(err.Error(), `no multicast group "nobody"`) {
		t.Errorf("a group that is none: %v", err)
	}
}
