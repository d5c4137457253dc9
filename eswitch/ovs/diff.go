// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Attributes of the steps.
const (
	AttrBridge  = "bridge"        // its being there: "owner NAME"
	AttrPort    = "port"          // its being there, with all that it is (value)
	attrVLAN    = "vlan"          // of a port that is there
	attrOnPort  = "attached"      // of a port that is to stay: off while the eswitch changes, and on again
	attrHook    = "ingress-qdisc" // of the members of a bond that is a port
	attrMaster  = "master"        // of a netdev that becomes a port: what it is taken out of
	attrOffload = keyOffload
)

const (
	group       = "ovs"        // all steps of the switch in its phase are one transaction,
	groupDetach = "ovs detach" // and so are those that take ports off before
)

// Diff lists the steps from have to want, nil being no wish at all. Whatever is
// wanted, ports are taken off the switch while the effects of earlier steps need
// it to have let go of their netdevs, and put back as they were. What carries a
// mark that is opt's own and is not in want is deleted; what somebody else made is
// never deleted, and only touched where want names it.
func Diff(have *State, want *Spec, effects step.Effects, opt step.Options) (step.Result, error) {
	d := newDiffer(have, want, effects, opt)
	switch {
	case have == nil || !have.Running:
		return step.Result{}, d.needsOVS()
	case want != nil:
		if err := d.read(); err != nil {
			return step.Result{}, err
		}
		d.offload()
		d.bridgeRemovals()
	}
	for _, b := range have.Bridges {
		for _, p := range b.Ports {
			if err := d.port(b, p); err != nil {
				return step.Result{}, err
			}
		}
		for _, a := range b.Away {
			if err := d.awayPort(b, a); err != nil {
				return step.Result{}, err
			}
		}
	}
	if want != nil {
		for _, b := range want.Bridges {
			if err := d.wantedBridge(b); err != nil {
				return step.Result{}, err
			}
		}
	}
	if len(d.Steps) > 0 && have.Stopped != "" {
		return step.Result{}, fmt.Errorf("the plan has %d changes of the switch, and nothing comes of them: %s", len(d.Steps), have.Stopped)
	}
	// Stable: what is taken off, then what is put on, each in the order of the database or the profile.
	slices.SortStableFunc(d.Steps, func(a, b step.Step) int { return order(a) - order(b) })
	return d.Result, nil
}

func order(s step.Step) int {
	switch {
	case s.Phase == step.Quiesce:
		return 0
	case s.Attribute == attrOffload:
		return 1
	case s.Action == step.Remove && s.Attribute != attrMaster && !isSetting(s.Attribute):
		return 2
	case s.Attribute == AttrBridge:
		return 3
	}
	return 4
}

// place is where a port is wanted.
type place struct {
	bridge string
	port   Port
}

type differ struct {
	step.Result
	have   *State
	want   *Spec
	opt    step.Options
	wanted map[string]place       // by ID
	named  map[string]Bridge      // bridges wanted
	is     map[string]BridgeState // bridges there
	goes   map[string]bool        // bridges that are deleted
	done   map[string]bool        // IDs of wanted ports of which port or awayPort has said all
	effects
}

func newDiffer(have *State, want *Spec, all step.Effects, opt step.Options) *differ {
	d := &differ{
		have: have, want: want, opt: opt, wanted: map[string]place{}, named: map[string]Bridge{}, is: map[string]BridgeState{},
		goes: map[string]bool{}, done: map[string]bool{}, effects: index(all),
	}
	if have != nil {
		for _, b := range have.Bridges {
			d.is[b.Name] = b
		}
	}
	return d
}

// read looks at what is wanted by itself.
func (d *differ) read() error {
	for _, b := range d.want.Bridges {
		if _, twice := d.named[b.Name]; twice {
			return fmt.Errorf("OVS bridge %s is wanted twice: give each bridge a name of its own", b.Name)
		}
		d.named[b.Name] = b
		for _, p := range b.Ports {
			id, err := p.id()
			if err != nil {
				return err
			}
			if _, twice := d.wanted[id]; twice {
				return fmt.Errorf("OVS port %s on %s: %s is wanted as a port twice", p.Name, b.Name, id)
			}
			if err := p.Check(); err != nil && !p.Exact {
				return fmt.Errorf("OVS port %s on %s: %w", p.Name, b.Name, err)
			}
			if err := d.checkSettings(b.Name, p); err != nil && !p.Exact {
				return err
			}
			d.wanted[id] = place{b.Name, p}
		}
	}
	return nil
}

// needsOVS is the error of a wish that cannot be had without OVS, or of a change
// below it that nobody can say is safe.
func (d *differ) needsOVS() error {
	reason := fmt.Sprintf("%v (%s)", ovsdb.ErrNotRunning, ovsdb.StartHint)
	if d.have != nil && d.have.Reason != "" {
		reason = d.have.Reason
	}
	switch {
	case d.want != nil && (len(d.want.Bridges) > 0 || d.want.HWOffload != nil && *d.want.HWOffload):
		return errors.New("the profile wants a switch: " + reason)
	case d.have != nil && d.have.Unread && len(d.letGo) > 0:
		return errors.New("the switch may have to let go of netdevs before their eswitch changes, and cannot be asked: " + reason)
	}
	return nil
}

// add makes a step of the phase of the switch.
func (d *differ) add(id resource.ID, attribute string, from, to step.Value) *step.Step {
	d.Steps = append(d.Steps, step.Step{
		Phase: step.Switch, Domain: Domain, Device: Domain, Group: group,
		Resource: id, Attribute: attribute, Action: step.ActionOf(from, to), From: from, To: to,
	})
	return &d.Steps[len(d.Steps)-1]
}

// early makes it a step before all others.
func early(s *step.Step, is bool) *step.Step {
	if is {
		s.Phase, s.Group = step.Quiesce, groupDetach
	}
	return s
}

func (d *differ) left(bridge, id, attribute, reason string) {
	d.Left = append(d.Left, step.Left{Resource: resource.OfSwitchPort(bridge, id), Attribute: attribute, Reason: reason})
}

func (d *differ) offload() {
	want, have := d.want.HWOffload, d.have
	if want == nil || *want == have.HWOffload {
		return
	}
	from, to := step.Text(strconv.FormatBool(have.HWOffload)), step.Text(strconv.FormatBool(*want))
	if have.OffloadUnset {
		from = step.Absent()
	}
	if d.want.OffloadUnset {
		to = step.Absent()
	}
	s := d.add(resource.OfSwitch(), attrOffload, from, to)
	if !*want {
		s.Reason = "the running ovs-vswitchd goes on offloading until it is restarted: systemctl restart openvswitch-switch"
	}
}

const notWanted = "it was made by nicwright and is not wanted any more"

// bridgeRemovals are of bridges of the operation's own that are not wanted.
func (d *differ) bridgeRemovals() {
	for _, b := range d.have.Bridges {
		id := resource.OfBridge(b.Name)
		if _, named := d.named[b.Name]; named || !d.opt.Deletes(id, b.owner()) {
			continue
		}
		var stays []string
		for _, p := range b.Ports {
			_, wanted := d.wanted[p.ID]
			if !wanted && !d.opt.Deletes(resource.OfSwitchPort(b.Name, p.ID), p.owner()) {
				stays = append(stays, p.Name)
			}
		}
		if len(stays) > 0 {
			d.add(id, step.AttrMark, step.Text(b.owner()), step.Absent()).Reason =
				"it is not wanted any more, but ports that nicwright did not make are on it: " + strings.Join(stays, ", ")
			continue
		}
		d.goes[b.Name] = true
		s := d.add(id, AttrBridge, step.Text(bridgeText(b.owner(), nil)), step.Absent())
		s.Effects = []step.Effect{
			step.Stop(id, step.ForGood, "all traffic over "+b.Name),
			{Kind: step.Gone, On: resource.OfLink(b.Name), For: step.ForGood}, // its internal port, with its addresses
		}
		s.Reason = notWanted
	}
}

// bridgeText is a bridge in a step: "owner NAME", and its columns if it has any.
func bridgeText(owner string, rest ovsdb.Columns) string {
	v := value{owner: owner}
	if rest != nil {
		v.rest = &Rest{Port: rest}
	}
	return strings.TrimPrefix(v.text(), modeTrunk+" ")
}

// wantedBridge makes a bridge that is not there, and the ports of it that are
// nowhere.
func (d *differ) wantedBridge(w Bridge) error {
	b, there := d.is[w.Name]
	switch {
	case !there && w.IfThere:
		for _, p := range w.Ports {
			if id, err := p.id(); err == nil && !d.done[id] {
				d.left(w.Name, id, AttrPort, "bridge "+w.Name+" was removed since")
			}
		}
		return nil
	case !there:
		owner := d.opt.Owner
		if w.Exact {
			owner = w.Owner
		}
		d.add(resource.OfBridge(w.Name), AttrBridge, step.Absent(), step.Text(bridgeText(step.OrNoOwner(owner), w.Rest)))
	case w.Exact && w.Owner != b.owner():
		d.add(resource.OfBridge(w.Name), step.AttrMark, mark(b.owner()), mark(w.Owner))
	case !w.Exact && d.takesOver(b.owner()):
		d.add(resource.OfBridge(w.Name), step.AttrMark, mark(b.owner()), mark(d.opt.Owner)).Reason = "the profile takes it over"
	}
	d.own(w, b, there)
	for _, p := range w.Ports {
		id, err := p.id()
		if err != nil {
			return err
		}
		if !d.done[id] {
			if err := d.newPort(w.Name, id, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func mark(owner string) step.Value {
	if owner == "" {
		return step.Absent()
	}
	return step.Text(owner)
}

// takesOver tells an owner whose work becomes this operation's.
func (d *differ) takesOver(owner string) bool {
	return d.opt.Owner != "" && owner != d.opt.Owner && d.opt.Owns(owner) && d.opt.Only == nil
}
