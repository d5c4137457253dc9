// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// errAgain is the cause of an act that was given up.
var errAgain = errors.New("interrupted twice: the act under way was given up")

// guard makes the contexts of an operation that changes the host. stop ends with
// the first SIGINT or SIGTERM: the operation then stops at a step's end. acts ends
// with the second, or with ctx's deadline. A terminal that hangs up, or a pipe that
// nobody reads any more, ends nothing.
func guard(ctx context.Context) (acts, stop context.Context, release func()) {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	again := make(chan os.Signal, 2)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	free := context.WithoutCancel(ctx)
	endDeadline := func() {}
	if d, ok := ctx.Deadline(); ok {
		free, endDeadline = context.WithDeadlineCause(free, d, errTimeout)
	}
	acts, giveUp := context.WithCancelCause(free)
	stop, stopNow := context.WithCancelCause(free)
	ended := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case s := <-again:
				if n > 0 {
					giveUp(errAgain)
					continue
				}
				fmt.Fprintf(os.Stderr, "nicwright: %v: stopping at the end of the step under way; once more gives it up\n", s)
				stopNow(fmt.Errorf("%v", s))
			case <-ended:
				return
			}
		}
	}()
	return acts, stop, func() {
		signal.Stop(again)
		close(ended)
		giveUp(nil)
		stopNow(nil)
		endDeadline()
	}
}

// errTimeout is the cause of what --timeout ended.
var errTimeout = errors.New("the time of --timeout is over")

// limit puts the time of --timeout on a verb.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, errTimeout)
}
