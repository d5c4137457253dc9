// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/journal"
)

// Way is one by which the operator reaches this host.
type Way struct {
	Whose  string      // in words: "the ssh session from 192.0.2.7", "the default route default via 192.0.2.1"
	Netdev resource.ID // that it leads through
}

// Cut is a way that a step cuts off.
type Cut struct {
	Way
	On     resource.ID // what the step does it to: the way's netdev, or one below it
	Step   step.Step
	Effect step.Effect
}

// CutOffError refuses a plan that may cut the operator off.
type CutOffError struct {
	Kind journal.Kind // of the operation
	Cuts []Cut
}

func (e *CutOffError) Error() string {
	var b strings.Builder
	b.WriteString("this may cut you off from this host; nothing was changed")
	for _, c := range e.Cuts {
		fmt.Fprintf(&b, "\n  %s goes through %s", c.Whose, c.Netdev)
		if c.On != c.Netdev {
			fmt.Fprintf(&b, ", over %s", c.On)
		}
		fmt.Fprintf(&b, ": %s (step %s)", c.Effect.Words(), c.Step)
	}
	if e.Kind == journal.Apply {
		b.WriteString("\nApply with --confirm 2m, so that it goes back unless you confirm it, or say --yes-cut-me-off")
	} else {
		b.WriteString("\nSay --yes-cut-me-off if you have another way to this host")
	}
	return b.String()
}

// Cuts are the ways that the plan's steps cut off on the host, each once, by the
// first step that does.
func (p *Plan) Cuts(h *Host, ways []Way) []Cut {
	var cuts []Cut
	for _, w := range ways {
		below := carriers(h, w.Netdev)
		if c, ok := firstCut(p.Steps, below); ok {
			c.Way = w
			cuts = append(cuts, c)
		}
	}
	return cuts
}

// cutting are the effects after which a netdev does not carry what it carried, were
// it for a moment.
var cutting = []step.EffectKind{step.Down, step.Gone, step.Remade, step.Joins, step.Leaves, step.Reset, step.Stops}

func firstCut(steps []step.Step, below []resource.ID) (Cut, bool) {
	for _, s := range steps {
		for _, id := range below {
			for _, e := range s.Effects {
				if (step.Effects{e}).On(id, cutting...) {
					return Cut{On: id, Step: s, Effect: e}, true
				}
			}
		}
	}
	return Cut{}, false
}

// carriers are a netdev and those that its traffic goes over: what it is on, its ports
// or members, those of its bridge of Open vSwitch; of a VF its function and its
// representor. Of a PF what stops is said of its netdev, where it is not its VFs' alone.
func carriers(h *Host, from resource.ID) []resource.ID {
	var all []resource.ID
	seen := map[resource.ID]bool{}
	var walk func(resource.ID)
	walk = func(id resource.ID) {
		if id.IsZero() || seen[id] {
			return
		}
		seen[id] = true
		all = append(all, id)
		if id.Kind == resource.Netdev && !id.IsSF && id.Function.IsVF() {
			walk(resource.OfFunction(id.Function))
			walk(resource.OfRepresentor(id.Function))
		}
		n, there := h.Net.Netdevs[id]
		if !there {
			return
		}
		walk(n.Lower)
		for _, port := range portsOf(h.Net, id) {
			walk(port)
		}
		if n.Kind != "openvswitch" || h.Switch == nil {
			return
		}
		for _, b := range h.Switch.Bridges {
			if b.Name != n.Name && !slices.ContainsFunc(b.Ports, func(p ovs.PortState) bool { return p.Name == n.Name }) {
				continue
			}
			walk(resource.OfBridge(b.Name))
			for _, p := range b.Ports {
				walk(ovs.NetdevOf(p.ID))
				for _, bonded := range p.Bonded {
					walk(ovs.NetdevOf(bonded))
				}
			}
		}
	}
	walk(from)
	return all
}

// portsOf are the netdevs below a master, in a fixed order. The routes of a VRF's
// ports are not its own, but what comes by it goes through them.
func portsOf(s hostnet.State, master resource.ID) []resource.ID {
	var all []resource.ID
	for id, n := range s.Netdevs {
		if n.Master == master {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, resource.Compare)
	return all
}

// Ways are those by which this host is reached: the default routes of both families
// and, if a session's peer is given, the route to that.
func (r *Road) Ways(peer netip.Addr) ([]Way, error) {
	var ways []Way
	if peer.IsValid() {
		w, err := wayTo(r.Have.Net, peer)
		if err != nil {
			return nil, err
		}
		ways = append(ways, w...)
	}
	return append(ways, defaultWays(r.Have.Net)...), nil
}

// wayTo asks the kernel by which netdev it answers a peer.
func wayTo(s hostnet.State, peer netip.Addr) ([]Way, error) {
	routes, err := netlink.RouteGet(peer.WithZone("").AsSlice())
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return nil, nil // no way that could be cut off: the session is one of another network namespace
	}
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for the route to %s, the peer of this ssh session: %w", peer, err)
	}
	var ways []Way
	for _, route := range routes {
		l, err := netlink.LinkByIndex(route.LinkIndex)
		if err != nil {
			return nil, fmt.Errorf("asking the kernel for the netdev of the route to %s: %w", peer, err)
		}
		ways = append(ways, Way{"the ssh session from " + peer.String(), called(s, l.Attrs().Name)})
	}
	return ways, nil
}

// called is the netdev of a name: a present one, not one that is meant.
func called(s hostnet.State, name string) resource.ID {
	for id, n := range s.Netdevs {
		if n.Name == name {
			return id
		}
	}
	return resource.OfLink(name)
}

// defaultWays are the default routes of the main table, of all their netdevs.
func defaultWays(s hostnet.State) []Way {
	var ways []Way
	seen := map[Way]bool{}
	for _, id := range slices.SortedFunc(maps.Keys(s.Netdevs), resource.Compare) {
		for _, i := range s.Netdevs[id].Items {
			if !isDefault(i.Entry) {
				continue
			}
			through := []resource.ID{id}
			for _, index := range i.Indexes() { // of several ways, all
				through = append(through, i.Devices[index])
			}
			for _, netdev := range through {
				w := Way{"the default route (" + i.Text + ")", netdev}
				if !netdev.IsZero() && !seen[w] {
					seen[w] = true
					ways = append(ways, w)
				}
			}
		}
	}
	return ways
}

// isDefault tells a route to everywhere in the main table: struct rtmsg has the
// length of the destination in its second byte and the table in its fifth.
func isDefault(e rtnet.Entry) bool {
	return e.Kind == rtnet.Route && len(e.Body) >= unix.SizeofRtMsg && e.Body[1] == 0 && e.Body[4] == unix.RT_TABLE_MAIN
}
