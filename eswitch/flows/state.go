// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// State is the rules of all bridges of Open vSwitch.
type State struct {
	// Rules are those that a nicwright made, by bridge and table, the highest priority first. Each is Exact.
	Rules []Spec `json:"rules,omitempty"`
	// Others are whose rules these are that somebody else made, as far as they were read.
	Others map[resource.ID]Cookie `json:"others,omitempty"`
	// Ports are the OpenFlow numbers of each bridge's ports, by ovs.PortState.ID.
	Ports map[string]map[string]int `json:"ports,omitempty"`
	// Unread are the bridges whose rules could not be read, with the reason.
	Unread map[string]string `json:"unread,omitempty"`
}

// Observe makes the state of a look at the host.
func Observe(s *snapshot.Snapshot) State {
	state := State{Unread: s.OVS.Unasked, Ports: map[string]map[string]int{}}
	for _, b := range ovs.Observe(s).Bridges {
		numbers := b.Numbers()
		ids := map[uint32]string{}
		for id, n := range numbers {
			ids[uint32(n)] = id
		}
		lost := false
		name := func(n uint32) string {
			lost = lost || ids[n] == ""
			return ids[n]
		}
		if len(s.OVS.Flows[b.Name]) > 0 {
			state.Ports[b.Name] = numbers
		}
		for _, f := range s.OVS.Flows[b.Name] {
			lost = false
			r := Spec{
				Bridge: b.Name, Table: int(f.Table), Priority: int(f.Priority), Match: f.Match.Text(name), Actions: f.Actions.Text(name),
				Exact: true, Cookie: Cookie(f.Cookie),
			}
			r.Lost = lost
			switch {
			case f.Cookie&openflow.OursMask == openflow.Ours:
				state.Rules = append(state.Rules, r)
			case state.Others == nil:
				state.Others = map[resource.ID]Cookie{r.ID(): r.Cookie}
			default:
				state.Others[r.ID()] = r.Cookie
			}
		}
	}
	slices.SortFunc(state.Rules, compare)
	return state
}

// Text is a rule as a person writes it.
func (s Spec) Text() string {
	return strings.TrimPrefix(which(s.Table, s.Priority, s.Match), "table=0,") + " actions=" + s.Actions
}
