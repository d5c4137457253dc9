// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/ovn-org/libovsdb/client"
	"github.com/ovn-org/libovsdb/model"
)

// The tables of vswitch.ovsschema (ovs-vswitchd.conf.db(5)) and, of them, the
// columns nicwright reads or writes.

type rootRow struct {
	UUID        string            `ovsdb:"_uuid"`
	Bridges     []string          `ovsdb:"bridges"`
	OtherConfig map[string]string `ovsdb:"other_config"`
	NextCfg     int               `ovsdb:"next_cfg"`
	CurCfg      int               `ovsdb:"cur_cfg"`
	Version     *string           `ovsdb:"ovs_version"`
}

type bridgeRow struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Ports       []string          `ovsdb:"ports"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type portRow struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Interfaces  []string          `ovsdb:"interfaces"`
	Tag         *int              `ovsdb:"tag"`
	Trunks      []int             `ovsdb:"trunks"`
	VLANMode    *string           `ovsdb:"vlan_mode"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type interfaceRow struct {
	UUID    string  `ovsdb:"_uuid"`
	Name    string  `ovsdb:"name"`
	Type    string  `ovsdb:"type"`
	OFPort  *int    `ovsdb:"ofport"`
	Ifindex *int    `ovsdb:"ifindex"`
	Error   *string `ovsdb:"error"`
}

const (
	database       = "Open_vSwitch"
	tableRoot      = "Open_vSwitch"
	tableBridge    = "Bridge"
	tablePort      = "Port"
	tableInterface = "Interface"
)

// rows is the database as far as it concerns us; Root is nil in a database that
// was never initialised. The maps are by UUID.
type rows struct {
	Root       *rootRow
	Bridges    map[string]bridgeRow
	Ports      map[string]portRow
	Interfaces map[string]interfaceRow
}

// sockets are where ovsdb-server listens, by its own default and where /var/run
// is no link to /run.
func sockets() []string {
	return []string{"/run/openvswitch/db.sock", "/var/run/openvswitch/db.sock"}
}

// errNotRunning is the reason in a State without OVS.
var errNotRunning = errors.New("Open vSwitch is not running") //nolint:staticcheck // a name begins with a capital

const startHint = "install and start it: apt install openvswitch-switch, systemctl start openvswitch-switch"

// connect opens OVSDB and monitors the four tables. errors.Is(err,
// errNotRunning) when nobody listens. The caller closes the client.
func connect(ctx context.Context, paths []string) (_ client.Client, err error) {
	path := ""
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, fmt.Errorf("%w: there is no socket %s (%s)", errNotRunning, strings.Join(paths, " or "), startHint)
	}
	tables, err := model.NewClientDBModel(database, map[string]model.Model{
		tableRoot: &rootRow{}, tableBridge: &bridgeRow{}, tablePort: &portRow{}, tableInterface: &interfaceRow{},
	})
	if err != nil {
		return nil, fmt.Errorf("OVSDB: the table types: %w", err)
	}
	quiet := logr.Discard() // what is wrong is in the errors; the library would write it to stderr as well
	c, err := client.NewOVSDBClient(tables, client.WithEndpoint("unix:"+path), client.WithLogger(&quiet))
	if err != nil {
		return nil, fmt.Errorf("OVSDB: %w", err)
	}
	err = c.Connect(ctx)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: nobody listens on %s (%s)", errNotRunning, path, startHint)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("OVSDB: connecting to %s: %w (it needs root)", path, err)
	case err != nil:
		return nil, fmt.Errorf("OVSDB: connecting to %s: %w (is it ovsdb-server that listens there, with the database %s?)", path, err, database)
	}
	// Only these columns: an Interface has statistics besides, which change all the time.
	var root rootRow
	var br bridgeRow
	var port portRow
	var iface interfaceRow
	_, err = c.Monitor(ctx, c.NewMonitor(
		client.WithTable(&root, &root.Bridges, &root.OtherConfig, &root.NextCfg, &root.CurCfg, &root.Version),
		client.WithTable(&br, &br.Name, &br.Ports, &br.ExternalIDs),
		client.WithTable(&port, &port.Name, &port.Interfaces, &port.Tag, &port.Trunks, &port.VLANMode, &port.ExternalIDs),
		client.WithTable(&iface, &iface.Name, &iface.Type, &iface.OFPort, &iface.Ifindex, &iface.Error),
	))
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("OVSDB: reading the bridges, ports and interfaces (monitor) on %s: %w", path, err)
	}
	return c, nil
}

// read copies the tables from the client's cache, which the monitor keeps.
func read(ctx context.Context, c client.Client) (rows, error) {
	var roots []rootRow
	var bridges []bridgeRow
	var ports []portRow
	var interfaces []interfaceRow
	for _, list := range []any{&roots, &bridges, &ports, &interfaces} {
		if err := c.List(ctx, list); err != nil {
			return rows{}, fmt.Errorf("OVSDB: reading the monitored tables: %w", err)
		}
	}
	r := rows{
		Bridges:    make(map[string]bridgeRow, len(bridges)),
		Ports:      make(map[string]portRow, len(ports)),
		Interfaces: make(map[string]interfaceRow, len(interfaces)),
	}
	if len(roots) > 0 {
		r.Root = &roots[0]
	}
	for _, b := range bridges {
		r.Bridges[b.UUID] = b
	}
	for _, p := range ports {
		r.Ports[p.UUID] = p
	}
	for _, i := range interfaces {
		r.Interfaces[i.UUID] = i
	}
	return r, nil
}
