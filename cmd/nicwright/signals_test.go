// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The first SIGTERM ends an operation at a step's end, the second the act under
// way; a terminal that is gone ends nothing.
func TestGuard(t *testing.T) {
	defer signal.Reset(syscall.SIGHUP, syscall.SIGPIPE)
	parent, cancel := context.WithCancel(t.Context())
	acts, stop, release := guard(parent)
	defer release()
	kill := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(syscall.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	ends := func(ctx context.Context) {
		t.Helper()
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("it goes on")
		}
	}
	cancel() // what main does at the first signal
	kill(syscall.SIGHUP)
	kill(syscall.SIGPIPE)
	if acts.Err() != nil || stop.Err() != nil {
		t.Error("SIGHUP or SIGPIPE ends an operation")
	}
	kill(syscall.SIGTERM)
	ends(stop)
	if acts.Err() != nil {
		t.Errorf("the first SIGTERM gives up the act under way: %v", context.Cause(acts))
	}
	if cause := context.Cause(stop); !strings.Contains(cause.Error(), "terminated") {
		t.Errorf("stop says %v", cause)
	}
	kill(syscall.SIGINT)
	ends(acts)
	if !errors.Is(context.Cause(acts), errAgain) {
		t.Errorf("acts say %v", context.Cause(acts))
	}
}

// --timeout holds for the acts of an operation, too, and says so.
func TestTimeoutEndsAnOperation(t *testing.T) {
	defer signal.Reset(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, cancel := limit(t.Context(), time.Millisecond)
	defer cancel()
	acts, stop, release := guard(ctx)
	defer release()
	<-acts.Done()
	<-stop.Done()
	if !errors.Is(context.Cause(acts), errTimeout) || !errors.Is(context.Cause(stop), errTimeout) {
		t.Errorf("they say %v and %v", context.Cause(acts), context.Cause(stop))
	}
	none, cancelNone := limit(t.Context(), 0)
	defer cancelNone()
	if _, has := none.Deadline(); has {
		t.Error("no --timeout is a deadline")
	}
}
