// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// Collect records all but how the host behaves: software, cards, and what the kernel
// shows. openvswitch is the version of ovs-vswitchd, "" where it does not run. It changes nothing. What cannot be read is in Unread.
func Collect(ctx context.Context, s *snapshot.Snapshot, openvswitch string) *Baseline {
	b := &Baseline{Version: Version, Taken: time.Now().UTC().Truncate(time.Second), Runs: []Run{}}
	var unread []error
	b.Software, unread = software("")
	if openvswitch != "" {
		b.Software["openvswitch"] = openvswitch
	}
	c := &collector{s: s, unread: unread}
	b.Cards, b.Shown = c.cards(ctx), c.shown(ctx)
	for _, err := range c.unread {
		b.Unread = append(b.Unread, err.Error())
	}
	return b
}

// Wire counts what goes over uplinks.
type Wire struct {
	at    time.Time
	ports map[string]uint64 // bytes by netdev
}

// wireCounters are of mlx5's PFs and uplinks: what was on the wire, also of traffic that
// no netdev of this host saw.
var wireCounters = []string{"rx_bytes_phy", "tx_bytes_phy"}

// ReadWire reads the counters of the uplinks of a look. A driver without them counts nothing.
func ReadWire(s *snapshot.Snapshot) (Wire, error) {
	w := Wire{at: time.Now(), ports: map[string]uint64{}}
	var errs []error
	c := collector{s: s}
	for _, p := range s.PFs {
		l, ok := c.netdevOf(pci.PF(p.Address))
		if !ok {
			continue
		}
		stats, err := ethtool.Statistics(l.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Address, err))
			continue
		}
		for _, name := range wireCounters {
			w.ports[string(p.Address)] += stats[name]
		}
	}
	return w, errors.Join(errs...)
}

// Since is how much went over the uplinks since an earlier reading, in bytes a second.
func (w Wire) Since(before Wire) float64 {
	var bytes uint64
	for port, n := range w.ports {
		if was, ok := before.ports[port]; ok && n >= was {
			bytes += n - was
		}
	}
	return float64(bytes) / max(w.at.Sub(before.at).Seconds(), 1e-3)
}
