// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func (m *model) ovs(s step.Step) error {
	sw, to := m.Switch, s.To.Str()
	if s.Resource.Kind == resource.Switch {
		sw.HWOffload, sw.OffloadUnset = to == "true", s.To.IsAbsent()
		return nil
	}
	i := slices.IndexFunc(sw.Bridges, func(b ovs.BridgeState) bool { return b.Name == s.Resource.Name })
	if s.Resource.Kind == resource.Bridge && s.Attribute == "bridge" {
		switch {
		case s.To.IsAbsent() && i >= 0:
			sw.Bridges = slices.Delete(sw.Bridges, i, i+1)
		case i >= 0:
			return fmt.Errorf("it is there already")
		default:
			sw.Bridges = append(sw.Bridges, ovs.BridgeState{Name: s.Resource.Name, Owner: strings.TrimPrefix(to, "owner "), MTU: 1500})
			slices.SortFunc(sw.Bridges, func(x, y ovs.BridgeState) int { return strings.Compare(x.Name, y.Name) })
		}
		return nil
	}
	switch {
	case i < 0 && s.To.IsAbsent():
		return nil // it went with its bridge, in the same transaction
	case i < 0:
		return fmt.Errorf("there is no such bridge")
	}
	b := &sw.Bridges[i]
	if s.Resource.Kind == resource.Bridge && s.Attribute != "mark" {
		return ownNetdev(b, s.Attribute, to)
	}
	j := slices.IndexFunc(b.Ports, func(p ovs.PortState) bool { return p.ID == s.Resource.Of })
	switch s.Attribute {
	case "mark":
		if s.Resource.Kind == resource.Bridge {
			b.Owner = to
		} else if j >= 0 {
			b.Ports[j].Owner = to
		}
	case "vlan":
		if j < 0 {
			return nil // it is put on again in the same transaction
		}
		p, err := portOf(s.Resource.Of, to)
		if err != nil {
			return err
		}
		b.Ports[j].Tag, b.Ports[j].Trunks, b.Ports[j].VLANMode = p.Tag, p.Trunks, p.VLANMode
	case "port", "attached":
		b.Away = slices.DeleteFunc(b.Away, func(a ovs.Away) bool { return a.ID == s.Resource.Of })
		if j >= 0 {
			b.Ports = slices.Delete(b.Ports, j, j+1)
		}
		if s.To.IsAbsent() {
			if s.Attribute == "attached" {
				b.Away = append(b.Away, ovs.Away{ID: s.Resource.Of, Value: s.From.Str()})
			}
			return nil
		}
		p, err := portOf(s.Resource.Of, to)
		if err != nil {
			return err
		}
		if p.Name = m.netdevOf(p.ID); p.Name == "" {
			return fmt.Errorf("there is no netdev of it")
		}
		taken := func(n int) bool {
			return slices.ContainsFunc(b.Ports, func(o ovs.PortState) bool { return o.OFPort == n })
		}
		if p.OFPort == 0 || taken(p.OFPort) {
			for p.OFPort = 1; taken(p.OFPort); p.OFPort++ {
			}
		}
		p.Interface = p.Name
		b.Ports = append(b.Ports, p)
		slices.SortFunc(b.Ports, func(x, y ovs.PortState) int { return strings.Compare(x.ID, y.ID) })
	default:
		if j >= 0 { // else it is put on again in the same transaction, with all that it has
			return tellPort(&b.Ports[j], s.Attribute, s.To)
		}
	}
	return nil
}

// ownNetdev has that of a bridge be what a step says.
func ownNetdev(b *ovs.BridgeState, attribute, to string) (err error) {
	number, rest, _ := strings.Cut(to, " ")
	switch {
	case attribute == "up":
		b.Up = to == "up"
	case attribute != "mtu" || rest != "" && rest != "(not asked for)":
		return fmt.Errorf("no such attribute")
	default:
		b.MTU, err = strconv.Atoi(number)
		if b.AskedMTU = b.MTU; rest != "" {
			b.AskedMTU = 0
		}
	}
	return err
}

// tellPort has a port's rows be what a step says of a column or of a key of one.
func tellPort(p *ovs.PortState, attribute string, to step.Value) error {
	rest := ovs.Rest{}
	if p.Rest != nil {
		rest = *p.Rest
	}
	key, isKey := strings.CutPrefix(attribute, "other_config ")
	switch n, err := strconv.Atoi(to.Str()); {
	case isKey:
		config := map[string]string{}
		maps.Copy(config, rest.Port.Map("other_config"))
		if config[key] = to.Str(); to.IsAbsent() {
			delete(config, key)
		}
		if rest.Port = nil; len(config) > 0 {
			rest.Port = ovsdb.Columns{"other_config": ovsdb.Map(config)}
		}
	case strings.HasPrefix(attribute, "ingress_policing_") && err == nil:
		row := ovsdb.Columns{}
		if len(rest.Interfaces) > 0 {
			maps.Copy(row, rest.Interfaces[0])
		}
		if row[attribute] = ovsdb.Atom(n); n == 0 {
			delete(row, attribute)
		}
		if rest.Interfaces = nil; len(row) > 0 {
			rest.Interfaces = []ovsdb.Columns{row}
		}
	default:
		return fmt.Errorf("no such attribute")
	}
	if p.Rest = nil; rest.Port != nil || rest.Interfaces != nil {
		p.Rest = &rest
	}
	return nil
}

// portOf reads what a step says of a port: "trunk 100,200 ofport 5 owner small".
func portOf(id, text string) (p ovs.PortState, err error) {
	p.ID = id
	text, rest, has := strings.Cut(text, " with ")
	if has {
		if err := json.Unmarshal([]byte(rest), &p.Rest); err != nil {
			return p, err
		}
	}
	words := strings.Fields(text)
	for i := 0; i < len(words); i++ {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch w := words[i]; w {
		case "ofport":
			p.OFPort, _ = strconv.Atoi(next)
			i++
		case "owner":
			p.Owner = next
			i++
		case "access", "tag":
			n, _ := strconv.Atoi(next)
			if p.Tag = &n; w == "access" {
				p.VLANMode = "access"
			}
			i++
		case "trunk":
			if next != "" && next != "ofport" && next != "owner" {
				for _, v := range strings.Split(next, ",") {
					n, _ := strconv.Atoi(v)
					p.Trunks = append(p.Trunks, n)
				}
				p.VLANMode = "trunk"
				i++
			}
		default:
			return p, fmt.Errorf("%q means nothing to the model", w)
		}
	}
	return p, nil
}

// netdevOf is the netdev of a port of the switch, "" for none.
func (m *model) netdevOf(id string) string {
	if name, ok := strings.CutPrefix(id, "bond/"); ok {
		if m.bondOf(name) == nil {
			return ""
		}
		return name
	}
	f, err := pci.ParseFunction(id)
	if err != nil {
		return ""
	}
	p := m.Port(f.PF)
	switch {
	case !f.IsVF():
		return p.Netdev
	case f.VF < len(p.VFs) && p.VFs[f.VF].Representor != nil:
		return p.VFs[f.VF].Representor.Netdev
	}
	return ""
}
