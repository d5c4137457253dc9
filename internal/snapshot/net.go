// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"

	"github.com/nicwright/nicwright/internal/rtnet"
)

// readEntries reads what hangs on the netdevs.
func (s *Snapshot) readEntries(ctx context.Context) (err error) {
	if s.Entries, err = rtnet.List(ctx); err != nil {
		return err
	}
	filters, err := rtnet.Filters(ctx, s.switchPorts())
	s.Entries = append(s.Entries, filters...)
	return err
}

// addressesOf are the addresses that somebody gave a netdev: none of the link's own
// scope, and none that it took from a router's advertisement unasked.
func (s *Snapshot) addressesOf(index int) []string {
	var all []string
	for _, e := range s.Entries {
		if e.Index == index && e.Kind == rtnet.Address && e.Daemon != rtnet.Advertised {
			all = append(all, e.Text)
		}
	}
	return all
}
