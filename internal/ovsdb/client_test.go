// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// serve is an ovsdb-server that answers each request by what reply gives for its
// method, as JSON messages; "" is silence.
func serve(t *testing.T, reply func(method string, params json.RawMessage) []string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				d := json.NewDecoder(c)
				for {
					var m message
					if d.Decode(&m) != nil {
						return
					}
					for _, r := range reply(m.Method, m.Params) {
						_, _ = c.Write([]byte(strings.ReplaceAll(r, "ID", string(m.ID))))
					}
				}
			}()
		}
	}()
	return []string{filepath.Join(t.TempDir(), "none"), path}
}

func dial(t *testing.T, paths []string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const tables = `{"id":ID,"error":null,"result":[
	{"rows":[{"_uuid":["uuid","o"],"bridges":["uuid","b"],"other_config":["map",[["hw-offload","true"]]],"next_cfg":4,"cur_cfg":4,"ovs_version":"3.5.0"}]},
	{"rows":[{"_uuid":["uuid","b"],"_version":["uuid","v"],"name":"br0","ports":["set",[["uuid","p"],["uuid","q"]]],"stp_enable":false,"fail_mode":["set",[]]}]},
	{"rows":[{"_uuid":["uuid","p"],"name":"eth0","tag":0,"trunks":["set",[3,1]],"vlan_mode":["set",[]],"qos":["uuid","x"],"bond_updelay":0,"statistics":["map",[["a",1]]]}]},
	{"rows":[]},{"rows":[{"_uuid":["uuid","n"],"name":"br0","type":"internal","statistics":["map",[["rx_bytes",9]]],"lldp":["map",[]]}]},
	{"rows":[{"_uuid":["uuid","i"],"name":"eth0","ofport":7}]}]}`

func TestRead(t *testing.T) {
	echoed := make(chan string, 1)
	c := dial(t, serve(t, func(method string, params json.RawMessage) []string {
		if method == "" { // the answer to our echo
			echoed <- string(params)
			return nil
		}
		return []string{`{"id":"echo","method":"echo","params":[]}`, `{"id":77,"result":"of another request","error":null}`, tables}
	}))
	d, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.RootUUID != "o" || *d.Root.Int("next_cfg") != 4 || d.Root.Map("other_config")["hw-offload"] != "true" {
		t.Errorf("root %s", d.Root)
	}
	if got := d.Bridges["b"].UUIDs("ports"); len(got) != 2 || d.Bridges["b"].String("fail_mode") != "" {
		t.Errorf("bridge %s", d.Bridges["b"])
	}
	if len(d.Interfaces) != 2 || *d.Interfaces["i"].Int("ofport") != 7 || d.Interfaces["n"].String("type") != "internal" {
		t.Errorf("interfaces %s", d.Interfaces)
	}
	p := d.Ports["p"]
	if p.Int("tag") == nil || *p.Int("tag") != 0 || len(p.Ints("trunks")) != 2 || p.Ints("trunks")[0] != 1 || p.String("vlan_mode") != "" {
		t.Errorf("port %s", p)
	}
	config := p.Config("name", "tag", "trunks")
	if len(config) != 1 || string(config["qos"]) != `["uuid","x"]` {
		t.Errorf("what it shall be: %s", config)
	}
}

// Of a schema with a column that is not known here, or without one that is, all columns of all interfaces are read.
func TestReadOfAnotherSchema(t *testing.T) {
	const all = `{"id":ID,"error":null,"result":[{"rows":[]},{"rows":[]},{"rows":[]},{"rows":[]},
		{"rows":[{"_uuid":["uuid","n"],"name":"br0","type":"internal"},{"_uuid":["uuid","i"],"name":"eth0","news":"here"}]}]}`
	for name, first := range map[string]string{
		"newer": `{"id":ID,"error":null,"result":[{"rows":[]},{"rows":[]},{"rows":[]},{"rows":[]},{"rows":[{"_uuid":["uuid","n"],"name":"br0","type":"internal","news":""}]},{"rows":[]}]}`,
		"older": `{"id":ID,"error":null,"result":[{"rows":[]},{"rows":[]},{"rows":[]},{"rows":[]},{"rows":[]},{"error":"unknown column","details":"No column cfm_mpid in table Interface."}]}`,
	} {
		asked := 0
		c := dial(t, serve(t, func(method string, _ json.RawMessage) []string {
			if method == "get_schema" {
				return []string{`{"id":ID,"error":null,"result":{"name":"Open_vSwitch","version":"8.2.0","tables":{"Interface":{"columns":` + schemaColumns + `}}}}`}
			}
			asked++
			if asked == 1 {
				return []string{first}
			}
			return []string{all}
		}))
		d, err := c.Read(t.Context())
		if err != nil || len(d.Interfaces) != 2 || d.Interfaces["i"].String("news") != "here" || asked != 2 {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if err == nil && (!slices.Equal(d.Lacks, []string{"ingress_policing_kpkts_burst", "ingress_policing_kpkts_rate"}) || d.Schema != "8.2.0") {
			t.Errorf("%s: it lacks %v (schema %s)", name, d.Lacks, d.Schema)
		}
	}
}

// schemaColumns are those of an Interface of Open vSwitch 2.13.
const schemaColumns = `{"bfd":{},"cfm_mpid":{},"error":{},"external_ids":{},"ingress_policing_burst":{},"ingress_policing_rate":{},"lldp":{},"mac":{},
	"mtu_request":{},"name":{},"ofport":{},"ofport_request":{},"options":{},"other_config":{},"type":{}}`

func TestTransactIsRefused(t *testing.T) {
	ops := []Op{Unchanged(TableBridge, "b", "ports", nil), Insert(TablePort, "row1", Columns{"name": Atom("eth0")})}
	for answer, want := range map[string]string{
		`[null,{"error":"constraint violation","details":"two rows eth0"}]`: "insert in table Port was refused (eth0): constraint violation: two rows eth0",
		`[{},{"uuid":["uuid","a"]},{},{"error":"referential integrity"}]`:   "the transaction was refused: referential integrity",
		`[{}]`:     "3 operations were asked for, and 1 answered",
		`["x",{}]`: "cannot unmarshal",
		`{}`:       "cannot unmarshal",
	} {
		c := dial(t, serve(t, func(string, json.RawMessage) []string {
			return []string{`{"id":ID,"error":null,"result":` + answer + `}`}
		}))
		if _, err := c.Transact(t.Context(), ops...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", answer, err, want)
		}
	}
	c := dial(t, serve(t, func(string, json.RawMessage) []string {
		return []string{`{"id":ID,"error":null,"result":[{"error":"timed out"},null]}`}
	}))
	_, err := c.Transact(t.Context(), ops...)
	var e *OpError
	if !errors.As(err, &e) || !e.Moved() {
		t.Errorf("another writer was first: %v", err)
	}
	c = dial(t, serve(t, func(string, json.RawMessage) []string {
		return []string{`{"id":ID,"error":"unknown database","result":null}`}
	}))
	if _, err := c.Transact(t.Context(), ops...); err == nil || !strings.Contains(err.Error(), "unknown database") {
		t.Errorf("got %v", err)
	}
}

// What is written is asked to be on the disk before it is answered; what is only read is not.
func TestTransactionsAreDurable(t *testing.T) {
	const commit = `{"op":"commit","durable":true}]`
	for want, ops := range map[bool][]Op{
		true:  {Unchanged(TableBridge, "b", "ports", nil), Update(TableBridge, "b", Columns{"name": Atom("br0")})},
		false: {Unchanged(TableBridge, "b", "ports", nil), Select(TableBridge, "name")},
	} {
		var asked string
		c := dial(t, serve(t, func(_ string, params json.RawMessage) []string {
			asked = string(params)
			return []string{`{"id":ID,"error":null,"result":[{},{},{}]}`}
		}))
		results, err := c.Transact(t.Context(), ops...)
		if err != nil || len(results) != len(ops) || strings.HasSuffix(asked, commit) != want {
			t.Errorf("%v, %v for %s", results, err, asked)
		}
	}
}

func TestMonitor(t *testing.T) {
	c := dial(t, serve(t, func(string, json.RawMessage) []string {
		return []string{
			`{"id":ID,"error":null,"result":{"Interface":{"i":{"new":{"name":"eth0","ofport":["set",[]]}}}}}`,
			`{"id":null,"method":"update","params":[null,{"Interface":{"i":{"old":{},"new":{"name":"eth0","ofport":3}}}}]}`,
			`{"id":null,"method":"update","params":[null,{"Interface":{"i":{"old":{"name":"eth0"}}}}]}`,
		}
	}))
	events, err := c.Monitor(t.Context(), map[string][]string{TableInterface: {"name", "ofport"}})
	if err != nil || len(events) != 1 || events[0].Row.Int("ofport") != nil {
		t.Fatalf("at first: %+v, %v", events, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var all []Event
	for len(all) < 2 {
		events, err := c.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	if *all[0].Row.Int("ofport") != 3 || all[1].Row != nil || all[1].UUID != "i" {
		t.Errorf("then: %+v", all)
	}
}

func TestSilentServer(t *testing.T) {
	paths := serve(t, func(string, json.RawMessage) []string { return nil })
	c := dial(t, paths)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("50 ms are over"))
	defer cancel()
	_, err := c.Read(ctx)
	for _, want := range []string{"does not answer at " + paths[1], "50 ms are over", "systemctl status"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := c.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("a connection that was given up: %v", err)
	}
	c = dial(t, paths)
	ctx, cancel = context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("50 ms are over"))
	defer cancel()
	if _, err := c.Next(ctx); err == nil || err.Error() != "50 ms are over" {
		t.Errorf("waiting for changes: %v", err)
	}
}

func TestDialWithoutServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sock")
	if _, err := Dial(t.Context(), []string{path}); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), path) {
		t.Errorf("no socket: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Dial(t.Context(), []string{path}); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "nobody listens") {
		t.Errorf("nobody listens: %v", err)
	}
	c := dial(t, serve(t, func(string, json.RawMessage) []string { return []string{"no JSON"} }))
	if _, err := c.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "is it ovsdb-server that listens there?") {
		t.Errorf("something else listens: %v", err)
	}
}

// FuzzAnswer gives what an ovsdb-server may answer, or another program.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`[{"rows":[{"_uuid":["uuid","o"],"bridges":["set",[]],"other_config":["map",[["a","b"]]],"tag":0}]},{"count":1}]`))
	f.Add([]byte(`[null,{"Interface":{"i":{"new":{"name":"x","ofport":["set",[1,2]]}}}}]`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var answers []json.RawMessage
		if json.Unmarshal(b, &answers) == nil {
			results, _ := parseResults([]Op{Select(TablePort)}, answers)
			for _, r := range results {
				for _, row := range byUUID(r) {
					for name := range row.Config("x") {
						_, _, _, _, _ = row.String(name), row.Int(name), row.Ints(name), row.UUIDs(name), row.Map(name)
					}
				}
			}
		}
		events, _ := parseUpdate(b)
		for _, e := range events {
			_ = e.Row.String("name")
		}
	})
}

// What sends without end is cut off.
func TestAnswerWithoutEnd(t *testing.T) {
	r, w := net.Pipe()
	t.Cleanup(func() { r.Close(); w.Close() })
	go func() {
		_, _ = w.Write([]byte(`{"id":1,"result":[`))
		for {
			if _, err := w.Write([]byte(strings.Repeat("1,", 1<<10))); err != nil {
				return
			}
		}
	}()
	limit := &io.LimitedReader{R: r}
	c := &Client{conn: r, limit: limit, dec: json.NewDecoder(limit)}
	if _, err := c.readAtMost(1 << 16); err == nil || !strings.Contains(err.Error(), "more than 65536 bytes") {
		t.Errorf("%v", err)
	}
}
