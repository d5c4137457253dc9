// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"time"
)

// Ticks is an event source for what the kernel has no event for, as the LAG of a card, which
// is made by a work item of the driver, and of which only a file in debugfs tells. It ends with ctx.
func Ticks(ctx context.Context, every time.Duration) <-chan struct{} {
	ch := make(chan struct{}, 1)
	go func() {
		defer close(ch)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				signal(ch)
			}
		}
	}()
	return ch
}
