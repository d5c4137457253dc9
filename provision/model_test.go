// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// model does steps to a Host as the kernel and Open vSwitch would, in plain Go, and
// refuses what they would refuse. Nothing hangs on its netdevs.
type model struct {
	Host
}

// newModel is a host of testdata/hosts.
func newModel(t *testing.T, name string) *model {
	t.Helper()
	m := &model{Host: hostOf(t, name)}
	for i := range m.Bonds.Bonds { // of the options, the model has the most used
		b := &m.Bonds.Bonds[i]
		b.LACPActive, b.ADSelect, b.MinLinks, b.UpDelay, b.DownDelay = nil, nil, nil, nil, nil
	}
	m.rename()
	m.sync()
	return m
}

// rename gives the netdevs of VFs the names that the model gives new ones.
func (m *model) rename() {
	names := map[string]string{}
	for i := range m.Cards {
		for _, p := range m.Cards[i].Ports {
			for n := range p.VFs {
				v := &p.VFs[n]
				names[v.Representor.Netdev] = fmt.Sprintf("r%d-%d", p.Number, n)
				v.Netdev, v.Representor.Netdev = fmt.Sprintf("v%d-%d", p.Number, n), names[v.Representor.Netdev]
				st := m.Offload[pci.VF(p.Address, n)]
				st.Netdev = v.Netdev
				m.Offload[pci.VF(p.Address, n)] = st
			}
			if p.Mode == switchdev { // the file is of a kernel that does not say that they are fixed
				st := m.Offload[pci.PF(p.Address)]
				st.Features = features(false, switchdev)
				m.Offload[pci.PF(p.Address)] = st
			}
		}
	}
	for _, b := range m.Switch.Bridges {
		for j := range b.Ports {
			if p := &b.Ports[j]; names[p.Name] != "" {
				p.Name, p.Interface = names[p.Name], names[p.Name]
			}
		}
	}
}

// copy is the host as a look would see it now.
func (m *model) copy(t *testing.T) (h Host) {
	t.Helper()
	b, err := json.Marshal(m.Host)
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// run does steps in order.
func (m *model) run(steps []step.Step) error {
	for _, s := range steps {
		err := fmt.Errorf("no such domain")
		switch s.Domain {
		case eswitch.Domain:
			err = m.eswitch(s)
		case bond.Domain:
			err = m.bond(s)
		case ovs.Domain:
			err = m.ovs(s)
		case crypto.Domain:
			err = m.crypto(s)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", s.Phase, s, err)
		}
		m.sync()
	}
	return nil
}

const legacy, switchdev = "legacy", "switchdev"

func (m *model) eswitch(s step.Step) error {
	p, to := m.Port(s.Resource.Function.PF), s.To.Str()
	if p == nil {
		return fmt.Errorf("there is no such port")
	}
	if s.Resource.Function.IsVF() {
		if n := s.Resource.Function.VF; n < len(p.VFs) {
			return m.vf(p, &p.VFs[n], s)
		}
		return fmt.Errorf("there is no such VF")
	}
	switch s.Attribute {
	case "vfs":
		n, _ := strconv.Atoi(to)
		if n != 0 && p.NumVFs != 0 {
			return fmt.Errorf("EBUSY: the count goes through 0")
		}
		p.NumVFs, p.VFs = n, nil
		for i := range n {
			off := false
			v := eswitch.VF{Index: i, Address: pci.Address(fmt.Sprintf("0001:3b:%02x.%d", 1+p.Number, i)), Admin: &eswitch.Admin{
				MAC: "00:00:00:00:00:00", VLANProto: "802.1Q", SpoofChk: &off, Trust: &off, LinkState: "auto",
			}}
			if *p.Autoprobe {
				v.Driver = p.Driver
			}
			p.VFs = append(p.VFs, v)
		}
	case "sriov_drivers_autoprobe":
		on := to == "true"
		p.Autoprobe = &on
	case "flow_steering_mode":
		if p.Mode != legacy {
			return fmt.Errorf("EOPNOTSUPP: not in %s", p.Mode)
		}
		p.Steering = to
	case "eswitch-mode":
		for _, v := range p.VFs {
			if v.Driver != "" {
				return fmt.Errorf("VF %d is bound", v.Index)
			}
		}
		for _, b := range m.Switch.Bridges {
			for _, port := range b.Ports {
				if port.OFPort > 0 && (strings.HasPrefix(port.ID, pci.PF(p.Address).String()) || slices.Contains(port.Over, pci.PF(p.Address).String())) {
					return fmt.Errorf("EBUSY: port %s of %s has TC rules", port.ID, b.Name)
				}
			}
		}
		if p.Mode = to; to == legacy {
			for i := range p.VFs {
				p.VFs[i].Representor = nil
			}
		}
		p.InlineMode, p.EncapMode = "none", "basic"
		m.Offload[pci.PF(p.Address)] = crypto.State{Netdev: p.Netdev, Features: features(false, p.Mode)}
	case "inline-mode":
		p.InlineMode = to
	case "encap-mode":
		p.EncapMode = to
	case "mtu":
		p.MTU, _ = strconv.Atoi(to)
	case "up":
		p.Up = to == "true"
	default:
		return fmt.Errorf("no such attribute")
	}
	return nil
}

func (m *model) vf(p *eswitch.Port, v *eswitch.VF, s step.Step) error {
	to := s.To.Str()
	on := to == "true"
	n, _ := strconv.Atoi(to)
	switch s.Attribute {
	case "driver":
		if v.Driver = to; to == "none" {
			v.Driver = ""
		}
	case "mac":
		if v.Driver != "" {
			return fmt.Errorf("the VF is bound: its netdev keeps its address")
		}
		v.Admin.MAC = to
	case "vlan":
		v.Admin.VLAN = n
	case "qos":
		v.Admin.QoS = n
	case "vlan-proto":
		v.Admin.VLANProto = to
	case "min_tx_rate":
		v.Admin.MinTxRate = n
	case "max_tx_rate":
		v.Admin.MaxTxRate = n
	case "spoofchk":
		v.Admin.SpoofChk = &on
	case "trust":
		v.Admin.Trust = &on
	case "link-state":
		v.Admin.LinkState = to
	case "representor-mtu", "representor-up":
		if v.Representor == nil {
			return fmt.Errorf("in %s there is no representor", p.Mode)
		}
		if s.Attribute == "representor-up" {
			v.Representor.Up = on
		} else {
			v.Representor.MTU = n
		}
	default:
		return fmt.Errorf("no such attribute")
	}
	return nil
}

// features are those that a netdev begins with.
func features(vf bool, mode string) map[string]crypto.Feature {
	f := func(on bool) crypto.Feature { return crypto.Feature{Hardware: true, Wanted: on, Active: on} }
	all := map[string]crypto.Feature{
		"hw-tc-offload": f(false), "tls-hw-rx-offload": f(false), "tls-hw-tx-offload": f(!vf), "tx-esp-segmentation": f(true),
		"esp-hw-offload": {Active: true, Fixed: true},
	}
	if !vf && mode == switchdev { // of an uplink there it is fixed off
		all["hw-tc-offload"], all["tls-hw-tx-offload"], all["tls-hw-rx-offload"] = f(true), crypto.Feature{Fixed: true}, crypto.Feature{Fixed: true}
	}
	return all
}

func (m *model) crypto(s step.Step) error {
	st := m.Offload[s.Resource.Function]
	f, has := st.Features[s.Attribute]
	on := s.To.Str() == "on"
	switch {
	case st.Netdev == "" || !has:
		return fmt.Errorf("there is no such netdev, or feature")
	case f.Fixed && f.Active != on:
		return fmt.Errorf("it is fixed")
	}
	f.Wanted, f.Active = on, on
	st.Features[s.Attribute] = f
	return nil
}

func (m *model) bondOf(name string) *bond.Bond {
	if i := slices.IndexFunc(m.Bonds.Bonds, func(b bond.Bond) bool { return b.Name == name }); i >= 0 {
		return &m.Bonds.Bonds[i]
	}
	return nil
}

// leave takes a member out. The kernel gives it the MTU that it came with
// (__bond_release_one), and bond's Doer the one that it had as a member again.
func (m *model) leave(b *bond.Bond, id string) {
	b.Members = slices.DeleteFunc(b.Members, func(x bond.Member) bool { return x.ID == id })
}

func (m *model) bond(s step.Step) error {
	if s.Resource.Kind == resource.Netdev { // of a member
		p := m.Port(s.Resource.Function.PF)
		if p.Up = true; s.Attribute == "mtu" {
			p.MTU, _ = strconv.Atoi(s.To.Str())
		}
		return nil
	}
	b, to := m.bondOf(s.Resource.Name), s.To.Str()
	n, _ := strconv.Atoi(to)
	if s.Attribute == bond.Present {
		switch {
		case s.To.IsAbsent() && b != nil:
			for _, x := range slices.Clone(b.Members) {
				m.leave(b, x.ID)
			}
			m.Bonds.Bonds = slices.DeleteFunc(m.Bonds.Bonds, func(o bond.Bond) bool { return o.Name == b.Name })
		case b != nil:
			return fmt.Errorf("EEXIST")
		default:
			m.Bonds.Bonds = append(m.Bonds.Bonds, bond.Bond{Name: s.Resource.Name, Mode: "balance-rr", XmitHashPolicy: "layer2", MTU: 1500, Members: []bond.Member{}})
			slices.SortFunc(m.Bonds.Bonds, func(x, y bond.Bond) int { return strings.Compare(x.Name, y.Name) })
		}
		return nil
	}
	if b == nil {
		return fmt.Errorf("there is no such bond")
	}
	for _, e := range s.Effects {
		if e.Kind == step.Leaves && e.From == s.Resource {
			m.leave(b, string(e.On.Function.PF))
		}
	}
	switch s.Attribute {
	case "mark":
		b.Alias = to
		_, b.Owner, _ = strings.Cut(to, ":")
	case "mode":
		if len(b.Members) > 0 {
			return fmt.Errorf("ENOTEMPTY: it has members")
		}
		if b.Mode, b.LACPRate = to, ""; to == "802.3ad" {
			b.LACPRate = "slow"
			if b.Miimon == 0 {
				b.Miimon = 100
			}
		}
	case "miimon":
		b.Miimon = n
	case "xmit_hash_policy":
		b.XmitHashPolicy = to
	case "lacp_rate":
		if b.Mode != "802.3ad" {
			return fmt.Errorf("EACCES: mode %s has none", b.Mode)
		}
		b.LACPRate = to
	case "mtu":
		b.MTU = n
		for _, x := range b.Members {
			m.Port(pci.Address(x.ID)).MTU = n
		}
	case "up":
		b.Up = to == "up"
	case "members":
		for _, id := range strings.FieldsFunc(to, func(r rune) bool { return r == ',' }) {
			if slices.ContainsFunc(b.Members, func(x bond.Member) bool { return x.ID == id }) {
				continue
			}
			p := m.Port(pci.Address(id))
			if u := m.Bonds.Uplinks[p.Address]; u.Master != "" {
				if o := m.bondOf(u.Master); o == nil || o.Owner == "" {
					return fmt.Errorf("EBUSY: %s is in %s", id, u.Master)
				} else { // whose own step says so, too
					m.leave(o, id)
				}
			}
			p.MTU, p.Up = b.MTU, true
			b.Members = append(b.Members, bond.Member{ID: id, Netdev: p.Netdev, MIIStatus: "up", Carrier: true})
		}
		slices.SortFunc(b.Members, func(x, y bond.Member) int { return strings.Compare(x.ID, y.ID) })
	case "lag":
		if b.LAG.State != bond.LAGActive {
			return fmt.Errorf("the card makes no LAG")
		}
	default:
		return fmt.Errorf("no such attribute")
	}
	return nil
}

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
			sw.Bridges = append(sw.Bridges, ovs.BridgeState{Name: s.Resource.Name, Owner: strings.TrimPrefix(to, "owner ")})
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
		return fmt.Errorf("no such attribute")
	}
	return nil
}

// portOf reads what a step says of a port: "trunk 100,200 ofport 5 owner small".
func portOf(id, text string) (p ovs.PortState, err error) {
	p.ID = id
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

// sync makes follow what follows by itself.
func (m *model) sync() {
	for i := range m.Cards {
		for j := range m.Cards[i].Ports {
			m.syncPort(&m.Cards[i].Ports[j])
		}
	}
	for i := range m.Bonds.Bonds {
		b := &m.Bonds.Bonds[i]
		inSwitchdev := len(b.Members) == 2 && b.Mode != "balance-rr"
		for j := range b.Members {
			x := &b.Members[j]
			p := m.Port(pci.Address(x.ID))
			x.MTU, x.Up = p.MTU, p.Up
			inSwitchdev = inSwitchdev && p.Mode == switchdev
			u := m.Bonds.Uplinks[p.Address]
			u.Master, u.MasterKind, u.Owner = b.Name, "bond", b.Owner
			m.Bonds.Uplinks[p.Address] = u
		}
		if b.LAG = (bond.LAG{State: "disabled"}); inSwitchdev {
			b.LAG = bond.LAG{State: bond.LAGActive, Type: "switchdev"}
		}
	}
	for i := range m.Switch.Bridges {
		for j := range m.Switch.Bridges[i].Ports {
			p := &m.Switch.Bridges[i].Ports[j]
			if p.Netdev = m.netdevOf(p.ID); p.Netdev == "" {
				p.OFPort = -1
			}
			if p.Over = nil; strings.HasPrefix(p.ID, "bond/") && p.Netdev != "" {
				for _, x := range m.bondOf(p.Netdev).Members {
					p.Over = append(p.Over, pci.PF(pci.Address(x.ID)).String())
				}
			}
		}
	}
}

func (m *model) syncPort(p *eswitch.Port) {
	m.Bonds.Uplinks[p.Address] = bond.Uplink{Netdev: p.Netdev, Index: p.Ifindex, MTU: p.MTU, Up: p.Up}
	for n := range p.VFs {
		v := &p.VFs[n]
		if v.Representor == nil && p.Mode == switchdev {
			v.Representor = &eswitch.Representor{Netdev: fmt.Sprintf("r%d-%d", p.Number, n), MTU: 1500}
		}
		f := pci.VF(p.Address, n)
		switch st := m.Offload[f]; {
		case v.Driver == p.Driver && st.Netdev == "":
			v.Netdev = fmt.Sprintf("v%d-%d", p.Number, n)
			m.Offload[f] = crypto.State{Netdev: v.Netdev, Features: features(true, p.Mode)}
		case v.Driver != p.Driver:
			v.Netdev = ""
			m.Offload[f] = crypto.State{Absent: "it has no driver, and so no netdev"}
		}
	}
	for f := range m.Offload {
		if f.PF == p.Address && f.IsVF() && f.VF >= len(p.VFs) {
			delete(m.Offload, f)
		}
	}
}
