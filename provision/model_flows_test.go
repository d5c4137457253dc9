// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/eswitch/flows"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

// modelRule is a rule as a bridge has it: ports are numbers.
type modelRule struct {
	bridge, which, actions string
	cookie                 flows.Cookie
}

var (
	portByID     = regexp.MustCompile(`(in_port=|output:)((?:pci|bond|port)/[^,]+)`)
	portByNumber = regexp.MustCompile(`(in_port=|output:)([0-9]+)`)
	tableAndSo   = regexp.MustCompile(`^table=([0-9]+),priority=([0-9]+),?`)
)

func (m *model) numbers(bridge string) map[string]int {
	for _, b := range m.Switch.Bridges {
		if b.Name == bridge {
			return b.Numbers()
		}
	}
	return nil
}

// numbered is a text with the numbers of ports in the place of what they stand for.
func numbered(text string, numbers map[string]int) (string, error) {
	var err error
	text = portByID.ReplaceAllStringFunc(text, func(s string) string {
		of := portByID.FindStringSubmatch(s)
		n, there := numbers[of[2]]
		if !there {
			err = fmt.Errorf("no port for %s", of[2])
		}
		return of[1] + strconv.Itoa(n)
	})
	return text, err
}

func (m *model) flow(s step.Step, was map[string]map[string]int) error {
	bridge := s.Resource.Name
	numbers := m.numbers(bridge)
	if numbers == nil {
		return fmt.Errorf("there is no such bridge")
	}
	match, err := numbered(s.Resource.Of, numbers)
	if s.To.IsAbsent() && err != nil {
		match, err = numbered(s.Resource.Of, was[bridge])
	}
	if err != nil {
		return err
	}
	m.rules = slices.DeleteFunc(m.rules, func(r modelRule) bool { return r.bridge == bridge && r.which == match })
	if s.To.IsAbsent() {
		return nil
	}
	text, owner, _ := strings.Cut(s.To.Str(), " owner ")
	r := modelRule{bridge: bridge, which: match, cookie: flows.Cookie(openflow.Cookie(owner))}
	if r.actions, err = numbered(text, numbers); err != nil {
		return err
	}
	m.rules = append(m.rules, r)
	return nil
}

// syncFlows: rules go with their bridge, and their ports are those that have the numbers now.
func (m *model) syncFlows() {
	m.Flows = flows.State{Ports: map[string]map[string]int{}}
	m.rules = slices.DeleteFunc(m.rules, func(r modelRule) bool { return m.numbers(r.bridge) == nil })
	for _, r := range m.rules {
		numbers := m.numbers(r.bridge)
		lost := false
		named := func(text string) string {
			return portByNumber.ReplaceAllStringFunc(text, func(s string) string {
				of := portByNumber.FindStringSubmatch(s)
				for id, n := range numbers {
					if strconv.Itoa(n) == of[2] {
						return of[1] + id
					}
				}
				lost = true
				return s
			})
		}
		of := tableAndSo.FindStringSubmatch(r.which)
		table, _ := strconv.Atoi(of[1])
		priority, _ := strconv.Atoi(of[2])
		m.Flows.Rules = append(m.Flows.Rules, flows.Spec{
			Bridge: r.bridge, Table: table, Priority: priority, Match: named(strings.TrimPrefix(r.which, of[0])), Actions: named(r.actions), Exact: true, Cookie: r.cookie,
		})
		m.Flows.Rules[len(m.Flows.Rules)-1].Lost = lost
		m.Flows.Ports[r.bridge] = numbers
	}
	slices.SortFunc(m.Flows.Rules, func(a, b flows.Spec) int { return strings.Compare(a.ID().String(), b.ID().String()) })
}

// randomFlows wants rules of the bridges of a want, some of them of their ports.
func randomFlows(r *rand.Rand, w *profiles.Want) {
	if w.OVS == nil {
		return
	}
	for _, b := range w.OVS.Bridges {
		for n := range r.IntN(3) {
			s := flows.Spec{Bridge: b.Name, Priority: 100 + n, Actions: []string{"drop", "NORMAL"}[r.IntN(2)]}
			if len(b.Ports) > 0 && r.IntN(2) == 0 {
				port := func() string {
					p := b.Ports[r.IntN(len(b.Ports))]
					if p.Bond != "" {
						return "bond/" + p.Bond
					}
					return p.VF
				}
				s.Match = "in_port=" + port() + ",dl_vlan=100"
				if r.IntN(3) == 0 {
					s.Actions = "strip_vlan,output:" + port()
				}
			}
			w.Flows = append(w.Flows, s)
		}
	}
}
