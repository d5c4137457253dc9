// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"

	"github.com/nicwright/nicwright/internal/rtnet"
)

// readEntries reads what hangs on the netdevs.
func (s *Snapshot) readEntries(ctx context.Context) (err error) {
	s.Entries, err = rtnet.List(ctx)
	return err
}

// addressesOf are the addresses of a netdev, but for those of the link's own scope.
func (s *Snapshot) addressesOf(index int) []string {
	var all []string
	for _, e := range s.Entries {
		if e.Index == index && e.Kind == rtnet.Address {
			all = append(all, e.Text)
		}
	}
	return all
}
