// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// newParams are those of mlx5 that the model has.
func newParams() map[string]eswitch.Param {
	one := func(kind, mode, value string) eswitch.Param {
		return eswitch.Param{Type: kind, Values: map[string]string{mode: value}}
	}
	return map[string]eswitch.Param{
		"io_eq_size": one("u32", "driverinit", "1024"), "fdb_large_groups": one("u32", "driverinit", "15"),
		"enable_remote_dev_reset": one("bool", "runtime", "true"), "total_vfs": one("u32", "permanent", "8"),
		"esw_multiport": one("bool", "runtime", "false"), "esw_port_metadata": one("bool", "runtime", "true"),
	}
}

// randomParams are what a profile could want of a port's; multiport is of all ports of the card.
func randomParams(r *rand.Rand, multiport *string) map[string]eswitch.ParamValue {
	all := map[string]eswitch.ParamValue{}
	say := func(name string, v *string) {
		if v != nil {
			all[name] = eswitch.ParamValue{Value: *v}
		}
	}
	if r.IntN(2) == 0 {
		say("io_eq_size", maybe(r, "1024", "2048"))
		say("fdb_large_groups", maybe(r, "15", "20"))
	}
	if r.IntN(2) == 0 {
		say("enable_remote_dev_reset", maybe(r, "true", "false"))
		if v := maybe(r, "8", "16"); v != nil {
			all["total_vfs"] = eswitch.ParamValue{ByMode: map[string]string{"permanent": *v}}
		}
	}
	say("esw_multiport", multiport)
	if len(all) == 0 {
		return nil
	}
	return all
}

func (m *model) param(p *eswitch.Port, s step.Step) error {
	words := strings.Fields(s.Attribute) // params NAME MODE
	name, mode, to := words[1], words[2], s.To.Str()
	if _, has := p.Params[name].Values[mode]; !has {
		return fmt.Errorf("EINVAL: there is no such param")
	}
	set := func(p *eswitch.Port) { p.Params[name].Values[mode] = to }
	switch {
	case mode == "driverinit":
		set(p)
		return m.reload(p)
	case name == "esw_multiport":
		for _, c := range m.Cards {
			for i := range c.Ports {
				o := &c.Ports[i]
				inBond := slices.ContainsFunc(m.Bonds.Bonds, func(b bond.Bond) bool { return b.LAG.State == bond.LAGActive })
				if to == "true" && (o.Mode != switchdev || inBond) {
					return fmt.Errorf("EOPNOTSUPP or EINVAL: %s is in %s, or in a bond", o.Address, o.Mode)
				}
			}
		}
		m.multiport(to)
	case name == "esw_port_metadata" && (p.NumVFs > 0 || p.Mode != legacy):
		return fmt.Errorf("EBUSY: %d VFs in %s", p.NumVFs, p.Mode)
	default:
		set(p)
	}
	return nil
}

func (m *model) multiport(to string) {
	for _, c := range m.Cards {
		for _, p := range c.Ports {
			p.Params["esw_multiport"].Values["runtime"] = to
		}
	}
}

// reload makes the driver of a port begin anew.
func (m *model) reload(p *eswitch.Port) error {
	for _, v := range p.VFs {
		if v.Driver != "" {
			return fmt.Errorf("VF %d is bound", v.Index)
		}
	}
	for _, b := range m.Bonds.Bonds {
		if slices.ContainsFunc(b.Members, func(x bond.Member) bool { return x.ID == string(p.Address) }) {
			return fmt.Errorf("EOPNOTSUPP: the port is in %s, which may be a LAG", b.Name)
		}
	}
	if p.Params["esw_multiport"].Values["runtime"] == "true" {
		return fmt.Errorf("EOPNOTSUPP: the card has a LAG")
	}
	pf := pci.PF(p.Address)
	if m.bridgeOf(m.Bonds.Uplinks[p.Address].Master) != nil {
		m.takeOut(resource.OfNetdev(pf))
	}
	p.Mode, p.InlineMode, p.EncapMode, p.RateGroups = legacy, "none", "basic", nil
	for i := range p.VFs {
		p.VFs[i].Representor, p.VFs[i].RateGroup = nil, ""
	}
	p.MTU, p.Up = 1500, false
	m.Offload[pf] = crypto.State{Netdev: p.Netdev, Features: features(false, p.Mode)}
	m.Tuning[pf] = newTuning(p.Netdev, false)
	return nil
}
