// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// model does steps to a Host as the kernel and Open vSwitch would, in plain Go, and
// refuses what they would refuse.
type model struct {
	Host
	granted map[pci.Function]*granted
	rules   []modelRule
}

// granted is what a card remembers of a VF, in legacy mode too.
type granted struct {
	roce, migratable bool
	eqs              int
}

// newModel is a host of testdata/hosts.
func newModel(t *testing.T, name string) *model {
	t.Helper()
	m := &model{Host: hostOf(t, name), granted: map[pci.Function]*granted{}}
	m.Tuning = tuningOf(m.Host)
	for i := range m.Cards {
		for j := range m.Cards[i].Ports {
			m.Cards[i].Ports[j].Params = newParams()
		}
	}
	for i := range m.Bonds.Bonds { // of the options, the model has the most used
		b := &m.Bonds.Bonds[i]
		b.LACPActive, b.ADSelect, b.MinLinks, b.UpDelay, b.DownDelay = nil, nil, nil, nil, nil
	}
	if m.Switch != nil {
		for i := range m.Switch.Bridges {
			m.Switch.Bridges[i].MTU = 1500
		}
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
	was := m.Flows.Ports
	for n := 0; n < len(steps); n++ {
		s := steps[n]
		err := fmt.Errorf("no such domain")
		switch s.Domain {
		case eswitch.Domain:
			err = m.eswitch(s)
		case bond.Domain:
			err = m.bond(s)
		case bridge.Domain:
			err = m.bridge(s)
		case ovs.Domain:
			err = m.ovs(s)
		case flows.Domain:
			err = m.flow(s, was)
		case crypto.Domain:
			err = m.crypto(s)
		case tuning.Domain:
			err = m.tuning(s)
		case hostnet.Domain, vlan.Domain:
			end := n + 1
			for end < len(steps) && steps[end].Domain == s.Domain && steps[end].Phase == s.Phase {
				end++
			}
			if err = m.hostnet(steps[n:end]); s.Domain == vlan.Domain {
				err = m.vlans(steps[n:end])
			}
			for _, o := range steps[n+1 : end] {
				m.loses(o)
			}
			n = end - 1
		}
		m.loses(s)
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
	if strings.HasPrefix(s.Attribute, "params ") {
		return m.param(p, s)
	}
	switch s.Attribute {
	case "vfs":
		n, _ := strconv.Atoi(to)
		if n != 0 && p.NumVFs != 0 {
			return fmt.Errorf("EBUSY: the count goes through 0")
		}
		p.NumVFs, p.VFs, p.RateGroups = n, nil, nil
		maps.DeleteFunc(m.granted, func(f pci.Function, _ *granted) bool { return f.PF == p.Address })
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
		m.multiport("false")
		p.Mode, p.RateGroups = to, nil
		for i := range p.VFs {
			p.VFs[i].Representor, p.VFs[i].RateGroup = nil, ""
		}
		p.InlineMode, p.EncapMode = "none", "basic"
		m.Offload[pci.PF(p.Address)] = crypto.State{Netdev: p.Netdev, Features: features(false, p.Mode)}
		m.Tuning[pci.PF(p.Address)] = newTuning(p.Netdev, false)
	case "inline-mode":
		p.InlineMode = to
	case "encap-mode":
		p.EncapMode = to
	case "rate-groups":
		if p.Mode != switchdev {
			return fmt.Errorf("EOPNOTSUPP: not in %s", p.Mode)
		}
		if p.RateGroups = nil; to == eswitch.NoGroup {
			break
		}
		for part := range strings.SplitSeq(to, ", ") {
			name, most, _ := strings.Cut(part, " tx_max ")
			n, _ := strconv.Atoi(most)
			p.RateGroups = append(p.RateGroups, eswitch.RateGroup{Name: name, TxMax: n})
		}
		for i := range p.VFs {
			if v := &p.VFs[i]; !slices.ContainsFunc(p.RateGroups, func(g eswitch.RateGroup) bool { return g.Name == v.RateGroup }) {
				v.RateGroup = ""
			}
		}
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
	case "roce", "migratable", "max_io_eqs":
		g := m.granted[s.Resource.Function]
		switch {
		case v.Driver != "" || p.Mode != switchdev:
			return fmt.Errorf("EBUSY or EOPNOTSUPP: with the driver %q in %s", v.Driver, p.Mode)
		case s.Attribute == "roce":
			g.roce = on
		case s.Attribute == "migratable":
			g.migratable = on
		default:
			g.eqs = n
		}
	case "rate-group":
		switch {
		case p.Mode != switchdev:
			return fmt.Errorf("EOPNOTSUPP: not in %s", p.Mode)
		case to == eswitch.NoGroup:
			v.RateGroup = ""
		case !slices.ContainsFunc(p.RateGroups, func(g eswitch.RateGroup) bool { return g.Name == to }):
			return fmt.Errorf("ENODEV: there is no such rate group")
		default:
			v.RateGroup = to
		}
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
	m.syncBridges()
	m.syncNet() // a VLAN follows what is below it at once
	m.syncVLANs()
	m.syncFlows()
	m.syncNet()
}

func (m *model) syncPort(p *eswitch.Port) {
	m.Bonds.Uplinks[p.Address] = bond.Uplink{Netdev: p.Netdev, Index: p.Ifindex, MTU: p.MTU, Up: p.Up}
	for n := range p.VFs {
		v := &p.VFs[n]
		if v.Representor == nil && p.Mode == switchdev {
			v.Representor = &eswitch.Representor{Netdev: fmt.Sprintf("r%d-%d", p.Number, n), MTU: 1500}
		}
		f := pci.VF(p.Address, n)
		g := m.granted[f]
		if g == nil {
			g = &granted{true, false, 8}
			m.granted[f] = g
		}
		if v.Caps, v.MaxIOEQs = nil, nil; p.Mode == switchdev {
			v.Caps, v.MaxIOEQs = map[string]bool{"roce": g.roce, "migratable": g.migratable}, &g.eqs
		}
		switch st := m.Offload[f]; {
		case v.Driver == p.Driver && st.Netdev == "":
			v.Netdev = fmt.Sprintf("v%d-%d", p.Number, n)
			m.Offload[f] = crypto.State{Netdev: v.Netdev, Features: features(true, p.Mode)}
			m.Tuning[f] = newTuning(v.Netdev, true)
		case v.Driver != p.Driver:
			v.Netdev = ""
			m.Offload[f] = crypto.State{Absent: "it has no driver, and so no netdev"}
			m.Tuning[f] = tuning.State{Absent: "it has no driver, and so no netdev"}
		}
	}
	for f := range m.Offload {
		if f.PF == p.Address && f.IsVF() && f.VF >= len(p.VFs) {
			delete(m.Offload, f)
			delete(m.Tuning, f)
		}
	}
}
