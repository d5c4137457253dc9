// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/step"
)

// transaction is the operations that the edits need on the rows that are there.
type transaction struct {
	r   *ovsdb.Database
	n   names
	ops []ovsdb.Op
	new int // counts named UUIDs

	next int               // the configuration number (next_cfg) that ovs-vswitchd has to reach
	put  map[string]string // names of interfaces that have to be attached -> ID of their port
	off  []string          // IDs of the netdevs that were let go
	// requests are columns of interfaces, by their names, that are asked for until it is so (unask).
	requests map[string][]string
}

// release notes a request that is let go when it is fulfilled.
func (t *transaction) release(name, column string) {
	if t.requests == nil {
		t.requests = map[string][]string{}
	}
	t.requests[name] = append(t.requests[name], column)
}

// newTransaction makes the operations: what is not the case already, then
// next_cfg increased, by which ovs-vswitchd tells when it is done
// (ovs-vswitchd.conf.db(5), Open_vSwitch.next_cfg), and read. hw-offload is in the
// same transaction as the bridges: ovs-vswitchd reads the option before it
// configures the bridges (vswitchd/bridge.c, bridge_run), and the first ports are
// offloaded (TestLabOffloadInOneTransaction).
func newTransaction(r *ovsdb.Database, e *edits, n names) (*transaction, error) {
	t := &transaction{r: r, n: n, put: map[string]string{}}
	t.offload(e.offload)
	if err := t.bridges(e); err != nil {
		return nil, err
	}
	t.add(ovsdb.Mutate(ovsdb.TableRoot, r.RootUUID, ovsdb.Mutation{Column: "next_cfg", Mutator: ovsdb.Add, Value: ovsdb.Atom(1)}))
	t.add(ovsdb.SelectRow(ovsdb.TableRoot, r.RootUUID, "next_cfg"))
	return t, nil
}

func (t *transaction) add(op ovsdb.Op) { t.ops = append(t.ops, op) }

// uuid names a row that the transaction inserts (RFC 7047, "named-uuid").
func (t *transaction) uuid() string {
	t.new++
	return fmt.Sprintf("row%d", t.new)
}

func (t *transaction) offload(to *step.Value) {
	if to == nil {
		return
	}
	text, set := to.Get()
	was, is := t.r.Root.Map("other_config")[keyOffload]
	if set == is && text == was {
		return
	}
	// An insert leaves a key that is there as it is, hence the deletion.
	m := []ovsdb.Mutation{{Column: "other_config", Mutator: ovsdb.Remove, Value: ovsdb.Set(keyOffload)}}
	if set {
		m = append(m, ovsdb.Mutation{Column: "other_config", Mutator: ovsdb.Put, Value: ovsdb.Map(map[string]string{keyOffload: text})})
	}
	t.add(ovsdb.Mutate(ovsdb.TableRoot, t.r.RootUUID, m...))
}

func (t *transaction) bridges(e *edits) error {
	existing := map[string]string{}
	for _, id := range t.r.Root.UUIDs("bridges") {
		if b, ok := t.r.Bridges[id]; ok {
			existing[b.String("name")] = id
		}
	}
	var made, gone []string
	for _, name := range e.order {
		b := e.bridges[name]
		id, is := existing[name]
		switch {
		case is && b.gone:
			if ownerOf(t.r.Bridges[id].Map("external_ids")) == "" {
				return fmt.Errorf("bridge %s does not carry external_ids:%s, so nicwright does not delete it: ovs-vsctl del-br %s", name, keyMark, name)
			}
			gone = append(gone, id)
		case is:
			t.change(id, b)
			t.ask(t.r.Bridges[id], b.mtu)
		case b.exists != nil || slices.ContainsFunc(b.ports, func(p *portEdit) bool { return p.on != nil }):
			made = append(made, t.makeBridge(b))
		}
	}
	t.refer(ovsdb.TableRoot, t.r.RootUUID, "bridges", t.r.Root, made, gone)
	return nil
}

// refer adds rows that the transaction makes to a column of references, and takes
// others out: OVSDB removes rows to which nothing refers any more by itself.
func (t *transaction) refer(table, uuid, column string, row ovsdb.Columns, made, gone []string) {
	if len(made)+len(gone) == 0 {
		return
	}
	t.add(ovsdb.Unchanged(table, uuid, column, row[column]))
	if len(gone) > 0 {
		slices.Sort(gone)
		t.add(ovsdb.Mutate(table, uuid, ovsdb.Mutation{Column: column, Mutator: ovsdb.Remove, Value: references(slices.Compact(gone), ovsdb.UUID)}))
	}
	if len(made) > 0 {
		t.add(ovsdb.Mutate(table, uuid, ovsdb.Mutation{Column: column, Mutator: ovsdb.Put, Value: references(made, ovsdb.Named)}))
	}
}

func references[T any](ids []string, as func(string) T) json.RawMessage {
	all := make([]T, len(ids))
	for i, id := range ids {
		all[i] = as(id)
	}
	return ovsdb.Set(all...)
}

// makeBridge inserts a bridge with its internal port, as ovs-vsctl add-br does,
// and the ports wanted on it, and returns its name in the transaction.
func (t *transaction) makeBridge(b *bridgeEdit) string {
	internal := ovsdb.Columns{"name": ovsdb.Atom(b.name), "type": ovsdb.Atom("internal")}
	if b.mtu != nil && b.mtu.asked > 0 {
		internal[columnMTU] = b.mtu.column()
	}
	ports := []string{t.insertPort(ovsdb.Columns{"name": ovsdb.Atom(b.name)}, []ovsdb.Columns{internal})}
	for _, p := range b.ports {
		if p.on != nil {
			ports = append(ports, t.putPort(p))
		}
	}
	row := ovsdb.Columns{}
	owner := ""
	if b.exists != nil {
		owner = b.exists.owner
		if b.exists.rest != nil {
			maps.Copy(row, b.exists.rest.Port)
		}
	}
	ids := row.Map("external_ids")
	if ids == nil {
		ids = map[string]string{}
	}
	ids[keyMark] = markOf(step.OrNoOwner(owner))
	row["external_ids"], row["name"], row["ports"] = ovsdb.Map(ids), ovsdb.Atom(b.name), references(ports, ovsdb.Named)
	name := t.uuid()
	t.add(ovsdb.Insert(ovsdb.TableBridge, name, row))
	return name
}

func (t *transaction) insertPort(port ovsdb.Columns, interfaces []ovsdb.Columns) string {
	var ids []string
	for _, row := range interfaces {
		id := t.uuid()
		t.add(ovsdb.Insert(ovsdb.TableInterface, id, row))
		ids = append(ids, id)
	}
	port["interfaces"] = references(ids, ovsdb.Named)
	name := t.uuid()
	t.add(ovsdb.Insert(ovsdb.TablePort, name, port))
	return name
}

// putPort inserts a port as its value says.
func (t *transaction) putPort(p *portEdit) string {
	rows, ids := p.interfaces(t.n)
	port := ovsdb.Columns{}
	if p.on.rest != nil {
		maps.Copy(port, p.on.rest.Port)
	}
	if _, own := port["name"]; !own {
		port["name"] = rows[0]["name"]
	}
	external := foreignIDs(port.Map("external_ids"))
	if external == nil {
		external = map[string]string{}
	}
	maps.Copy(external, identityIDs(p.id, p.on.owner))
	port["external_ids"] = ovsdb.Map(external)
	v := p.on.vlan
	if p.vlan != nil {
		v = *p.vlan
	}
	maps.Copy(port, v.columns())
	for i, row := range rows {
		name := row.String("name")
		t.put[name] = p.id
		if ids[i] != "" {
			t.put[name] = ids[i]
		}
		if _, asked := row["ofport_request"]; !asked && p.on.ofport > 0 && len(rows) == 1 {
			row["ofport_request"] = ovsdb.Atom(p.on.ofport)
			t.release(name, "ofport_request")
		}
	}
	return t.insertPort(port, rows)
}

// rows are the ports of a bridge by what they stand for, and by their netdev.
type portRows struct {
	byID, byDevice map[string][]string
	state          map[string]PortState
}

func (t *transaction) portRows(bridge ovsdb.Columns) portRows {
	rows := portRows{map[string][]string{}, map[string][]string{}, map[string]PortState{}}
	for _, id := range bridge.UUIDs("ports") {
		p, ok := t.r.Ports[id]
		if !ok || p.String("name") == bridge.String("name") {
			continue
		}
		s := portState(t.r, p, t.n)
		rows.state[id] = s
		rows.byID[s.ID] = append(rows.byID[s.ID], id)
		if s.Interface != "" {
			rows.byDevice[s.Interface] = append(rows.byDevice[s.Interface], id)
		}
	}
	return rows
}

// change brings a bridge that is there to what the edits say.
func (t *transaction) change(uuid string, b *bridgeEdit) {
	row := t.r.Bridges[uuid]
	rows := t.portRows(row)
	notes := map[string]string{}
	drop := []string{}
	said := row.Map("external_ids")
	forget := func(id string) {
		if _, noted := said[keyAway+id]; noted {
			drop = append(drop, keyAway+id)
		}
	}
	for id := range rows.byID {
		forget(id) // it is there again
	}
	var made, gone []string
	for _, p := range b.ports {
		there := rows.byID[p.id] // of one function there may be a row of an earlier name as well
		switch {
		case p.off && p.on == nil:
			if len(there) > 0 && p.note != "" {
				notes[keyAway+p.id] = p.note
			} else if p.note == "" {
				forget(p.id)
			}
			for _, id := range there {
				s := rows.state[id]
				t.off = append(t.off, netdevs(s)...)
				gone = append(gone, id)
			}
		case p.on != nil:
			m, g := t.put1(p, rows)
			made, gone = append(made, m...), append(gone, g...)
			forget(p.id)
		default:
			for _, id := range there {
				t.changePort(id, p)
			}
		}
	}
	t.externalIDs(uuid, b, notes, drop)
	t.refer(ovsdb.TableBridge, uuid, "ports", row, made, gone)
}

// put1 has a port on its netdev: the row that is there, or a new one.
func (t *transaction) put1(p *portEdit, rows portRows) (made, gone []string) {
	device := t.n.netdev(p.id)
	there := false
	for _, id := range append(slices.Clone(rows.byID[p.id]), rows.byDevice[device]...) {
		if slices.Contains(gone, id) {
			continue
		}
		s := rows.state[id]
		switch {
		case s.ID == p.id && (s.Interface == device || len(s.Bonded) > 0), s.Interface == device && s.Owner == "":
			if !there {
				v := p.on.vlan
				if p.vlan == nil {
					p.vlan = &v
				}
				t.changePort(id, p)
				for _, f := range t.r.Ports[id].UUIDs("interfaces") {
					t.put[t.r.Interfaces[f].String("name")] = p.id
				}
			}
			there = true
		case s.ID == p.id, s.Owner != "": // on a netdev that is another's now, or is not there any more
			gone = append(gone, id)
		}
	}
	if !there {
		made = append(made, t.putPort(p))
	}
	return made, gone
}

// changePort sets the VLANs and the mark of a row where they are others.
func (t *transaction) changePort(uuid string, p *portEdit) {
	row := t.r.Ports[uuid]
	if p.vlan != nil {
		is := vlan{row.String("vlan_mode"), row.Int("tag"), row.Ints("trunks"), row.Ints("cvlans")}
		if is.text() != p.vlan.text() {
			t.add(ovsdb.Update(ovsdb.TablePort, uuid, p.vlan.columns()))
		}
	}
	t.set(uuid, p.told)
	if p.mark != nil {
		t.mark(ovsdb.TablePort, uuid, identityIDs(p.id, p.mark.Str()), []string{keyMark, keyFunction, keyBond})
	}
}

// mark takes keys out of a row's external_ids and puts others in.
func (t *transaction) mark(table, uuid string, in map[string]string, out []string) {
	t.keys(table, uuid, "external_ids", in, out)
}

// keys takes keys out of a column and puts others in: an insert leaves a key that is
// there as it is.
func (t *transaction) keys(table, uuid, column string, in map[string]string, out []string) {
	for k := range in {
		out = append(out, k)
	}
	slices.Sort(out)
	var m []ovsdb.Mutation
	if out = slices.Compact(out); len(out) > 0 {
		m = append(m, ovsdb.Mutation{Column: column, Mutator: ovsdb.Remove, Value: ovsdb.Set(out...)})
	}
	if len(in) > 0 {
		m = append(m, ovsdb.Mutation{Column: column, Mutator: ovsdb.Put, Value: ovsdb.Map(in)})
	}
	if len(m) > 0 {
		t.add(ovsdb.Mutate(table, uuid, m...))
	}
}

func (t *transaction) externalIDs(uuid string, b *bridgeEdit, in map[string]string, out []string) {
	if b.mark != nil {
		out = append(out, keyMark)
		if owner := b.mark.Str(); owner != "" {
			in[keyMark] = markOf(owner)
		}
	}
	t.mark(ovsdb.TableBridge, uuid, in, out)
}
