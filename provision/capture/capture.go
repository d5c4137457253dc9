// SPDX-License-Identifier: Apache-2.0

// Package capture writes the profile of a host as it is: what its cards of mlx5, their bonds and
// their switch are like, without what is so from the start, in the words of a profile. On that host
// it plans to nothing. What no profile can say is told, with the reason.
package capture

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
)

// Document is a profile as it is written: the keys are those of profiles.Profile.
type Document struct {
	Version     int               `json:"version"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Cards       []profiles.Card   `json:"cards"`
	Bonds       []profiles.Bond   `json:"bonds,omitempty"`
	VLANs       []profiles.VLAN   `json:"vlans,omitempty"`
	Bridges     []profiles.Bridge `json:"bridges,omitempty"`
	OVS         *profiles.Switch  `json:"ovs,omitempty"`

	// Left is what was left out.
	Left []Left `json:"-"`
}

// Left is something that was left out of a profile, and why.
type Left struct {
	What string // as people name it: "bond0", "VF 3 of nic0/p0"
	Why  string // completes the sentence: "it has ..."
}

// driver is that of the cards which are captured.
const driver = "mlx5_core"

// Of captures the cards of a host that mlx5_core drives; of those whose PCI addresses (of any of their
// ports) are given, or of all. An error says that there is none of them.
// What managed has looked after is left to them; ours tells what an operation that is in force has set (Road.Set).
func Of(h provision.Host, managed Managed, ours func(id resource.ID, attribute string) bool, name string, cards ...pci.Address) (Document, error) {
	d := Document{Version: profiles.Version, Name: name, Description: "a host as it was captured"}
	c := capturer{doc: &d, host: h, ours: ours, refs: map[pci.Address]string{}, bonded: map[pci.Address]bool{}, leased: map[pci.Function]bool{}, managed: managed, has: map[netip.Addr]string{}}
	for _, b := range h.Bonds.Bonds {
		for _, m := range b.Members {
			c.bonded[pci.Address(m.ID)] = true
		}
	}
	for _, a := range cards {
		if h.Port(a) == nil {
			return Document{}, fmt.Errorf("capturing the card at %s: no card on this host has such a port: nicwright show lists those it has", a)
		}
	}
	for _, card := range h.Cards {
		asked := slices.ContainsFunc(card.Ports, func(p eswitch.Port) bool { return slices.Contains(cards, p.Address) })
		switch {
		case len(cards) > 0 && !asked:
		case card.Driver != driver && !asked:
			c.left(cardName(card), "its driver is %s, and cards of %s are captured; name its address to capture it too", cmp.Or(card.Driver, "none"), driver)
		default:
			c.card(card)
		}
	}
	if len(d.Cards) == 0 {
		return Document{}, fmt.Errorf("capturing this host: it has no card with the driver %s; nicwright show lists those it has", driver)
	}
	c.bonds()
	c.vlans()
	c.bridges()
	c.ovs()
	return d, nil
}

// Owner is the profile that made what is there, by the marks of bonds and bridges; "" if none did, or several.
func Owner(h provision.Host) string {
	owners := map[string]bool{}
	for _, b := range h.Bonds.Bonds {
		owners[b.Owner] = true
	}
	for _, b := range h.Bridges.Bridges {
		owners[b.Owner] = true
	}
	for _, v := range h.VLANs.VLANs {
		owners[v.Owner] = true
	}
	if h.Switch != nil {
		for _, b := range h.Switch.Bridges {
			owners[b.Owner] = true
		}
	}
	delete(owners, "")
	delete(owners, step.NoOwner)
	for name := range owners {
		if len(owners) == 1 {
			return name
		}
	}
	return ""
}

func cardName(c eswitch.Card) string {
	return strings.TrimSpace(c.Model + " " + string(c.Ports[0].Address))
}

// capturer fills the document.
type capturer struct {
	doc    *Document
	host   provision.Host
	ours   func(id resource.ID, attribute string) bool
	refs   map[pci.Address]string // CARD/PORT of what is captured
	bonded map[pci.Address]bool   // ports that are in a bond
	leased map[pci.Function]bool  // VFs whose lease says how they are
	in     []string               // bonds that are captured

	managed Managed
	has     map[netip.Addr]string // which netdev an address was captured of
}

// Check holds a document against the host of a road, as apply would: what of a plan is left to do, in
// words. An error says which rule the document breaks, or why it is refused.
func Check(r *provision.Road, facts profiles.Facts, text []byte) (steps []string, err error) {
	p, err := profiles.Parse("captured", text)
	if err != nil {
		return nil, err
	}
	if err := p.CheckHost(facts); err != nil {
		return nil, err
	}
	want, err := profiles.Resolve(p, facts.Cards)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, op := range journal.InForce(r.Operations(), "") {
		if op.Profile.Name != p.Name {
			others = append(others, op.Profile.Name)
		}
	}
	plan, err := r.Apply(want, journal.Profile{Name: p.Name}, provision.Allowed{Replace: others})
	if err != nil {
		return nil, err
	}
	for _, s := range plan.Steps {
		if s.Attribute != step.AttrMark { // another name takes over what is there
			steps = append(steps, s.String())
		}
	}
	return steps, nil
}

func (c *capturer) left(what, format string, args ...any) {
	c.doc.Left = append(c.doc.Left, Left{what, fmt.Sprintf(format, args...)})
}

// card captures a card and its ports.
func (c *capturer) card(card eswitch.Card) {
	is := profiles.Card{Name: fmt.Sprintf("nic%d", len(c.doc.Cards)), Select: profiles.Select{Serial: card.Serial}}
	if card.Serial == "" {
		is.Select.PCI = string(card.Ports[0].Address)
	}
	numbers := map[int]bool{}
	for _, p := range card.Ports {
		ref := fmt.Sprintf("%s/p%d", is.Name, p.Number)
		switch {
		case p.Err != "":
			c.left(ref, "it could not be read: %s", p.Err)
		case numbers[p.Number]:
			c.left(string(p.Address), "another port of the card has the number %d too", p.Number)
		default:
			numbers[p.Number] = true
			c.refs[p.Address] = ref
			is.Ports = append(is.Ports, c.port(p, ref))
		}
	}
	c.doc.Cards = append(c.doc.Cards, is)
}

// bonds captures the bonds over ports that are captured and nothing else.
func (c *capturer) bonds() {
	for _, b := range c.host.Bonds.Bonds {
		var members, others []string
		for _, m := range b.Members {
			if ref, ok := c.refs[pci.Address(m.ID)]; ok {
				members = append(members, ref)
			} else {
				others = append(others, m.Netdev)
			}
		}
		switch {
		case len(members) == 0:
			c.left("bond "+b.Name, "it has no port of the cards here")
			continue
		case len(others) > 0:
			c.left("bond "+b.Name, "%s in it is no port of the cards here, and a profile has all members of a bond or none", strings.Join(others, ", "))
			continue
		case b.ARPInterval != 0:
			c.left("bond "+b.Name, "arp_interval is %d, which no profile can say, nor miimon beside it", b.ARPInterval)
			continue
		}
		spec := b.Captured()
		spec.Members = members
		if spec.Primary != nil {
			ref := c.refs[pci.Address(*spec.Primary)]
			spec.Primary = &ref
		}
		c.in = append(c.in, b.Name)
		c.doc.Bonds = append(c.doc.Bonds, profiles.Bond{Spec: spec, AddressSpec: c.addresses(resource.OfBond(b.Name), b.Name)})
	}
}
