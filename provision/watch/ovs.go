// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/ovsdb"
)

// Waits until Open vSwitch is asked again that is not there, or broke off.
const (
	ovsFirstRetry   = time.Second
	ovsLongestRetry = 30 * time.Second
)

// follower follows one connection to its end, and tells whether there was one, and whether it told of changes. Why it
// ended does not matter: whoever looks is told.
type follower func(ctx context.Context, changed func()) (there, followed bool)

// monitored are the columns that say what the switch shall be, of a schema since Open
// vSwitch 2.5: no statistics, and nothing that changes by itself.
func monitored() map[string][]string {
	return map[string][]string{
		ovsdb.TableRoot:      {"bridges", "other_config", "ovs_version"},
		ovsdb.TableBridge:    {"name", "ports", "datapath_type", "fail_mode", "external_ids", "other_config", "controller", "mirrors", "protocols"},
		ovsdb.TablePort:      {"name", "interfaces", "tag", "trunks", "vlan_mode", "bond_mode", "lacp", "external_ids", "other_config"},
		ovsdb.TableInterface: {"name", "type", "options", "mtu_request", "ofport", "error", "external_ids", "other_config"},
	}
}

// ovsEvents are changes of the database of Open vSwitch, and that it comes and goes.
func ovsEvents(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
	return ovsEventsAt(ctx, c, ovsdb.Sockets()), nil
}

func ovsEventsAt(ctx context.Context, c *await.Counts, sockets []string) <-chan struct{} {
	return followed(ctx, c, func(ctx context.Context, changed func()) (there, followed bool) {
		return monitor(ctx, sockets, changed)
	})
}

// flowEvents are changes of nicwright's OpenFlow rules in a bridge, and that the bridge comes and goes.
func flowEvents(bridge string) Source {
	return func(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
		return followed(ctx, c, func(ctx context.Context, changed func()) (there, followed bool) {
			flows, err := openflow.Dial(ctx, bridge)
			if err != nil {
				return false, false
			}
			defer flows.Close()
			if err := flows.Monitor(); err != nil { // it does not tell: what drifts is found by the next look
				return false, false
			}
			for err == nil {
				changed() // also what happened before it was listened to
				err = flows.Next()
			}
			return true, true
		}), nil
	}
}

// followed are the changes that connections tell of, one after the other.
func followed(ctx context.Context, c *await.Counts, follow follower) <-chan struct{} {
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		retry := ovsFirstRetry
		for {
			there, followed := follow(ctx, func() {
				c.Events.Add(1)
				pass(out)
			})
			if followed {
				retry = ovsFirstRetry
			}
			if there { // what it is now is not known
				c.Lost.Add(1)
				pass(out)
			}
			timer := time.NewTimer(retry)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			retry = min(2*retry, ovsLongestRetry)
		}
	}()
	return out
}

// monitor follows a connection to the database.
func monitor(ctx context.Context, sockets []string, changed func()) (there, followed bool) {
	db, err := ovsdb.Dial(ctx, sockets)
	if err != nil {
		return false, false
	}
	defer db.Close()
	if _, err := db.Monitor(ctx, monitored()); err != nil {
		return true, false
	}
	changed() // what happened before it was listened to
	for {
		if _, err := db.Next(ctx); err != nil {
			return true, true
		}
		changed()
	}
}
