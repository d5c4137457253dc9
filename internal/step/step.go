// SPDX-License-Identifier: Apache-2.0

// Package step has what a plan is made of: steps, each a change of one attribute
// of one resource, and their effects on others, as data. Every domain makes and
// does its own steps; provision orders them. A step knows one direction, from
// what is to what shall be, and may be done again.
package step

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
)

// Phase is a step's place in the fixed order in which the hardware can be
// brought from one state to another (DESIGN.md, "The plan").
type Phase int

// The phases, in the order in which they are applied.
const (
	Quiesce   Phase = iota + 1 // unbind VFs that must not be bound while the eswitch changes; detach what uses them
	SRIOV                      // VF count
	Params                     // devlink params that must precede the mode
	Eswitch                    // mode, inline-mode, encap-mode
	Functions                  // VF and port function attributes, representors up, MTU
	Bond                       // LACP bond over the uplinks
	Network                    // what hung on uplinks and bonds comes back: addresses, routes, uppers, masters, ...
	LAG                        // wait until the card reports its LAG active
	Bind                       // VFs to their drivers
	Switch                     // OVS
	Offload                    // TLS, ESP and other ethtool features
	Addresses                  // what hung on the netdevs of VFs comes back
)

var phaseNames = [...]string{
	"", "quiesce", "sriov", "params", "eswitch", "functions", "bond", "network", "lag", "bind", "switch", "offload", "addresses",
}

// String is the phase's name, as printed and as saved.
func (p Phase) String() string {
	if p < Quiesce || p > Addresses {
		return fmt.Sprintf("phase(%d)", int(p))
	}
	return phaseNames[p]
}

// MarshalText is String.
func (p Phase) MarshalText() ([]byte, error) {
	if p < Quiesce || p > Addresses {
		return nil, fmt.Errorf("no phase has the number %d", int(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads a phase's name.
func (p *Phase) UnmarshalText(b []byte) error {
	for i, n := range phaseNames {
		if n != "" && n == string(b) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("no phase is called %q", b)
}

// Action is what a step does with its attribute.
type Action string

// The actions. Replace is a removal and a making in one: what is there is not
// known to be as wanted, or has to be done anew, and the resource is never left
// without it for longer than the step takes.
const (
	Make    Action = "make"
	Change  Action = "change"
	Remove  Action = "remove"
	Replace Action = "replace"
)

// Glyph is the action as a diff line shows it.
func (a Action) Glyph() string {
	switch a {
	case Make:
		return "+"
	case Remove:
		return "-"
	case Replace:
		return "-/+"
	}
	return "~"
}

// Step is one change.
type Step struct {
	Phase     Phase       `json:"phase"`
	Domain    string      `json:"domain"`           // the package that does it: eswitch, tuning, bond, bridge, vlan, hostnet, ovs, flows, crypto
	Device    string      `json:"device,omitempty"` // steps of one phase on different devices may run concurrently
	Group     string      `json:"group,omitempty"`  // neighbours of one phase with the same group are done in one act
	Resource  resource.ID `json:"resource"`
	Attribute string      `json:"attribute"`
	Action    Action      `json:"action"`
	From      Value       `json:"from"` // null: it is not there; {"unknown": true}: nobody knows
	To        Value       `json:"to"`   // null: it is removed
	// Effects are what the step does to others, and to what hangs on its resource.
	Effects []Effect `json:"effects,omitempty"`
	Reason  string   `json:"reason,omitempty"` // why it is in the plan, where that is not plain
}

// String is the step as one line, without colour.
func (s Step) String() string {
	return fmt.Sprintf("%s %s: %s -> %s", s.Resource, s.Attribute, s.From, s.To)
}

// Equal compares all of two steps.
func (s Step) Equal(o Step) bool { return reflect.DeepEqual(s, o) }

// Disrupts says whose traffic stops while the step is done, in words, "" for nobody's.
func (s Step) Disrupts() string {
	var all []string
	for _, e := range s.Effects {
		if e.Kind == Stops {
			all = append(all, e.Words())
		}
	}
	return strings.Join(all, "; ")
}

// UpDown is whether a netdev is administratively up, as the value of a step has it.
func UpDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

// ActionOf is the action that leads from one value to another.
func ActionOf(from, to Value) Action {
	switch {
	case to.IsAbsent():
		return Remove
	case from.IsAbsent():
		return Make
	case from.IsUnknown():
		return Replace
	}
	return Change
}

// Left is something that is wanted and that the plan leaves as it is, with the
// reason and what would change that.
type Left struct {
	Resource  resource.ID `json:"resource"`
	Attribute string      `json:"attribute"`
	Reason    string      `json:"reason"`
}

// Result is a domain's part of a plan.
type Result struct {
	Steps []Step
	Left  []Left
}

// Options are what a domain has to know of the operation that it plans for.
type Options struct {
	// Owner is the name of the profile whose marks are the operation's own: what carries another's
	// is never deleted.
	Owner string
	// Also are further owners whose works this operation takes over or takes away.
	Also []string
	// Take has what may be taken although it is in use (--take).
	Take map[resource.ID]bool
	// TakeAll: all of it.
	TakeAll bool
	// Keep: nothing is deleted that is not wanted, for not all that is wanted was asked for.
	Keep bool
	// Only, where it is set, are the resources that may be deleted: a rollback takes away what its
	// operation made, and not what others of the same profile did.
	Only func(resource.ID) bool
	// Touched tells, where it is set, which attributes the operation changed that a rollback takes back.
	Touched func(id resource.ID, attribute string) bool
	// Made tells, of what carries no mark, whether an operation of the profile that is in force put
	// it there, as the journal has it.
	Made func(resource.ID) bool
}

// Owns tells whether a mark is one of the operation's own.
func (o Options) Owns(mark string) bool {
	return mark != "" && (mark == o.Owner || slices.Contains(o.Also, mark))
}

// Deletes tells whether a resource with a mark is deleted where it is not wanted.
func (o Options) Deletes(id resource.ID, mark string) bool {
	return !o.Keep && o.Owns(mark) && (o.Only == nil || o.Only(id))
}

// Undoes tells whether a resource without a mark is taken away where it is not wanted.
func (o Options) Undoes(id resource.ID) bool {
	switch {
	case o.Keep:
		return false
	case o.Only != nil:
		return o.Only(id)
	}
	return o.Made != nil && o.Made(id)
}

// Takes tells whether a resource in use may be taken.
func (o Options) Takes(id resource.ID) bool { return o.TakeAll || o.Take[id] }

// Doer does the steps of one domain. It is given either one step or all the
// neighbours that share a group, and returns when the host is as To says, as
// seen by a reader of the kernel or OVSDB, or with an error that tells what was
// being done, to what, what the kernel answered and what to do.
type Doer interface {
	Do(ctx context.Context, steps []Step) error
}
