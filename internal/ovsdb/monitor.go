// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	libovsdb "github.com/ovn-org/libovsdb/ovsdb"
)

// Event is a row that was changed; Row is nil when it was deleted.
type Event struct {
	Table, UUID string
	Row         Columns // the monitored columns, as they are now
}

// tableUpdates is RFC 7047, 4.1.6: table, UUID, row before and after.
type tableUpdates map[string]map[string]struct {
	New Columns `json:"new"`
}

func (u tableUpdates) events() []Event {
	var all []Event
	for table, rows := range u {
		for id, r := range rows {
			all = append(all, Event{table, id, r.New})
		}
	}
	return all
}

func parseUpdate(params json.RawMessage) ([]Event, error) {
	var p []json.RawMessage
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, fmt.Errorf("an update notification: %w", err)
	}
	if len(p) != 2 {
		return nil, errors.New("an update notification has not two parameters")
	}
	var u tableUpdates
	if err := json.Unmarshal(p[1], &u); err != nil {
		return nil, fmt.Errorf("an update notification: %w", err)
	}
	return u.events(), nil
}

// Monitor subscribes to columns of tables and returns the rows as they are. What
// changes from then on is given by Next.
func (c *Client) Monitor(ctx context.Context, tables map[string][]string) ([]Event, error) {
	requests := map[string]libovsdb.MonitorRequest{}
	for table, columns := range tables {
		requests[table] = libovsdb.MonitorRequest{Columns: columns}
	}
	var u tableUpdates
	if err := c.call(ctx, libovsdb.MonitorRPC, libovsdb.NewMonitorArgs(database, nil, requests), &u); err != nil {
		return nil, err
	}
	return u.events(), nil
}

// Next waits for changes of what is monitored. It ends with ctx, which has to have
// a deadline.
func (c *Client) Next(ctx context.Context) ([]Event, error) {
	defer c.arm(ctx)()
	for len(c.events) == 0 {
		if _, err := c.read(); err != nil {
			if ctx.Err() != nil {
				_ = c.conn.Close()
				return nil, context.Cause(ctx)
			}
			return nil, c.broken(ctx, "waiting for changes", err)
		}
	}
	events := c.events
	c.events = nil
	return events, nil
}
