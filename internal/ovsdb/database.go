// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	// Lacks are the columns that are read of other schemas and this one does not have; Schema is its
	// version then.
	Lacks  []string
	Schema string
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

// configured are the columns of an Interface that say what it shall be, or are looked
// at, of vswitch.ovsschema 8.x.
var configured = []string{
	"_uuid", "bfd", "cfm_mpid", "error", "external_ids", "ingress_policing_burst", "ingress_policing_kpkts_burst",
	"ingress_policing_kpkts_rate", "ingress_policing_rate", "lldp", "mac", "mtu_request", "name", "ofport", "ofport_request",
	"options", "other_config", "type",
}

// internal is the type of an Interface that Open vSwitch makes itself, as each bridge has one.
const internal = "internal"

// Read reads the tables in one transaction, so that they fit one another. Most of
// the text is statistics of interfaces, which are left out; of another schema than
// is known here, all columns are read.
func (c *Client) Read(ctx context.Context) (*Database, error) {
	d, err := c.read5(ctx, SelectWhere(TableInterface, "type", true, Atom(internal)), SelectWhere(TableInterface, "type", false, Atom(internal), configured...))
	var refused *OpError
	if errors.As(err, &refused) || err == nil && d == nil {
		if d, err = c.read5(ctx, Select(TableInterface)); err == nil {
			err = c.readSchema(ctx, d)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the bridges, ports and interfaces: %w", err)
	}
	return d, nil
}

// readSchema finds the columns of an Interface that there are elsewhere and not here
// (RFC 7047, 4.1.2).
func (c *Client) readSchema(ctx context.Context, d *Database) error {
	var schema struct {
		Version string `json:"version"`
		Tables  map[string]struct {
			Columns map[string]json.RawMessage `json:"columns"`
		} `json:"tables"`
	}
	if err := c.call(ctx, "get_schema", []string{database}, &schema); err != nil {
		return err
	}
	there := schema.Tables[TableInterface].Columns
	for _, name := range configured {
		if _, has := there[name]; !has && !strings.HasPrefix(name, "_") {
			d.Lacks, d.Schema = append(d.Lacks, name), schema.Version
		}
	}
	return nil
}

// read5 reads the five tables; nil where the first kind of interfaces, of which all
// columns are read before others, has one that is not known here.
func (c *Client) read5(ctx context.Context, interfaces ...Op) (*Database, error) {
	results, err := c.Transact(ctx, append([]Op{
		Select(TableRoot, "_uuid", "bridges", "other_config", "next_cfg", "cur_cfg", "ovs_version"),
		Select(TableBridge), Select(TablePort), Select(TableMirror),
	}, interfaces...)...)
	if err != nil {
		return nil, err
	}
	d := &Database{Bridges: byUUID(results[1]), Ports: byUUID(results[2]), Mirrors: byUUID(results[3]), Interfaces: map[string]Columns{}}
	for id, r := range byUUID(results[0]) {
		d.Root, d.RootUUID = r, id
	}
	if len(interfaces) > 1 && !results[4].known() {
		return nil, nil
	}
	for _, r := range results[4:] {
		maps.Copy(d.Interfaces, byUUID(r))
	}
	return d, nil
}

// known tells whether all columns of an answer, also those with their defaults, are
// among those that are read or that ovs-vswitchd writes.
func (r Result) known() bool {
	var answer struct {
		Rows []map[string]json.RawMessage `json:"rows"`
	}
	if json.Unmarshal(r.text, &answer) != nil {
		return false
	}
	for _, row := range answer.Rows {
		for name := range row {
			if !volatile[name] && !slices.Contains(configured, name) {
				return false
			}
		}
	}
	return true
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
