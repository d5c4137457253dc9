// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

// pair is two VFs and why they were taken.
type pair struct {
	from, to pci.Function
	why      string
}

var errNoPair = errors.New("no two free VFs with a netdev can reach one another: give a port of the profile two VFs that are bound to mlx5_core and, with Open vSwitch, in the same VLAN")

// chooser finds VFs for proofs and remembers which it passed over, and why.
type chooser struct {
	host   report.Host
	want   *profiles.Want
	free   func(context.Context, pci.Function) error
	tried  map[pci.Function]bool // false: passed over
	passed []string
}

func newChooser(h report.Host, want *profiles.Want, free func(context.Context, pci.Function) error) *chooser {
	return &chooser{host: h, want: want, free: unleased(h, free), tried: map[pci.Function]bool{}}
}

// unleased is free, and refuses VFs that are leased: their machine may start at any moment.
func unleased(h report.Host, free func(context.Context, pci.Function) error) func(context.Context, pci.Function) error {
	return func(ctx context.Context, f pci.Function) error {
		for _, c := range h.Cards {
			for _, p := range c.Ports {
				if p.Address != f.PF || f.VF >= len(p.VFs) || !f.IsVF() {
					continue
				}
				for _, u := range p.VFs[f.VF].Uses {
					if u.Kind == eswitch.Leased {
						return fmt.Errorf("%s is in use: %s", f, u)
					}
				}
			}
		}
		return free(ctx, f)
	}
}

// usableOf is the VFs of a group that can be taken.
func (c *chooser) usableOf(ctx context.Context, g group) []pci.Function {
	var ok []pci.Function
	for _, f := range g.vfs {
		usable, known := c.tried[f]
		if !known {
			why := noNetdev(c.host, f)
			if why == nil {
				why = c.free(ctx, f)
			}
			if usable = why == nil; !usable {
				c.passed = append(c.passed, fmt.Sprintf("%s was passed over: %v", f, why))
			}
			c.tried[f] = usable
		}
		if usable {
			ok = append(ok, f)
		}
	}
	return ok
}

// pairs are the VFs between which the matrix runs: those that the profile names,
// else the first two free ones of one port and, without quick, the first two of
// two ports, that share a VLAN on the switch; without a switch, of one port.
func (c *chooser) pairs(ctx context.Context, quick bool) (found []pair, err error) {
	if v := c.want.Verify; v != nil && len(v.Pairs) > 0 {
		for _, named := range v.Pairs {
			from, err := pci.ParseFunction(named.From)
			if err != nil {
				return nil, err
			}
			to, err := pci.ParseFunction(named.To)
			if err != nil {
				return nil, err
			}
			found = append(found, pair{from, to, "the profile names them (verify.pairs)"})
			if quick {
				break
			}
		}
		return found, nil
	}
	all := groups(c.host, c.want)
	for _, same := range []bool{true, false} {
		for _, g := range all {
			if p, ok := firstPair(c.usableOf(ctx, g), same); ok {
				where := "one port"
				if !same {
					where = "two ports"
				}
				p.why = fmt.Sprintf("the first two free VFs of %s in %s", where, g.name)
				found = append(found, p)
				break
			}
		}
		if quick && len(found) > 0 {
			break
		}
	}
	if len(found) == 0 {
		return nil, errNoPair
	}
	return found, nil
}

// Between are two free VFs that can reach one another, as verify takes them, and why
// these.
func Between(ctx context.Context, h report.Host, want *profiles.Want) (from, to pci.Function, why string, err error) {
	found, err := newChooser(h, want, site.Free).pairs(ctx, true)
	if err != nil {
		return from, to, "", err
	}
	return found[0].from, found[0].to, found[0].why, nil
}

// firstPair is the first two VFs of one port, or of two.
func firstPair(vfs []pci.Function, same bool) (pair, bool) {
	for i, from := range vfs {
		for _, to := range vfs[i+1:] {
			if (to.PF == from.PF) == same {
				return pair{from: from, to: to}, true
			}
		}
	}
	return pair{}, false
}

// group is VFs that reach one another.
type group struct {
	name   string
	bridge string // "": the eswitch alone
	vlan   int
	vfs    []pci.Function
}

// groups are the VFs behind access ports, by bridge and VLAN in the order of the
// profile; without a bridge the VFs of each port.
func groups(h report.Host, want *profiles.Want) []group {
	var all []group
	add := func(g group, f pci.Function) {
		i := slices.IndexFunc(all, func(have group) bool { return have.name == g.name })
		if i < 0 {
			all, i = append(all, g), len(all)
		}
		all[i].vfs = append(all[i].vfs, f)
	}
	if !switches(want) {
		for _, c := range h.Cards {
			for _, p := range c.Ports {
				for _, vf := range p.VFs {
					add(group{name: "the eswitch of " + string(p.Address)}, pci.VF(p.Address, vf.Index))
				}
			}
		}
		return all
	}
	for _, b := range want.Bridges {
		for _, p := range b.Ports {
			f, err := pci.ParseFunction(p.VF)
			if vlan, access := p.Access(); p.VF != "" && err == nil && access {
				add(group{name: fmt.Sprintf("VLAN %d of %s", vlan, b.Name), bridge: b.Name, vlan: vlan}, f)
			}
		}
	}
	if want.OVS == nil {
		return all
	}
	for _, b := range want.OVS.Bridges {
		for _, p := range b.Ports {
			f, err := pci.ParseFunction(p.VF)
			if p.VF == "" || err != nil {
				continue
			}
			vlan := 0
			if p.Tag != nil {
				vlan = *p.Tag
			}
			add(group{name: fmt.Sprintf("VLAN %d of %s", vlan, b.Name), bridge: b.Name, vlan: vlan}, f)
		}
	}
	return all
}

// switches tells whether a bridge of Open vSwitch or of the kernel is between the VFs.
func switches(want *profiles.Want) bool {
	return want.OVS != nil && len(want.OVS.Bridges) > 0 || len(want.Bridges) > 0
}

// bridged tells whether the representor of a VF is a port of a bridge of the kernel.
func bridged(want *profiles.Want, f pci.Function) bool {
	return bridge.Ports(want.Bridges)[resource.OfRepresentor(f)]
}

// noNetdev tells why a VF has no netdev here, nil if it has.
func noNetdev(h report.Host, f pci.Function) error {
	p := h.Port(f.PF)
	switch {
	case p == nil || f.VF >= len(p.VFs):
		return errors.New("it is not there")
	case p.VFs[f.VF].Netdev == "":
		driver := p.VFs[f.VF].Driver
		return fmt.Errorf("it has no netdev in this network namespace, and the driver %q: a virtual machine or a container may hold it", driver)
	}
	return nil
}
