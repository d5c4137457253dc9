// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Thread runs f on an OS thread that ends with it, so that f may change what a thread
// has for itself (its network namespace, its mounts) and leave it so. It is never the
// process's first thread: the runtime cannot end that one, which would then keep a
// namespace, and a netdev in it, for as long as the process lives.
func Thread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// While this goroutine holds the first thread, the next one gets another.
			done <- Thread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f() // never unlocked
	}()
	return <-done
}
