// SPDX-License-Identifier: Apache-2.0

// Command nicwright brings a host's SmartNIC to what a profile says, and proves
// it with traffic. This package parses, calls provision, and prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/nicwright/nicwright/internal/style"
)

// Exit statuses, as README.md has them.
const (
	exitDone     = 0  // done, or nothing to do
	exitError    = 1  // an error
	exitSteps    = 2  // the plan has steps
	exitUnproven = 3  // a verdict is not what the profile requires
	exitBack     = 4  // the apply before was not confirmed in time: the host was taken back, and nothing was applied
	exitPartly   = 5  // done, but for what hangs on what the host lacks (--without-missing)
	exitUsage    = 64 // the command line is wrong
)

// exitStatus carries an exit status other than exitError's; a nil err is silent.
type exitStatus struct {
	code int
	err  error
}

func (e exitStatus) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e exitStatus) Unwrap() error { return e.err }

func main() {
	// A run is short: collecting the first 32 MB of garbage would cost more time than it gives room.
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(40 << 20)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var status exitStatus
	if !errors.As(err, &status) {
		status = exitStatus{exitError, err}
	}
	if status.err != nil {
		fmt.Fprintf(style.Plain(os.Stderr), "nicwright: %v\n", err)
	}
	return status.code
}
