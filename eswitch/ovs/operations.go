// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/ovn-org/libovsdb/client"
	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// builder collects the operations of one transaction.
type builder struct {
	c   client.Client
	r   rows
	n   names
	ops []ovsdb.Operation
	err error // the first
	new int   // counts named UUIDs
}

func (b *builder) add(ops []ovsdb.Operation, err error) {
	if b.err == nil {
		b.err = err
	}
	b.ops = append(b.ops, ops...)
}

// uuid names a row that the transaction inserts (RFC 7047, "named-uuid").
func (b *builder) uuid() string {
	b.new++
	return fmt.Sprintf("row%d", b.new)
}

// operations makes the transaction: the edits that are not the case already,
// then next_cfg increased, by which ovs-vswitchd tells when it is done
// (ovs-vswitchd.conf.db(5), Open_vSwitch.next_cfg), and read.
func operations(c client.Client, r rows, e edits, n names) ([]ovsdb.Operation, error) {
	b := &builder{c: c, r: r, n: n}
	b.offload(e.offload)
	b.bridges(e)
	root := *r.Root
	b.add(c.Where(&root).Mutate(&root, model.Mutation{Field: &root.NextCfg, Mutator: ovsdb.MutateOperationAdd, Value: 1}))
	b.ops = append(b.ops, ovsdb.Operation{
		Op: ovsdb.OperationSelect, Table: tableRoot, Columns: []string{"next_cfg"},
		Where: []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: root.UUID})},
	})
	if b.err != nil {
		return nil, fmt.Errorf("OVSDB: making the transaction: %w", b.err)
	}
	return b.ops, nil
}

// offload is in the same transaction as the bridges: ovs-vswitchd reads the
// option before it configures the bridges (vswitchd/bridge.c, bridge_run), and the first ports
// are offloaded (TestLabOffloadInOneTransaction).
func (b *builder) offload(on *bool) {
	if on == nil {
		return
	}
	root := *b.r.Root
	value := "false"
	if *on {
		value = "true"
	}
	if root.OtherConfig[keyOffload] == value {
		return
	}
	// An insert leaves a key that is there as it is, hence the deletion.
	b.add(b.c.Where(&root).Mutate(&root,
		model.Mutation{Field: &root.OtherConfig, Mutator: ovsdb.MutateOperationDelete, Value: []string{keyOffload}},
		model.Mutation{Field: &root.OtherConfig, Mutator: ovsdb.MutateOperationInsert, Value: map[string]string{keyOffload: value}}))
}

// unchanged makes the transaction hold only while the column is as it was read:
// ovs-vsctl guards its transactions in the same way.
func (b *builder) unchanged(row model.Model, column any) {
	now := 0
	b.add(b.c.Where(row).Wait(ovsdb.WaitConditionEqual, &now, row, column))
}

func (b *builder) bridges(e edits) {
	existing := map[string]bridgeRow{}
	for _, id := range b.r.Root.Bridges {
		if br, ok := b.r.Bridges[id]; ok {
			existing[br.Name] = br
		}
	}
	touched := map[string]bool{}
	for name := range e.bridges {
		touched[name] = true
	}
	for k := range e.ports {
		touched[k.bridge] = true
	}
	names := make([]string, 0, len(touched))
	for name := range touched {
		names = append(names, name)
	}
	sort.Strings(names)
	var made, gone []string
	for _, name := range names {
		br, is := existing[name]
		to, named := e.bridges[name]
		switch {
		case is && named && to == "":
			if br.ExternalIDs[keyMark] != valueMark {
				b.add(nil, fmt.Errorf("bridge %s does not carry external_ids:%s, so nicwright does not delete it: ovs-vsctl del-br %s", name, keyMark, name))
				continue
			}
			gone = append(gone, br.UUID)
		case is:
			b.changeBridge(br, e, to == keyMark)
		case to == present || e.wantsPortsOn(name):
			made = append(made, b.makeBridge(name, e))
		}
	}
	if len(made)+len(gone) == 0 {
		return
	}
	root := *b.r.Root
	b.unchanged(&root, &root.Bridges)
	if len(gone) > 0 {
		// Rows that nothing refers to any more are removed by OVSDB itself: bridge, ports, interfaces.
		b.add(b.c.Where(&root).Mutate(&root, model.Mutation{Field: &root.Bridges, Mutator: ovsdb.MutateOperationDelete, Value: gone}))
	}
	if len(made) > 0 {
		b.add(b.c.Where(&root).Mutate(&root, model.Mutation{Field: &root.Bridges, Mutator: ovsdb.MutateOperationInsert, Value: made}))
	}
}

func (e edits) wantsPortsOn(bridge string) bool {
	for _, k := range e.order {
		if k.bridge == bridge {
			return true
		}
	}
	return false
}

// makeBridge inserts a bridge with its internal port, as ovs-vsctl add-br does,
// and the ports wanted on it, and returns its name in the transaction.
func (b *builder) makeBridge(name string, e edits) string {
	ports := []string{b.insertPort(name, "internal", "", nil)}
	for _, k := range e.order {
		if k.bridge == name {
			ports = append(ports, b.insertPort(b.n.netdev(k.id), "", e.ports[k], identityIDs(k.id)))
		}
	}
	br := bridgeRow{UUID: b.uuid(), Name: name, Ports: ports, ExternalIDs: map[string]string{keyMark: valueMark}}
	b.add(b.c.Create(&br))
	return br.UUID
}

// identityIDs are the external_ids of a port of ours.
func identityIDs(id string) map[string]string {
	ids := map[string]string{keyMark: valueMark}
	if bond, ok := strings.CutPrefix(id, idBond); ok {
		ids[keyBond] = bond
	} else if !strings.HasPrefix(id, idPort) {
		ids[keyFunction] = id
	}
	return ids
}

func (b *builder) insertPort(device, kind, vlan string, ids map[string]string) string {
	i := interfaceRow{UUID: b.uuid(), Name: device, Type: kind}
	b.add(b.c.Create(&i))
	p := portRow{UUID: b.uuid(), Name: device, Interfaces: []string{i.UUID}, ExternalIDs: ids}
	p.setVLAN(vlan)
	b.add(b.c.Create(&p))
	return p.UUID
}

// setVLAN sets the three columns; a text that no profile says changes nothing.
func (p *portRow) setVLAN(text string) bool {
	tag, trunks, ok := parseVLAN(text)
	if !ok {
		return false
	}
	p.Tag, p.Trunks, p.VLANMode = tag, trunks, nil
	mode := modeTrunk
	if tag != nil {
		mode = modeAccess
	}
	if tag != nil || len(trunks) > 0 {
		p.VLANMode = &mode
	}
	return true
}

// changeBridge brings the ports of a bridge that is there to what the edits say.
func (b *builder) changeBridge(br bridgeRow, e edits, unmark bool) {
	if unmark {
		b.add(b.c.Where(&br).Mutate(&br, model.Mutation{
			Field: &br.ExternalIDs, Mutator: ovsdb.MutateOperationDelete, Value: []string{keyMark},
		}))
	}
	var made, gone []string
	for k, to := range e.ports {
		if k.bridge != br.Name || to != "" {
			continue
		}
		// Of one function there may be a row of an earlier name as well.
		for _, p := range b.portsOf(br, k.id, "") {
			if p.ExternalIDs[keyMark] == valueMark {
				gone = append(gone, p.UUID)
			}
		}
	}
	for _, k := range e.order {
		if k.bridge != br.Name {
			continue
		}
		device := b.n.netdev(k.id)
		there := false
		for _, p := range b.portsOf(br, k.id, device) {
			s := b.r.portState(p, b.n)
			switch {
			case s.Interface == device && (s.ID == k.id || !s.Ours):
				there = true
				b.changePort(p, e.ports[k])
			case s.Ours: // on a netdev that is another's now, or is not there any more
				gone = append(gone, p.UUID)
			}
		}
		if !there {
			made = append(made, b.insertPort(device, "", e.ports[k], identityIDs(k.id)))
		}
	}
	if len(made)+len(gone) == 0 {
		return
	}
	b.unchanged(&br, &br.Ports)
	slices.Sort(gone)
	gone = slices.Compact(gone) // OVSDB refuses a set with doubles
	if len(gone) > 0 {
		b.add(b.c.Where(&br).Mutate(&br, model.Mutation{Field: &br.Ports, Mutator: ovsdb.MutateOperationDelete, Value: gone}))
	}
	if len(made) > 0 {
		b.add(b.c.Where(&br).Mutate(&br, model.Mutation{Field: &br.Ports, Mutator: ovsdb.MutateOperationInsert, Value: made}))
	}
}

// portsOf lists the bridge's rows that stand for id, or are on the netdev device.
func (b *builder) portsOf(br bridgeRow, id, device string) []portRow {
	var found []portRow
	for _, u := range br.Ports {
		p, ok := b.r.Ports[u]
		if !ok || p.Name == br.Name {
			continue
		}
		s := b.r.portState(p, b.n)
		if s.ID == id || (device != "" && s.Interface == device) {
			found = append(found, p)
		}
	}
	return found
}

func (b *builder) changePort(p portRow, vlan string) {
	if b.r.portState(p, b.n).vlan() == vlan || !p.setVLAN(vlan) {
		return
	}
	b.add(b.c.Where(&p).Update(&p, &p.Tag, &p.Trunks, &p.VLANMode))
}
