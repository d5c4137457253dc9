// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"slices"
	"strings"

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
	"github.com/nicwright/nicwright/internal/resource"
)

// CardInfo is what has to be known of a card of the host to tell whether a
// selector means it. IDs are four hexadecimal digits.
type CardInfo struct {
	Serial   string     `json:"serial,omitempty"`
	Model    string     `json:"model,omitempty"`
	VendorID string     `json:"vendor"`
	DeviceID string     `json:"device"`
	Ports    []PortInfo `json:"ports"`
}

// PortInfo is one port of a card of the host.
type PortInfo struct {
	Address pci.Address `json:"address"`
	// Number is the port's own: the PCI function's, or devlink's port number. Not its place in Ports:
	// a port can be missing.
	Number int `json:"number"`
	NumVFs int `json:"vfs"` // the VFs that there are now
}

// String is the card as an error names it.
func (c CardInfo) String() string {
	var at []string
	for _, p := range c.Ports {
		at = append(at, string(p.Address))
	}
	s := fmt.Sprintf("%s (%s:%s", strings.Join(at, "+"), c.VendorID, c.DeviceID)
	if c.Model != "" {
		s += ", model " + c.Model
	}
	if c.Serial != "" {
		s += ", serial " + c.Serial
	}
	return s + ")"
}

// portList is the ports that the card has, in words.
func (c CardInfo) portList() string {
	if len(c.Ports) == 0 {
		return "no ports"
	}
	ports := slices.SortedFunc(slices.Values(c.Ports), func(a, b PortInfo) int { return a.Number - b.Number })
	var all []string
	for _, p := range ports {
		all = append(all, fmt.Sprintf("port %d (%s)", p.Number, p.Address))
	}
	return strings.Join(all, " and ")
}

// Want is a profile with the identities of one host in the places of its
// references: what the domains are asked for. It shares nothing with the Profile.
type Want struct {
	// Profile is the name of the profile.
	Profile string `json:"profile"`
	// Ports are the PFs, by address.
	Ports map[pci.Address]eswitch.PortSpec `json:"ports,omitempty"`
	// Offload has the offload switches of PFs and VFs that have any set.
	Offload map[pci.Function]crypto.Spec `json:"offload,omitempty"`
	// Tuning is what the drivers of the netdevs of PFs and VFs are told, of those that are told anything.
	Tuning map[pci.Function]tuning.Want `json:"tuning,omitempty"`
	// Bonds have the addresses of PFs as Members.
	Bonds []bond.Spec `json:"bonds,omitempty"`
	// Net is what hangs on netdevs: the addresses and routes that the profile says, and what was before an operation.
	Net hostnet.State `json:"net,omitzero"`
	// Bridges have in VF and Uplink what pci.Function.String gives, as OVS has.
	Bridges []bridge.Spec `json:"bridges,omitempty"`
	// VLANs have in On what they are on.
	VLANs []vlan.Spec `json:"vlans,omitempty"`
	// OVS has in VF and Uplink what pci.Function.String gives. A range of VFs is a port each,
	// named by the entry's name and -vfN.
	OVS *ovs.Spec `json:"ovs,omitempty"`
	// Flows name ports by ovs.PortState.ID.
	Flows []flows.Spec `json:"flows,omitempty"`
	// Networks have in VFs what pci.Function.String gives of one VF each.
	Networks []Network `json:"networks,omitempty"`
	// Verify has in From and To what pci.Function.String gives.
	Verify *VerifySpec `json:"verify,omitempty"`
	// Bench has in Between what pci.Function.String gives.
	Bench *BenchSpec `json:"bench,omitempty"`
}

// takenFrom is the take-from of a bond of the want, nil where it says none.
func (w *Want) takenFrom(name string) *string {
	n := slices.IndexFunc(w.Bonds, func(b bond.Spec) bool { return b.Name == name })
	if n < 0 {
		return nil
	}
	return w.Bonds[n].TakeFrom
}

// resolver is the work of Resolve.
type resolver struct {
	p      *Profile
	ports  map[portRef]PortInfo
	counts map[portRef]int // VFs that there will be
	errs   Errors
}

// Resolve selects the profile's cards among those of a host and puts identities
// in the places of references. It reads nothing but its arguments. An error is
// an Errors.
func Resolve(p *Profile, cards []CardInfo) (*Want, error) {
	r := &resolver{p: p, ports: map[portRef]PortInfo{}, counts: map[portRef]int{}}
	r.selectCards(cards)
	if len(r.errs) > 0 {
		return nil, r.errs.orNil()
	}
	w := &Want{Profile: p.Name, Ports: map[pci.Address]eswitch.PortSpec{}, Offload: map[pci.Function]crypto.Spec{}}
	r.resolvePorts(w)
	r.resolveBonds(w, cards)
	r.resolveVLANs(w)
	r.resolveBridges(w)
	r.resolveOVS(w)
	r.resolveFlows(w)
	r.resolveNetworks(w)
	r.resolveVerify(w)
	r.resolveBench(w)
	if len(r.errs) > 0 {
		return nil, r.errs.orNil()
	}
	return w, nil
}

func (r *resolver) fail(at Position, allowed, format string, args ...any) {
	r.errs = append(r.errs, &Error{Position: at, Message: fmt.Sprintf(format, args...), Allowed: allowed})
}

// selectCards finds the card of each selector and the port of each index.
func (r *resolver) selectCards(cards []CardInfo) {
	taken := map[int]string{}
	for i, c := range r.p.Cards {
		at := r.p.At("cards", i, "select")
		var found []int
		for k, info := range cards {
			if c.Select.matches(info) {
				found = append(found, k)
			}
		}
		switch {
		case len(found) == 0:
			r.fail(at, "this host has: "+cardList(cards), "card %s: no card of this host matches %s", c.Name, c.Select)
			continue
		case len(found) > 1:
			var several []CardInfo
			for _, k := range found {
				several = append(several, cards[k])
			}
			r.fail(at, "tell them apart by pci or serial: "+cardList(several), "card %s: %d cards of this host match %s", c.Name, len(found), c.Select)
			continue
		case taken[found[0]] != "":
			r.fail(at, "one entry for each card", "cards %s and %s are the same card: %s", taken[found[0]], c.Name, cards[found[0]])
			continue
		}
		taken[found[0]] = c.Name
		info := cards[found[0]]
		for j, port := range c.Ports {
			ref := portRef{c.Name, port.Name}
			k := slices.IndexFunc(info.Ports, func(p PortInfo) bool { return p.Number == *port.Port })
			if k < 0 {
				r.fail(r.p.At("cards", i, "ports", j, "port"), "the card is "+info.String(), "port %s: the card has %s and no port %d", ref, info.portList(), *port.Port)
				continue
			}
			r.ports[ref] = info.Ports[k]
			r.counts[ref] = info.Ports[k].NumVFs
			if port.VFs != nil {
				r.counts[ref] = *port.VFs
			}
		}
	}
}

func cardList(cards []CardInfo) string {
	if len(cards) == 0 {
		return "no card that nicwright knows (is its driver loaded?)"
	}
	var out []string
	for _, c := range cards {
		out = append(out, c.String())
	}
	return strings.Join(out, "; ")
}

// matches tells whether all that the selector gives holds for a card.
func (s Select) matches(c CardInfo) bool {
	if s.PCI != "" {
		a, err := pci.ParseAddress(s.PCI)
		if err != nil || !slices.ContainsFunc(c.Ports, func(p PortInfo) bool { return p.Address == a }) {
			return false
		}
	}
	vendor, device, _ := strings.Cut(s.Vendor, ":")
	same := func(want, have string) bool { return want == "" || strings.EqualFold(want, have) }
	return same(vendor, c.VendorID) && same(device, c.DeviceID) && same(s.Device, c.DeviceID) &&
		same(s.Model, c.Model) && (s.Serial == "" || s.Serial == c.Serial)
}

// String is the selector as an error names it.
func (s Select) String() string {
	var out []string
	for _, f := range []struct{ key, value string }{
		{"pci", s.PCI}, {"vendor", s.Vendor}, {"device", s.Device}, {"model", s.Model}, {"serial", s.Serial},
	} {
		if f.value != "" {
			out = append(out, f.key+" "+f.value)
		}
	}
	return strings.Join(out, " and ")
}

// wholeCard refuses a LAG over some of a card's ports: a profile need not name them all.
func (r *resolver) wholeCard(i int, b bond.Spec, cards []CardInfo) {
	for _, c := range cards {
		in := func(p PortInfo) bool { return slices.Contains(b.Members, string(p.Address)) }
		if !slices.ContainsFunc(c.Ports, in) {
			continue
		}
		for _, p := range c.Ports {
			if !in(p) {
				r.fail(r.p.At("bonds", i, "lag"), "a VF LAG is over exactly the ports of one card", "lag over %s, which has not got port %s of the card %s", b.Name, p.Address, c)
			}
		}
	}
}

func (r *resolver) resolveOVS(w *Want) {
	if r.p.OVS == nil {
		return
	}
	out := &ovs.Spec{HWOffload: r.p.OVS.HWOffload}
	for i, b := range r.p.OVS.Bridges {
		bridge := b.Bridge
		bridge.Ports = nil
		if bridge.Up == nil && !b.AddressSpec.IsZero() {
			bridge.Up = new(true)
		}
		say(w, resource.OfLink(b.Name), b.AddressSpec)
		for j, port := range b.Ports {
			switch {
			case port.Uplink != "":
				ref, _ := parsePortRef(port.Uplink) // NW006
				address := r.ports[ref].Address
				port.Uplink = pci.PF(address).String()
				// What may be taken out of where, its own entry says as well.
				if port.TakeFrom == nil {
					port.TakeFrom = w.Ports[address].TakeFrom
				}
				bridge.Ports = append(bridge.Ports, port)
			case port.VF != "":
				r.eachVF(port.Name, port.VF, r.p.At("ovs", "bridges", i, "ports", j, "vf"), func(name, vf string) {
					port.Name, port.VF = name, vf
					bridge.Ports = append(bridge.Ports, port)
				})
			default:
				if port.TakeFrom == nil {
					port.TakeFrom = w.takenFrom(port.Bond)
				}
				bridge.Ports = append(bridge.Ports, port)
			}
		}
		out.Bridges = append(out.Bridges, bridge)
	}
	w.OVS = out
}

// eachVF goes over the VFs of a range: the names and the VFs of a port each.
func (r *resolver) eachVF(name, vfs string, at Position, do func(name, vf string)) {
	ref, err := parseVFRef(vfs)
	if err == nil {
		err = inRange(ref, r.counts[ref.portRef])
	}
	if err != nil {
		r.fail(at, "set vfs of the port, or make the VFs", "port %s: %v", name, err)
		return
	}
	for n := ref.first; n <= ref.last; n++ {
		one := name
		if ref.first != ref.last {
			one = fmt.Sprintf("%s-vf%d", name, n)
		}
		do(one, pci.VF(r.ports[ref.portRef].Address, n).String())
	}
}
