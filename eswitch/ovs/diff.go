// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/step"
)

// Attributes of the steps.
const (
	attrBridge  = "bridge" // its being there
	attrMark    = "mark"   // of a bridge: whose it is
	attrPort    = "port"   // its being there, and its VLANs: "access 100", "trunk 100,200", "trunk"
	attrOffload = keyOffload
)

const (
	domain         = "ovs"
	group          = "ovs" // all steps of the switch are one transaction
	resourceRoot   = "ovs"
	resourcePrefix = "ovs/"
	present        = "present"
)

// Diff lists the steps from have to want, nil being no wish at all. Ports and
// bridges that carry nicwright's mark and are not in want are deleted; what
// somebody else made is never deleted, and only touched where want names it.
func Diff(have *State, want *Spec, replaced step.Replaced) ([]step.Step, error) {
	if want == nil {
		return nil, nil
	}
	if have == nil || !have.Running {
		return nil, needsOVS(have, want)
	}
	d := differ{have: have, replaced: replaced, wanted: map[string]bool{}, named: map[string]bool{}}
	d.offload(want.HWOffload)
	for _, b := range want.Bridges {
		if d.named[b.Name] {
			return nil, fmt.Errorf("OVS bridge %s is wanted twice: give each bridge a name of its own", b.Name)
		}
		d.named[b.Name] = true
		for _, p := range b.Ports {
			id, err := p.id()
			if err != nil {
				return nil, err
			}
			if d.wanted[id] {
				return nil, fmt.Errorf("OVS port %s on %s: %s is wanted as a port twice", p.Name, b.Name, id)
			}
			d.wanted[id] = true
		}
	}
	d.removals()
	for _, b := range want.Bridges {
		if err := d.bridge(b); err != nil {
			return nil, err
		}
	}
	return d.steps, nil
}

// needsOVS is the error of a wish that cannot be had without OVS.
func needsOVS(have *State, want *Spec) error {
	if want.HWOffload == nil && len(want.Bridges) == 0 {
		return nil
	}
	if have == nil || have.Reason == "" {
		return fmt.Errorf("the profile wants a switch: %w (%s)", errNotRunning, startHint)
	}
	return errors.New("the profile wants a switch: " + have.Reason)
}

type differ struct {
	have     *State
	replaced step.Replaced
	wanted   map[string]bool // IDs of ports
	named    map[string]bool // bridges
	steps    []step.Step
}

func (d *differ) add(resource, attribute, from, to string) *step.Step {
	d.steps = append(d.steps, step.Step{
		Phase: step.Switch, Domain: domain, Device: domain, Group: group,
		Resource: resource, Attribute: attribute, From: from, To: to,
	})
	return &d.steps[len(d.steps)-1]
}

func (d *differ) offload(want *bool) {
	if want == nil || *want == d.have.HWOffload {
		return
	}
	s := d.add(resourceRoot, attrOffload, strconv.FormatBool(d.have.HWOffload), strconv.FormatBool(*want))
	if !*want {
		s.Reason = "the running ovs-vswitchd goes on offloading until it is restarted: systemctl restart openvswitch-switch"
	}
}

// removals are first: a port may go on to another bridge.
func (d *differ) removals() {
	for _, b := range d.have.Bridges {
		if b.Ours && !d.named[b.Name] {
			var foreign []string
			for _, p := range b.Ports {
				if !p.Ours {
					foreign = append(foreign, p.Name)
				}
			}
			if len(foreign) == 0 {
				s := d.add(resourcePrefix+b.Name, attrBridge, present, "")
				s.Disrupts = "all traffic over " + b.Name
				s.Reason = "it was made by nicwright and is not wanted any more"
				continue
			}
			d.add(resourcePrefix+b.Name, attrMark, keyMark, "").Reason =
				"it is not wanted any more, but ports that nicwright did not make are on it: " + strings.Join(foreign, ", ")
		}
		for _, p := range b.Ports {
			if p.Ours && !d.wanted[p.ID] {
				s := d.add(portResource(b.Name, p.ID), attrPort, p.vlan(), "")
				s.Disrupts = "traffic of " + p.ID
				s.Reason = "it was made by nicwright and is not wanted any more"
			}
		}
	}
}

func portResource(bridge, id string) string { return resourcePrefix + bridge + "/" + id }

func (d *differ) bridge(w Bridge) error {
	if !slices.ContainsFunc(d.have.Bridges, func(b BridgeState) bool { return b.Name == w.Name }) {
		d.add(resourcePrefix+w.Name, attrBridge, "", present)
	}
	for _, p := range w.Ports {
		if err := d.port(w.Name, p); err != nil {
			return err
		}
	}
	return nil
}

// find gives the port that stands for id, and the bridge it is on.
func (d *differ) find(id string) (bridge BridgeState, port PortState, ok bool) {
	for _, b := range d.have.Bridges {
		for _, p := range b.Ports {
			if p.ID == id {
				return b, p, true
			}
		}
	}
	return BridgeState{}, PortState{}, false
}

func (d *differ) port(bridge string, w Port) error {
	if w.Tag != nil && w.Trunks != nil {
		return fmt.Errorf("OVS port %s on %s: tag and trunks exclude each other: an access port has a tag, a trunk has trunks", w.Name, bridge)
	}
	id, err := w.id()
	if err != nil {
		return err
	}
	to := w.vlan()
	on, p, ok := d.find(id)
	if !ok {
		if to == "" {
			to = modeTrunk // what OVS does with a port of which nothing is said
		}
		d.add(portResource(bridge, id), attrPort, "", to)
		return nil
	}
	was := p.vlan()
	if to == "" {
		to = was
	}
	if on.Name != bridge {
		if !p.Ours {
			return fmt.Errorf("OVS port %s on %s: %s is on bridge %s, where nicwright did not put it: ovs-vsctl del-port %s %s, or name that bridge in the profile",
				w.Name, bridge, id, on.Name, on.Name, p.Name)
		}
		d.add(portResource(on.Name, id), attrPort, was, "").Reason = "it moves to bridge " + bridge
		s := d.add(portResource(bridge, id), attrPort, "", to)
		s.Disrupts, s.Reason = "traffic of "+id, "it moves here from bridge "+on.Name
		return nil
	}
	reason := ""
	switch {
	case d.replaced[id]:
		reason = "its netdev is made again"
	case p.Netdev == "":
		reason = "its netdev was not there"
	case p.Netdev != p.Interface:
		reason = "its netdev is called " + p.Netdev + " now, and the port is on " + p.Interface
	case p.OFPort <= 0:
		reason = "ovs-vswitchd has not attached it"
		if p.Error != "" {
			reason += ": " + p.Error
		}
	case to == was:
		return nil
	}
	if reason != "" {
		was = ""
	}
	d.add(portResource(bridge, id), attrPort, was, to).Reason = reason
	return nil
}
