// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
)

// livedRules are of what a host that somebody lives on makes plain: one MTU for a
// bond and its members, VFs one by one.
func livedRules() []rule {
	return []rule{
		{
			"NW014", "a bond and its members have one MTU: write it at the bond, and leave it out at the ports",
			"drivers/net/bonding/bond_main.c, bond_enslave", checkMemberMTU,
		},
		{
			"NW015", "the members of a bond are up when it is, and down when it is down: write up at the bond, and leave it out at the ports",
			"drivers/net/bonding/bond_main.c, bond_enslave", checkMemberUp,
		},
		{"NW016", "ranges of VFs begin before they end, and no VF is in two of them", "", checkRanges},
		{"NW017", "a MAC address is one VF's: it is unicast, and written at a range of one VF", "", checkMACs},
		{"NW018", "the rate group of a VF, or of a network, is one of its port's, or none", "", checkRateGroups},
	}
}

// member is a port of the profile that is in a bond of it.
type member struct {
	*Port
	ref portRef
	at  func(path ...any) Position
}

// members are those of a bond that are ports of the profile.
func (p *Profile) members(b bond.Spec) []member {
	var all []member
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if slices.Contains(b.Members, ref.String()) {
			all = append(all, member{port, ref, at})
		}
	})
	return all
}

func checkMemberMTU(p *Profile, report report) {
	checkOneForAll(p, report, "mtu", func(b bond.Spec) *int { return b.MTU }, func(m member) *int { return m.MTU })
}

func checkMemberUp(p *Profile, report report) {
	checkOneForAll(p, report, "up", func(b bond.Spec) *bool { return b.Up }, func(m member) *bool { return m.Up })
}

// checkOneForAll holds what members say against their bond or, where that says
// nothing, against the first member that says something.
func checkOneForAll[T comparable](p *Profile, report report, key string, ofBond func(bond.Spec) *T, of func(member) *T) {
	for i, b := range p.Bonds {
		who, want, first := b.Name, ofBond(b.Spec), p.At("bonds", i, key)
		for _, m := range p.members(b.Spec) {
			switch v := of(m); {
			case v == nil:
			case want == nil:
				who, want, first = m.ref.String(), v, m.at(key)
			case *v != *want:
				report(m.at(key), "%s of %s, a member of %s, is %v, and that of %s is %v (%s)", key, m.ref, b.Name, *v, who, *want, first)
			}
		}
	}
}

func checkRanges(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		taken := map[int]string{}
		for i, r := range port.VFList.Ranges {
			first, last, err := r.bounds()
			if err != nil {
				report(at("vfs", i, "vf"), "range %s of %s: %v", r.Name, ref, err)
				continue
			}
			for n := first; n <= last; n++ {
				if before := taken[n]; before != "" {
					report(at("vfs", i, "vf"), "vf%d of %s is in the ranges %s and %s", n, ref, before, r.Name)
					break
				}
				taken[n] = r.Name
			}
		}
	})
}

func checkMACs(p *Profile, report report) {
	report = once(report)
	p.eachPort(func(ref portRef, _ *Port, _ func(...any) Position) {
		taken := map[string]string{}
		p.eachGroup(func(of portRef, g group) {
			if of != ref || g.spec.MAC == nil {
				return
			}
			at, mac := g.at("mac"), strings.ToLower(*g.spec.MAC)
			switch n := g.size(); {
			case wrongMAC(mac) != "":
				report(at, "mac of %s is %s, which is %s", g, mac, wrongMAC(mac))
			case n < 0:
				report(at, "mac of %s is %s, and how many VFs there will be is not said: write vfs: [{name: one, vf: \"0\", mac: %s}]", g, mac, mac)
			case n > 1:
				report(at, "mac of %s is %s, and they are %d VFs: each has its own, or none is given; write a range for each, as in vfs: [{name: one, vf: \"0\", mac: %s}]", g, mac, n, mac)
			case n == 1 && taken[mac] != "":
				report(at, "mac of %s is %s, and so is that of %s", g, mac, taken[mac])
			case n == 1:
				taken[mac] = g.String()
			}
		})
	})
}

func checkRateGroups(p *Profile, report report) {
	report = once(report)
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		for i, g := range port.RateGroups {
			if g.Name == eswitch.NoGroup {
				report(at("rate-groups", i, "name"), "a rate group of %s is called %s, which is what is said of a VF that is in none", ref, g.Name)
			}
		}
		p.eachGroup(func(of portRef, g group) {
			if of != ref || g.spec.RateGroup == nil || *g.spec.RateGroup == eswitch.NoGroup {
				return
			}
			if !slices.ContainsFunc(port.RateGroups, func(r eswitch.RateGroup) bool { return r.Name == *g.spec.RateGroup }) {
				report(g.at("rate-group"), "rate-group of %s is %s, and %s has no such rate group: name it in its rate-groups", g, *g.spec.RateGroup, ref)
			}
		})
	})
	for i, n := range p.Networks {
		for _, s := range n.VFs {
			r, err := p.vfsOf(s)
			if err != nil || n.RateGroup == nil || *n.RateGroup == eswitch.NoGroup {
				continue // NW021
			}
			port, err := p.find(r.portRef)
			if err == nil && !slices.ContainsFunc(port.RateGroups, func(g eswitch.RateGroup) bool { return g.Name == *n.RateGroup }) {
				report(p.At("networks", i, "rate-group"), "rate-group of network %s is %s, and %s has no such rate group: name it in its rate-groups", n.Name, *n.RateGroup, r.portRef)
			}
		}
	}
}

// wrongMAC says why an address cannot be a VF's, "" if it can.
func wrongMAC(s string) string {
	mac, err := net.ParseMAC(s)
	switch {
	case err != nil || len(mac) != 6:
		return "no MAC address"
	case mac.String() == "00:00:00:00:00:00":
		return "no address: leave mac out, and the driver chooses"
	case mac[0]&1 != 0:
		return "a multicast address"
	}
	return ""
}

// checkPrimary: the reference of a bond's primary member.
func (p *Profile) checkPrimary(i int, b bond.Spec, report report) {
	if b.Primary == nil || *b.Primary == "" || b.Members != nil { // with members, NW013 finds it among them
		return
	}
	ref, err := parsePortRef(*b.Primary)
	if err == nil {
		_, err = p.find(ref)
	}
	if err != nil {
		report(p.At("bonds", i, "primary"), "primary of %s: %v", b.Name, err)
	}
}

// each is the errors that are joined in err.
func each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, each(e)...)
	}
	return all
}

// optionOf is the option of a bond that an error of bond.Spec.Validate is about,
// which the error names first: "bond bond0: updelay is ...".
func optionOf(b bond.Spec, err error) string {
	rest, _ := strings.CutPrefix(err.Error(), fmt.Sprintf("bond %s: ", b.Name))
	option, _, _ := strings.Cut(rest, " ")
	return option
}
