// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
)

// The tables of vswitch.ovsschema (ovs-vswitchd.conf.db(5)) that are read.
const (
	database       = "Open_vSwitch"
	TableRoot      = "Open_vSwitch"
	TableBridge    = "Bridge"
	TablePort      = "Port"
	TableInterface = "Interface"
	TableMirror    = "Mirror"
)

// Database is Open vSwitch's, as far as it concerns us: rows by UUID, each with
// all its columns.
type Database struct {
	Root       Columns // nil in a database that was never initialised
	RootUUID   string
	Bridges    map[string]Columns
	Ports      map[string]Columns
	Interfaces map[string]Columns
	Mirrors    map[string]Columns
}

// volatile are the columns that ovs-vswitchd writes: what a row is, and not what
// it shall be. (They are not all marked as ephemeral in the schema.)
var volatile = map[string]bool{
	"_uuid": true, "_version": true, "statistics": true, "status": true, "error": true,
	// Bridge
	"rstp_status": true,
	// Port
	"bond_active_slave": true, "rstp_statistics": true,
	// Interface
	"admin_state": true, "bfd_status": true, "cfm_fault": true, "cfm_fault_status": true, "cfm_flap_count": true,
	"cfm_health": true, "cfm_remote_mpids": true, "cfm_remote_opstate": true, "duplex": true, "ifindex": true,
	"lacp_current": true, "link_resets": true, "link_speed": true, "link_state": true, "mac_in_use": true, "mtu": true, "ofport": true,
}

// Config is what a row shall be: its columns without those that ovs-vswitchd
// writes, and without those named.
func (c Columns) Config(without ...string) Columns {
	out := maps.Clone(c)
	maps.DeleteFunc(out, func(name string, _ json.RawMessage) bool { return volatile[name] })
	for _, name := range without {
		delete(out, name)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Read reads the tables in one transaction, so that they fit one another.
func (c *Client) Read(ctx context.Context) (*Database, error) {
	results, err := c.Transact(ctx,
		Select(TableRoot, "_uuid", "bridges", "other_config", "next_cfg", "cur_cfg", "ovs_version"),
		Select(TableBridge), Select(TablePort), Select(TableInterface), Select(TableMirror),
	)
	if err != nil {
		return nil, fmt.Errorf("reading the bridges, ports and interfaces: %w", err)
	}
	d := &Database{Bridges: byUUID(results[1]), Ports: byUUID(results[2]), Interfaces: byUUID(results[3]), Mirrors: byUUID(results[4])}
	for id, r := range byUUID(results[0]) {
		d.Root, d.RootUUID = r, id
	}
	return d, nil
}

func byUUID(r Result) map[string]Columns {
	rows := make(map[string]Columns, len(r.Rows))
	for _, row := range r.Rows {
		if id := row.UUIDs("_uuid"); len(id) == 1 {
			rows[id[0]] = row
		}
	}
	return rows
}
