// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// edits is what the steps of one transaction say, taken together.
type edits struct {
	offload *step.Value
	bridges map[string]*bridgeEdit
	order   []string // of the bridges
	masters []masterEdit
}

// bridgeEdit is what becomes of one bridge.
type bridgeEdit struct {
	name   string
	exists *value      // nil: nothing is said; of it, owner and rest
	gone   bool        // it is deleted
	mark   *step.Value // whose it is
	mtu    *mtu        // of its own netdev
	up     *bool
	ports  []*portEdit
	byID   map[string]*portEdit
}

// portEdit is what becomes of one port.
type portEdit struct {
	id   string
	off  bool   // it is taken off
	note string // and noted as this on the bridge, to be put back
	on   *value // it is there
	vlan *vlan
	mark *step.Value
	told settings
	hook bool // the members of a bond get its ingress block again
}

// masterEdit takes a netdev out of a master of the kernel's.
type masterEdit struct{ id, master string }

func (e *edits) bridge(name string) *bridgeEdit {
	b, ok := e.bridges[name]
	if !ok {
		b = &bridgeEdit{name: name, byID: map[string]*portEdit{}}
		e.bridges[name], e.order = b, append(e.order, name)
	}
	return b
}

func (b *bridgeEdit) port(id string) *portEdit {
	p, ok := b.byID[id]
	if !ok {
		p = &portEdit{id: id}
		b.byID[id], b.ports = p, append(b.ports, p)
	}
	return p
}

func parseEdits(steps []step.Step) (*edits, error) {
	e := &edits{bridges: map[string]*bridgeEdit{}}
	for _, s := range steps {
		var err error
		switch s.Resource.Kind {
		case resource.Switch:
			if s.Attribute != attrOffload {
				err = errAttribute(s)
			}
			e.offload = &s.To
		case resource.Bridge:
			err = e.bridge(s.Resource.Name).parse(s)
		case resource.SwitchPort:
			err = e.bridge(s.Resource.Name).port(s.Resource.Of).parse(s)
		default:
			if s.Attribute != attrMaster || !s.To.IsAbsent() {
				err = errAttribute(s)
			}
			e.masters = append(e.masters, masterEdit{idOf(s.Resource), s.From.Str()})
		}
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// idOf is PortState.ID of a netdev.
func idOf(netdev resource.ID) string {
	switch netdev.Kind {
	case resource.Bond:
		return idBond + netdev.Name
	case resource.Link:
		return idPort + netdev.Name
	}
	return netdev.Function.String()
}

func errAttribute(s step.Step) error {
	return fmt.Errorf("%s: the OVS domain has no attribute %q of it", s.Resource, s.Attribute)
}

func (b *bridgeEdit) parse(s step.Step) error {
	text, there := s.To.Get()
	switch {
	case s.Attribute == step.AttrMark:
		b.mark = &s.To
	case s.Attribute == attrUp && (text == step.UpDown(true) || text == step.UpDown(false)):
		b.up = new(text == step.UpDown(true))
	case s.Attribute == attrMTU:
		m, err := parseMTU(text)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Resource, err)
		}
		b.mtu = &m
	case s.Attribute != AttrBridge:
		return errAttribute(s)
	case !there:
		b.gone = true
	default:
		v, err := parseValue(modeTrunk + " " + text)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Resource, err)
		}
		b.exists = &v
	}
	return nil
}

func (p *portEdit) parse(s step.Step) error {
	text, there := s.To.Get()
	switch {
	case s.Attribute == step.AttrMark:
		p.mark = &s.To
	case s.Attribute == attrVLAN && there:
		v, rest, err := parseVLAN(strings.Fields(text))
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%q follows them", rest)
		}
		if err != nil {
			return fmt.Errorf("%s: %q is no VLANs of a port: %w", s.Resource, text, err)
		}
		p.vlan = &v
	case isSetting(s.Attribute):
		if n, ok := limitOf(s.Attribute); ok {
			if v, err := strconv.Atoi(text); err != nil || v < 0 {
				return fmt.Errorf("%s: %q is no %s", s.Resource, text, n.name)
			}
		}
		if p.told == nil {
			p.told = settings{}
		}
		p.told[s.Attribute] = s.To
	case s.Attribute == attrHook && there:
		p.hook = true
	case s.Attribute == attrOnPort && !there:
		p.off, p.note = true, s.From.Str()
	case s.Attribute == AttrPort && !there:
		p.off = true
	case s.Attribute == AttrPort, s.Attribute == attrOnPort:
		v, err := parseValue(text)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Resource, err)
		}
		p.on = &v
	default:
		return errAttribute(s)
	}
	return nil
}

// puts are the ports that are to be there, with the names of their interfaces.
func (e *edits) puts() (all []*portEdit) {
	for _, name := range e.order {
		for _, p := range e.bridges[name].ports {
			if p.on != nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// hooks are the bonds whose members may lack the ingress qdisc: those that are put
// there, and those of which a step says so.
func (e *edits) hooks() (bonds []string) {
	for _, name := range e.order {
		for _, p := range e.bridges[name].ports {
			if strings.HasPrefix(p.id, idBond) && (p.on != nil || p.hook) {
				bonds = append(bonds, p.id)
			}
		}
	}
	return bonds
}

// leaves are the bonds that are taken off and not put back in the same transaction.
func (e *edits) leaves() (bonds []string) {
	for _, name := range e.order {
		for _, p := range e.bridges[name].ports {
			if strings.HasPrefix(p.id, idBond) && p.off && p.on == nil {
				bonds = append(bonds, p.id)
			}
		}
	}
	return bonds
}

// interfaces are the rows of a port that is put there, each with its name, and the
// IDs of what they stand for.
func (p *portEdit) interfaces(n names) (rows []ovsdb.Columns, ids []string) {
	var rest Rest
	if p.on.rest != nil {
		rest = *p.on.rest
	}
	if len(rest.Of) == 0 { // a single one
		row := ovsdb.Columns{"name": ovsdb.Atom(n.netdev(p.id))}
		if len(rest.Interfaces) > 0 {
			for k, v := range rest.Interfaces[0] {
				row[k] = v
			}
		}
		row["name"] = ovsdb.Atom(n.netdev(p.id))
		return []ovsdb.Columns{row}, []string{p.id}
	}
	for i, c := range rest.Interfaces {
		row := ovsdb.Columns{}
		for k, v := range c {
			row[k] = v
		}
		id := ""
		if i < len(rest.Of) {
			id = rest.Of[i]
		}
		if name := n.netdevs[id]; name != "" {
			row["name"] = ovsdb.Atom(name)
		}
		rows, ids = append(rows, row), append(ids, id)
	}
	return rows, ids
}

// netdev is the name of the netdev of the port with that ID.
func (n names) netdev(id string) string {
	if name, ok := strings.CutPrefix(id, idPort); ok {
		return name
	}
	return n.netdevs[id]
}
