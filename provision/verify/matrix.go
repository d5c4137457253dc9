// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/profiles"
)

// cell is one proof to run on a pair of VFs.
type cell struct {
	kind    string
	fields  func(from, to string) []proof.Field
	require proof.Verdict
	run     func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof
}

// quickBytes is what each cell of the quick matrix sends.
const quickBytes = 1 << 20

// matrix is the cells that run on every pair: what the profile asks for, with
// all there is where it does not say. The quick one has the transfer of each kind
// that most depends on.
func matrix(want *profiles.Want, quick bool) []cell {
	v := want.Verify
	var k crypto.KTLSSpec
	var e crypto.IPsecSpec
	if v != nil && v.KTLS != nil {
		k = *v.KTLS
	}
	if v != nil && v.IPsec != nil {
		e = *v.IPsec
	}
	if quick {
		n := int64(quickBytes)
		k.Versions, k.Ciphers, k.Directions, k.Bytes = crypto.Versions[:1], crypto.Ciphers[:1], []string{crypto.Tx}, &n
		e.Offloads, e.Modes, e.Directions, e.Bytes = crypto.Offloads[:1], crypto.Modes[:1], []string{crypto.Tx}, &n
	}
	cells := append(ktlsCells(k), ipsecCells(e)...)
	if want.OVS != nil && len(want.OVS.Bridges) > 0 {
		cells = append(cells, flowsCell(v, bytesOf(k.Bytes)))
	}
	return cells
}

func ipsecCells(e crypto.IPsecSpec) []cell {
	var cells []cell
	for _, offload := range or(e.Offloads, crypto.Offloads) {
		for _, mode := range or(e.Modes, crypto.Modes) {
			for _, cipher := range or(e.Ciphers, crypto.ESPs[:1]) {
				for _, ip := range or(e.IP, crypto.IPs[:1]) {
					for _, direction := range or(e.Directions, crypto.Directions) {
						c := crypto.IPsecCell{Offload: offload, Mode: mode, Cipher: cipher, IP: ip, Direction: direction}
						one := cell{kind: "ipsec", fields: c.Fields, run: func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof {
							return crypto.ProveIPsec(ctx, c, from, to, bytesOf(e.Bytes), rate)
						}}
						if e.Require != nil {
							one.require = proof.Verdict(*e.Require)
						}
						cells = append(cells, one)
					}
				}
			}
		}
	}
	return cells
}

func flowsCell(v *profiles.VerifySpec, size int64) cell {
	c := cell{kind: "flows", fields: func(from, to string) []proof.Field {
		return []proof.Field{{Name: "from", Value: from}, {Name: "to", Value: to}}
	}, run: func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof {
		return ovs.ProveFlows(ctx, from, to, size, rate)
	}}
	if v != nil && v.Flows != nil && v.Flows.Require != nil {
		c.require = proof.Verdict(*v.Flows.Require)
	}
	return c
}

func ktlsCells(k crypto.KTLSSpec) []cell {
	var cells []cell
	for _, t := range ktlsAsked(k) {
		cells = append(cells, cell{kind: "ktls", fields: t.Fields, require: t.require, run: func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof {
			return crypto.ProveKTLS(ctx, t.KTLSCell, from, to, bytesOf(k.Bytes), rate)
		}})
	}
	return cells
}

// asked is a cell of kernel TLS with what the profile requires of it.
type asked struct {
	crypto.KTLSCell
	require proof.Verdict
}

func ktlsAsked(k crypto.KTLSSpec) []asked {
	var all []asked
	named := k.Versions != nil && k.Ciphers != nil
	for _, version := range or(k.Versions, crypto.Versions) {
		for _, cipher := range or(k.Ciphers, crypto.Ciphers) {
			for _, direction := range or(k.Directions, crypto.Directions) {
				one := asked{KTLSCell: crypto.KTLSCell{Version: version, Cipher: cipher, Direction: direction}}
				if k.Require != nil && (named || one.Never() == "") {
					one.require = proof.Verdict(*k.Require)
				}
				all = append(all, one)
			}
		}
	}
	return all
}

func bytesOf(n *int64) int64 {
	if n == nil {
		return site.DefaultBytes
	}
	return *n
}

func or(list, all []string) []string {
	if len(list) == 0 {
		return all
	}
	return list
}

// pair is two VFs and why they were taken.
type pair struct {
	from, to pci.Function
	why      string
}

var errNoPair = errors.New("no two free VFs with a netdev can reach one another: give a port of the profile two VFs that are bound to mlx5_core and, with Open vSwitch, in the same VLAN")

// chooser finds VFs for proofs and remembers which it passed over, and why.
type chooser struct {
	Host
	want   *profiles.Want
	free   func(context.Context, pci.Function) error
	tried  map[pci.Function]bool // false: passed over
	passed []string
}

func newChooser(h Host, want *profiles.Want, free func(context.Context, pci.Function) error) *chooser {
	return &chooser{Host: h, want: want, free: free, tried: map[pci.Function]bool{}}
}

// usableOf is the VFs of a group that can be taken.
func (c *chooser) usableOf(ctx context.Context, g group) []pci.Function {
	var ok []pci.Function
	for _, f := range g.vfs {
		usable, known := c.tried[f]
		if !known {
			why := c.usable(f)
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
	groups := c.groups(c.want)
	for _, same := range []bool{true, false} {
		for _, g := range groups {
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
func (h Host) groups(want *profiles.Want) []group {
	var groups []group
	add := func(g group, f pci.Function) {
		i := slices.IndexFunc(groups, func(have group) bool { return have.name == g.name })
		if i < 0 {
			groups, i = append(groups, g), len(groups)
		}
		groups[i].vfs = append(groups[i].vfs, f)
	}
	if want.OVS == nil || len(want.OVS.Bridges) == 0 {
		for _, c := range h.Cards {
			for _, p := range c.Ports {
				for _, vf := range p.VFs {
					add(group{name: "the eswitch of " + string(p.Address)}, pci.VF(p.Address, vf.Index))
				}
			}
		}
		return groups
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
	return groups
}

// usable tells why a VF has no netdev here, nil if it has.
func (h Host) usable(f pci.Function) error {
	p := h.port(f.PF)
	switch {
	case p == nil || f.VF >= len(p.VFs):
		return errors.New("it is not there")
	case p.VFs[f.VF].Netdev == "":
		driver := p.VFs[f.VF].Driver
		return fmt.Errorf("it has no netdev in this network namespace, and the driver %q: a virtual machine or a container may hold it", driver)
	}
	return nil
}
