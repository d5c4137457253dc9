// SPDX-License-Identifier: Apache-2.0

// Package flows owns the OpenFlow rules of a profile in bridges of Open vSwitch: filters
// beyond what the VLANs of ports say. Each carries a cookie that says whose it is; rules of
// others, of people and of controllers, are left alone.
package flows

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Domain is the domain's name in steps.
const Domain = "flows"

// Rule is a rule of a bridge as a profile says it.
type Rule struct {
	// Name of the entry in the profile, by which layers merge.
	Name string `json:"name" jsonschema:"required,minLength=1"`
	// Table that the rule is in, 0..253; unset: 0, where all frames begin.
	Table *int `json:"table,omitempty" jsonschema:"minimum=0,maximum=253"`
	// Priority of the rule, 0..65535, the highest that matches wins; unset: 32768. The bridge's own rule, NORMAL, has 0.
	Priority *int `json:"priority,omitempty" jsonschema:"minimum=0,maximum=65535"`
	// Match says which frames, as ovs-ofctl(8) does: in_port=nic0/p0/vf3,dl_vlan=100. A port is named by what it stands for,
	// CARD/PORT/vfN, CARD/PORT or the name of a bond, and LOCAL is the bridge's own; a range CARD/PORT/vfN-M makes a rule of each. Unset: all.
	Match string `json:"match,omitempty"`
	// Actions say what becomes of them, likewise: drop, NORMAL, output:PORT, strip_vlan, push_vlan:0x8100, mod_vlan_vid:N,
	// mod_vlan_pcp:N, goto_table:N.
	Actions string `json:"actions" jsonschema:"required,minLength=1"`
}

// defaultPriority is that of a rule of which nothing is said (ovs-ofctl(8), "priority").
const defaultPriority = 32768

// Spec is a rule that is wanted. Ports in Match and Actions are named by ovs.PortState.ID.
type Spec struct {
	Bridge   string `json:"bridge"`
	Table    int    `json:"table"`
	Priority int    `json:"priority"`
	Match    string `json:"match,omitempty"`
	Actions  string `json:"actions"`

	// Of what was observed, for a rollback:
	Exact  bool   `yaml:"-" json:"exact,omitempty"`  // Cookie is what there was
	Cookie Cookie `yaml:"-" json:"cookie,omitempty"` // whose it was
	Lost   bool   `yaml:"-" json:"lost,omitempty"`   // a port of it is gone, and a number stands in its place
}

// Cookie is that of a rule, in hexadecimal where it is written.
type Cookie uint64

// String is "0x6e69637712345678".
func (c Cookie) String() string { return fmt.Sprintf("%#016x", uint64(c)) }

// MarshalText is String.
func (c Cookie) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Cookie) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 0, 64)
	if err != nil {
		return fmt.Errorf("%q is no cookie of a rule", b)
	}
	*c = Cookie(n)
	return nil
}

// New makes the spec of a rule as said: the ports in it by what port says they are. Errors: what ParseMatch and
// ParseActions of internal/openflow say.
func New(bridge string, r Rule, port func(name string) (id string, err error)) (Spec, error) {
	s := Spec{Bridge: bridge, Priority: defaultPriority}
	if r.Table != nil {
		s.Table = *r.Table
	}
	if r.Priority != nil {
		s.Priority = *r.Priority
	}
	var err error
	s.Match, s.Actions, err = renamed(r.Match, r.Actions, port)
	return s, err
}

// Captured is the rule as a profile would say it, with the ports as port names what they stand for.
func (s Spec) Captured(name string, port func(id string) (name string, err error)) (Rule, error) {
	r := Rule{Name: name}
	if s.Table != 0 {
		r.Table = &s.Table
	}
	if s.Priority != defaultPriority {
		r.Priority = &s.Priority
	}
	var err error
	r.Match, r.Actions, err = renamed(s.Match, s.Actions, port)
	return r, err
}

// renamed is a rule with its ports by other names.
func renamed(match, actions string, of func(string) (string, error)) (newMatch, newActions string, err error) {
	p := named{of: of}
	f, err := parse(match, actions, p.number)
	if err != nil {
		return "", "", err
	}
	return f.Match.Text(p.name), f.Actions.Text(p.name), nil
}

// named gives ports numbers for as long as a text is read and written again.
type named struct {
	of  func(name string) (string, error)
	ids []string
}

func (p *named) number(name string) (uint32, error) {
	id, err := p.of(name)
	if err != nil {
		return 0, err
	}
	i := slices.Index(p.ids, id)
	if i < 0 {
		i = len(p.ids)
		p.ids = append(p.ids, id)
	}
	return uint32(i) + 1, nil
}

func (p *named) name(n uint32) string {
	if n < 1 || int(n) > len(p.ids) {
		return ""
	}
	return p.ids[n-1]
}

func parse(match, actions string, number func(string) (uint32, error)) (openflow.Flow, error) {
	m, err := openflow.ParseMatch(match, number)
	if err != nil {
		return openflow.Flow{}, err
	}
	a, err := openflow.ParseActions(actions, m, number)
	return openflow.Flow{Match: m, Actions: a}, err
}

// which is how a rule is known in its bridge: "table=0,priority=100,in_port=bond/bond0".
func which(table, priority int, match string) string {
	s := fmt.Sprintf("table=%d,priority=%d", table, priority)
	if match != "" {
		s += "," + match
	}
	return s
}

// ofWhich reads what which wrote.
func ofWhich(s string) (table uint8, priority uint16, match string, err error) {
	parts := strings.SplitN(s, ",", 3)
	bad := fmt.Errorf("%q names no rule: want table=N,priority=N,MATCH", s)
	if len(parts) < 2 {
		return 0, 0, "", bad
	}
	t, okTable := strings.CutPrefix(parts[0], "table=")
	p, okPriority := strings.CutPrefix(parts[1], "priority=")
	n, errTable := strconv.ParseUint(t, 10, 8)
	m, errPriority := strconv.ParseUint(p, 10, 16)
	if !okTable || !okPriority || errTable != nil || errPriority != nil {
		return 0, 0, "", bad
	}
	if len(parts) == 3 {
		match = parts[2]
	}
	return uint8(n), uint16(m), match, nil
}

// ID is the rule's identity.
func (s Spec) ID() resource.ID {
	return resource.OfFlow(s.Bridge, which(s.Table, s.Priority, s.Match))
}

// compare sorts rules by bridge and table, the highest priority first.
func compare(a, b Spec) int {
	return cmp.Or(strings.Compare(a.Bridge, b.Bridge), a.Table-b.Table, b.Priority-a.Priority, strings.Compare(a.Match, b.Match))
}

// Specs are nicwright's rules of a state as a want that brings them back: those with all their ports.
func Specs(s State) []Spec {
	return slices.DeleteFunc(slices.Clone(s.Rules), func(r Spec) bool { return r.Lost })
}

// Keep is what of a want that was observed an operation touched: the rules themselves, or that their bridge is there.
func Keep(specs []Spec, touched func(id resource.ID, attribute string) bool) []Spec {
	return slices.DeleteFunc(slices.Clone(specs), func(s Spec) bool { return !s.touched(touched) })
}

func (s Spec) touched(touched func(id resource.ID, attribute string) bool) bool {
	return touched(s.ID(), attrActions) || touched(resource.OfBridge(s.Bridge), ovs.AttrBridge)
}

// Fill adds nothing: no rule is lost on the road.
func Fill(over, _ []Spec, _ step.Effects) []Spec { return over }

// Lay lays what was before an operation upon base: what the operation touched is as over says, and what it made is not there.
func Lay(over, base []Spec, touched func(id resource.ID, attribute string) bool) []Spec {
	all := slices.DeleteFunc(slices.Clone(base), func(s Spec) bool { return s.touched(touched) })
	for _, s := range over {
		if !slices.ContainsFunc(all, func(b Spec) bool { return b.ID() == s.ID() }) {
			all = append(all, s)
		}
	}
	return all
}
