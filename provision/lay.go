// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
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
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// clone copies a want as far as planning changes it: the maps and lists, not what
// their entries point at, for that is replaced and never written to.
func clone(w *profiles.Want) *profiles.Want {
	c := *w
	c.Ports, c.Offload, c.Bonds, c.Bridges = maps.Clone(w.Ports), maps.Clone(w.Offload), slices.Clone(w.Bonds), slices.Clone(w.Bridges)
	c.VLANs, c.Flows, c.Tuning = slices.Clone(w.VLANs), slices.Clone(w.Flows), maps.Clone(w.Tuning)
	return &c
}

// follow lets members follow their bond: that has the MTU that is wanted of them
// and sets it and up of them, so that the ports' wants say nothing of either. The
// addresses of an uplink go to the bond or bridge where the profile says so; whose port
// of a bridge a netdev is, is either the bridge domain's or hostnet's.
func follow(have Host, before, w *profiles.Want, opt step.Options) {
	ports := map[pci.Address]bond.Wanted{}
	for a, spec := range w.Ports {
		ports[a] = bond.Wanted{MTU: spec.MTU}
	}
	for i, b := range w.Bonds {
		w.Bonds[i] = b.Follow(have.Bonds, ports)
		for _, m := range membersOf(have, b) {
			if spec, ok := w.Ports[pci.Address(m)]; ok {
				spec.MTU, spec.Up, spec.Follows = nil, nil, true
				w.Ports[pci.Address(m)] = spec
			}
		}
	}
	w.Net.Move = moves(w)
	w.Net.Down, w.Net.Late, w.Net.MTUs = downs(w), late(have, w), mtus(w)
	w.Net.Bridged = map[resource.ID]hostnet.Place{}
	for _, b := range have.Bridges.Bridges {
		for _, p := range b.Ports {
			if opt.Undoes(resource.OfBridgePort(b.Name, p.Netdev)) {
				w.Net.Bridged[p.Netdev] = hostnet.Place{NotIn: resource.OfLink(b.Name)}
			}
		}
	}
	for _, b := range before.Bridges { // also what an interrupted operation lost on its road
		for id := range bridge.Ports([]bridge.Spec{b}) {
			if opt.Undoes(resource.OfBridgePort(b.Name, id)) {
				w.Net.Bridged[id] = hostnet.Place{NotIn: resource.OfLink(b.Name)}
			}
		}
	}
	for id := range bridge.Ports(w.Bridges) {
		w.Net.Bridged[id] = hostnet.Place{Elsewhere: true}
	}
}

// downs are the netdevs that are to be down.
func downs(w *profiles.Want) map[resource.ID]bool {
	down := map[resource.ID]bool{}
	put := func(id resource.ID, up *bool) {
		if up != nil && !*up {
			down[id] = true
		}
	}
	for pf, p := range w.Ports {
		put(resource.OfNetdev(pci.PF(pf)), p.Up)
	}
	for _, b := range w.Bonds {
		put(resource.OfBond(b.Name), b.Up)
	}
	for _, b := range w.Bridges {
		put(resource.OfLink(b.Name), b.Up)
	}
	for _, v := range w.VLANs {
		put(resource.OfLink(v.Name), v.Up)
	}
	if w.OVS != nil {
		for _, b := range w.OVS.Bridges {
			put(resource.OfLink(b.Name), b.Up)
		}
	}
	return down
}

// mtus are those that ports, bonds and bridges are to have.
func mtus(w *profiles.Want) map[resource.ID]int {
	all := map[resource.ID]int{}
	put := func(id resource.ID, mtu *int) {
		if mtu != nil {
			all[id] = *mtu
		}
	}
	for pf, p := range w.Ports {
		put(resource.OfNetdev(pci.PF(pf)), p.MTU)
	}
	for _, b := range w.Bonds {
		put(resource.OfBond(b.Name), b.MTU)
	}
	for _, b := range w.Bridges {
		put(resource.OfLink(b.Name), b.MTU)
	}
	return all
}

// late are the own netdevs of the switch's bridges.
func late(have Host, w *profiles.Want) map[resource.ID]bool {
	all := map[resource.ID]bool{}
	if have.Switch != nil {
		for _, b := range have.Switch.Bridges {
			all[resource.OfLink(b.Name)] = true
		}
	}
	if w.OVS != nil {
		for _, b := range w.OVS.Bridges {
			all[resource.OfLink(b.Name)] = true
		}
	}
	return all
}

// membersOf are those that a bond will have.
func membersOf(have Host, b bond.Spec) []string {
	if b.Members == nil { // left as they are
		return have.Bonds.Members(b.Name)
	}
	return b.Members
}

// moves says of uplinks, and of ports of bridges, where their addresses go.
func moves(w *profiles.Want) map[resource.ID]resource.ID {
	out := map[resource.ID]resource.ID{}
	for _, b := range w.Bonds {
		if b.TakeAddresses == nil || !*b.TakeAddresses {
			continue
		}
		for _, m := range b.Members {
			if a, err := pci.ParseAddress(m); err == nil {
				out[resource.OfNetdev(pci.PF(a))] = resource.OfBond(b.Name)
			}
		}
	}
	for _, b := range w.Bridges {
		for _, p := range b.Ports {
			if p.TakeAddresses == nil || !*p.TakeAddresses {
				continue
			}
			if id, err := p.Netdev(); err == nil {
				out[id] = resource.OfLink(b.Name)
			}
		}
	}
	return out
}

// lay lays what was before an operation upon base: what that operation touched is
// there as over says, and what it made is not there.
func lay(over, base *profiles.Want, t journal.Touched) {
	w := clone(over)
	base.Net = base.Net.Without(t)
	for _, d := range domains() {
		d.lay(w, base, nil)
	}
	for a, spec := range w.Ports {
		if base.Ports == nil {
			base.Ports = map[pci.Address]eswitch.PortSpec{}
		}
		base.Ports[a] = spec
	}
	// What over asks for, and not what Fill adds to bring back what is lost on the road.
	// Of what the operation touched, that alone: an uplink in legacy mode has switches that it did not have before.
	untouched := crypto.Keep(base.Offload, func(id resource.ID, attribute string) bool { return !t.Has(id, attribute) })
	base.Offload = crypto.Lay(over.Offload, untouched)
	base.Tuning = tuning.Over(over.Tuning, base.Tuning) // of what over does not name, nobody had told the driver anything
	for i, b := range base.Bonds {
		if t.Resource(resource.OfBond(b.Name)) { // the card's LAG of now may be the operation's doing, as by a member more
			base.Bonds[i].LAG = nil
		}
	}
	base.Bonds = bond.Lay(w.Bonds, base.Bonds, func(name string) bool { return t.Has(resource.OfBond(name), bond.Present) })
	base.Bridges = bridge.Lay(w.Bridges, base.Bridges, t.Has)
	base.VLANs = vlan.Lay(w.VLANs, base.VLANs, t.Has)
	base.OVS = ovs.Lay(w.OVS, base.OVS, t.Has)
	base.Flows = flows.Lay(w.Flows, base.Flows, t.Has)
	base.Net = base.Net.Lay(w.Net)
}

// layDocument is lay of a document of the journal.
func layDocument(base *profiles.Want, over json.RawMessage, t journal.Touched) error {
	w, err := wantOf(over)
	if err != nil {
		return err
	}
	lay(w, base, t)
	return nil
}

// touches is what steps change, and what they affect.
func touches(steps []step.Step) journal.Touched {
	t := journal.Touched{}
	for _, s := range steps {
		t.Add(s.Resource, s.Attribute)
		if column, _, key := strings.Cut(s.Attribute, " "); key && s.Resource.Kind == resource.SwitchPort {
			t.Add(s.Resource, column) // a key that was not there is no key of what was before
		}
		if s.Resource.Kind == resource.Bond && s.Attribute == bond.AttrMode {
			t.Add(s.Resource, journal.All) // options that the other mode does not have are lost
		}
		for _, e := range s.Effects {
			switch e.Kind {
			case step.Stops, step.LetGo, step.Bounces:
			default:
				t.Add(e.On, journal.All)
				if e.On.Kind == resource.Netdev && !e.On.IsSF {
					// A member has both from its bond, and keeps them when it leaves.
					t.Add(resource.OfFunction(e.On.Function), eswitch.AttrMTU, eswitch.AttrUp)
				}
			}
		}
	}
	return t
}

// made tells whether an operation touched that something is there, and not only
// what it is: the rest was there before it, and is not deleted by taking it back.
func made(t journal.Touched, id resource.ID) bool {
	switch id.Kind {
	case resource.Bond:
		return t.Has(id, bond.Present)
	case resource.Link: // a bridge of the kernel or a VLAN, by name: what a step only affects, as somebody's VLAN that is made again with its bond, was there before
		return slices.Contains(t[id], bridge.Present) || slices.Contains(t[id], vlan.Present)
	case resource.BridgePort:
		return t != nil && t.Has(id, bridge.AttrPort)
	case resource.Bridge:
		return t.Has(id, ovs.AttrBridge)
	case resource.SwitchPort:
		return t.Has(id, ovs.AttrPort)
	}
	return t.Resource(id)
}

// dropVanished takes out of a rollback's want what its operation only changed and
// somebody has removed since: it is not ours to make again.
func (r *Road) dropVanished(w *profiles.Want, t journal.Touched) (left []step.Left) {
	gone := func(id resource.ID) {
		left = append(left, step.Left{Resource: id, Reason: "it has been removed since by somebody else, and is not made again"})
	}
	w.Bonds = slices.DeleteFunc(w.Bonds, func(b bond.Spec) bool {
		id := resource.OfBond(b.Name)
		vanished := !r.Have.Bonds.Has(b.Name) && !t.Has(id, bond.Present)
		if vanished {
			gone(id)
		}
		return vanished
	})
	for _, a := range slices.Sorted(maps.Keys(w.Ports)) {
		if r.Have.Port(a) == nil {
			delete(w.Ports, a)
			gone(resource.OfFunction(pci.PF(a)))
		}
	}
	return left
}

func wantOf(b json.RawMessage) (*profiles.Want, error) {
	w := new(profiles.Want)
	if len(b) == 0 {
		return w, nil
	}
	if err := json.Unmarshal(b, w); err != nil {
		return nil, fmt.Errorf("not a want of this nicwright: %w", err)
	}
	return w, nil
}

func document(w *profiles.Want) (json.RawMessage, error) {
	b, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encoding what is wanted: %w", err)
	}
	return b, nil
}

// HashOf tells wants apart: sha256, hexadecimal.
func HashOf(w *profiles.Want) string {
	b, err := json.Marshal(w)
	if err != nil {
		return "" // document says so when it is written
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// BootID tells boots apart (Documentation/admin-guide/sysctl/kernel.rst, random).
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading which boot this is: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
