// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

const ovsSocket = "/run/openvswitch/db.sock"

// Columns of OVSDB that somebody sets; the others are counters or what ovs-vswitchd found.
var ovsColumns = []struct{ table, columns string }{
	{"Open_vSwitch", "_uuid,bridges,other_config,external_ids,manager_options,ssl"},
	{"Bridge", "_uuid,name,ports,other_config,external_ids,fail_mode,controller,datapath_type,stp_enable,rstp_enable,mcast_snooping_enable,protocols,flood_vlans,mirrors,netflow,sflow,ipfix"},
	{"Port", "_uuid,name,interfaces,tag,trunks,vlan_mode,cvlans,bond_mode,lacp,bond_updelay,bond_downdelay,other_config,external_ids,qos,mac,fake_bridge,protected"},
	{"Interface", "_uuid,name,type,options,other_config,external_ids,mtu_request,ofport_request,ofport,ingress_policing_rate,ingress_policing_burst,ingress_policing_kpkts_rate,ingress_policing_kpkts_burst,mac,error"},
}

// row is one of a table, by column.
type row map[string]any

// openVSwitch is OVSDB, and the OpenFlow of each bridge.
func (l *look) openVSwitch() error {
	if _, err := os.Stat(ovsSocket); err != nil {
		return nil
	}
	args := []string{"--timeout=10", "--no-wait", "--format=json"}
	for i, t := range ovsColumns {
		if i > 0 {
			args = append(args, "--")
		}
		args = append(args, "--columns="+t.columns, "list", t.table)
	}
	out, err := l.tool("ovs-vsctl", args...)
	if err != nil {
		return err
	}
	tables := map[string][]row{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for _, t := range ovsColumns {
		var table struct {
			Headings []string
			Data     [][]any
		}
		if err := dec.Decode(&table); err != nil {
			return fmt.Errorf("read table %s of ovs-vsctl: %w", t.table, err)
		}
		for _, cells := range table.Data {
			r := row{}
			for i, h := range table.Headings {
				r[h] = cells[i]
			}
			tables[t.table] = append(tables[t.table], r)
		}
	}
	for _, r := range tables["Open_vSwitch"] {
		l.set("ovs", there, "yes")
		l.columns("ovs", "", r, "bridges")
	}
	for _, b := range tables["Bridge"] {
		if err := l.bridge(b, tables); err != nil {
			return err
		}
	}
	return nil
}

func (l *look) bridge(b row, tables map[string][]row) error {
	name := ovsdb(b["name"])
	id := "ovs/" + name
	l.set(id, there, "yes")
	l.columns(id, "", b, "name", "ports")
	for _, p := range of(b["ports"], tables["Port"]) {
		interfaces := of(p["interfaces"], tables["Interface"])
		stands := "port/" + ovsdb(p["name"])
		if len(interfaces) == 1 {
			stands = l.standsFor(ovsdb(interfaces[0]["name"]))
		}
		port := id + "/" + stands
		l.set(port, there, "yes")
		l.columns(port, "", p, "name", "interfaces")
		for _, i := range interfaces {
			prefix := "interface "
			if len(interfaces) > 1 {
				prefix += l.names.of(ovsdb(i["name"])) + " "
			}
			l.columns(port, prefix, i, "name", "ofport")
			l.set(port, prefix+"attached", yesNo(!strings.HasPrefix(ovsdb(i["ofport"]), "-") && ovsdb(i["ofport"]) != "[]"))
		}
	}
	return l.openFlow(id, name)
}

// standsFor is the function or bond of a port's netdev; a port of anything else has its own name.
func (l *look) standsFor(netdev string) string {
	id := l.names[netdev]
	for _, suffix := range []string{"/representor", "/netdev"} {
		if f, ok := strings.CutSuffix(id, suffix); ok && strings.HasPrefix(id, "pci/") {
			return f
		}
	}
	if strings.HasPrefix(id, "bond/") {
		return id
	}
	return "port/" + netdev
}

// flowCounters are the fields of a flow that change by themselves.
var flowCounters = regexp.MustCompile(`\b(duration|n_packets|n_bytes|idle_age|hard_age|n_offload_packets|n_offload_bytes)=[^ ,]*,? ?`)

// openFlow is what a bridge does with packets. A daemon that is stopped answers nothing.
func (l *look) openFlow(id, bridge string) error {
	out, err := l.tool("ovs-ofctl", "--timeout=60", "--names", "dump-flows", bridge)
	if err != nil {
		fmt.Fprintf(os.Stderr, "witness: %s: %v\n", id, err)
		l.set(id, "flows", "unknown")
		return nil
	}
	var flows []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "actions=") {
			flows = append(flows, l.names.in(strings.TrimSpace(flowCounters.ReplaceAllString(line, ""))))
		}
	}
	slices.Sort(flows)
	for _, f := range flows {
		l.add(id, "flow "+f, "yes")
	}
	return nil
}

func (l *look) columns(id, prefix string, r row, but ...string) {
	for c, v := range r {
		if c == "_uuid" || slices.Contains(but, c) {
			continue
		}
		pair, ok := v.([]any)
		if ok && len(pair) == 2 && pair[0] == "map" {
			entries, _ := pair[1].([]any)
			for _, e := range entries {
				if kv, ok := e.([]any); ok && len(kv) == 2 {
					l.set(id, prefix+c+":"+ovsdb(kv[0]), ovsdb(kv[1]))
				}
			}
			continue
		}
		if s := ovsdb(v); s != "[]" && s != "" {
			l.set(id, prefix+c, s)
		}
	}
}

// ovsdb is a value of OVSDB's JSON as a text; references say only that they are there.
func ovsdb(v any) string {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return text(v)
	}
	switch pair[0] {
	case "uuid":
		return "(a row)"
	case "set":
		elements, _ := pair[1].([]any)
		var all []string
		for _, e := range elements {
			all = append(all, ovsdb(e))
		}
		slices.Sort(all)
		return "[" + strings.Join(all, ", ") + "]"
	}
	return text(v)
}

// of are the rows that a column refers to: one, or a set.
func of(v any, table []row) []row {
	refs := text(v)
	var rows []row
	for _, r := range table {
		if id, ok := r["_uuid"].([]any); ok && len(id) == 2 && strings.Contains(refs, text(id[1])) {
			rows = append(rows, r)
		}
	}
	return rows
}
