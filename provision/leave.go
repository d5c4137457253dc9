// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Leave takes out of a plan the steps of some resources, of what is part of them,
// and of what those steps have an effect on; Do then does not expect them of the
// host. The steps taken out are returned.
func (p *Plan) Leave(ids map[resource.ID]bool) (out []step.Step) {
	if len(ids) == 0 {
		return nil
	}
	p.left = map[resource.ID]bool{}
	for id := range ids {
		p.left[id] = true
	}
	for again := true; again; {
		again = false
		p.Steps = slices.DeleteFunc(p.Steps, func(s step.Step) bool {
			if !p.leaves(s.Resource) {
				return false
			}
			out, again = append(out, s), true
			p.left[s.Resource] = true
			for _, e := range s.Effects {
				if e.Kind != step.Stops && e.Kind != step.LetGo { // of those the resource stays as it is
					p.left[e.On] = true
				}
			}
			return true
		})
	}
	return out
}

func (p *Plan) leaves(id resource.ID) bool {
	if p.left[id] {
		return true
	}
	for whole := range p.left {
		if partOf(id, whole) {
			return true
		}
	}
	return false
}

// partOf tells whether a resource cannot be as it shall without another.
func partOf(id, whole resource.ID) bool {
	switch whole.Kind {
	case resource.PF:
		return id.Function.PF == whole.Function.PF || id.NetdevOf().Function.PF == whole.Function.PF
	case resource.VF, resource.SF:
		return id.Function == whole.Function && id.SF == whole.SF && id.IsSF == whole.IsSF
	case resource.Bond:
		return (id.Kind == resource.SwitchPort || id.Kind == resource.BridgePort) && id.Of == whole.String()
	case resource.Link, resource.Netdev, resource.Representor: // of a bridge, or what is a port of one
		return id.Kind == resource.BridgePort && (id.Name == whole.Name || id.Of == whole.String())
	case resource.Switch:
		return id.Kind == resource.Bridge || id.Kind == resource.SwitchPort
	case resource.Bridge:
		return id.Kind == resource.SwitchPort && id.Name == whole.Name
	}
	return false
}

// Disrupts are the effects of the plan on what others use, in words, each with its
// step: traffic that stops, netdevs that go down, are made again, change their master
// or lose their settings, were it for a moment.
func (p *Plan) Disrupts() (all []string) {
	for _, s := range p.Steps {
		for _, e := range s.Effects {
			if slices.Contains(cutting, e.Kind) || e.Kind == step.Unbound {
				all = append(all, fmt.Sprintf("%s (step %s)", e.Words(), s))
			}
		}
	}
	return all
}
