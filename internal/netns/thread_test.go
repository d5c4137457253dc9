// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// The first thread is not used, however often it would be its turn; and those that are used end.
func TestThread(t *testing.T) {
	last := 0
	for range 5000 {
		if err := Thread(func() error {
			if last = unix.Gettid(); last == unix.Getpid() {
				return errors.New("it is the process's first thread")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("broken")
	if err := Thread(func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || len(threads) > 1000 {
		t.Errorf("%d threads are left, the last was %s: %v", len(threads), strconv.Itoa(last), err)
	}
}
