// SPDX-License-Identifier: Apache-2.0

package provision

import (
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
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

// domain is one part of the road: it makes its state of a look at the host, says
// what leads from one state to another, and does that.
type domain interface {
	name() string
	// observe puts the domain's state of a look into a Host.
	observe(s *snapshot.Snapshot, into *Host)
	// say puts the state into a want that would bring it back.
	say(have *Host, into *profiles.Want)
	// keep takes out of a want what was not touched.
	keep(w *profiles.Want, touched touched)
	// lay lays what over says upon under: over wins where it says anything.
	lay(over, under *profiles.Want, effects step.Effects)
	// diff is the steps from have to want, after those with the effects.
	diff(have *Host, want *profiles.Want, effects step.Effects, opt step.Options) (step.Result, error)
	// doer does the domain's steps of one operation, from have to want as the plan filled it.
	doer(have *Host, want *profiles.Want) step.Doer
}

type touched = func(id resource.ID, attribute string) bool

// domains are all of them, in the order in which they plan: each sees the effects
// of those before it. A new one is a package and an entry here.
func domains() []domain {
	return []domain{
		part[[]eswitch.Card, map[pci.Address]eswitch.PortSpec]{
			id: eswitch.Domain, state: func(h *Host) *[]eswitch.Card { return &h.Cards },
			want: func(w *profiles.Want) *map[pci.Address]eswitch.PortSpec { return &w.Ports },
			look: eswitch.Observe, spec: eswitch.Specs, cut: eswitch.Keep, over: eswitch.Fill,
			plan: func(have []eswitch.Card, want map[pci.Address]eswitch.PortSpec, _ step.Effects, opt step.Options) (step.Result, error) {
				return eswitch.Diff(have, want, opt)
			},
			do: func([]eswitch.Card, map[pci.Address]eswitch.PortSpec) step.Doer { return eswitch.NewDoer() },
		},
		part[map[pci.Function]tuning.State, map[pci.Function]tuning.Want]{
			id: tuning.Domain, state: func(h *Host) *map[pci.Function]tuning.State { return &h.Tuning },
			want: func(w *profiles.Want) *map[pci.Function]tuning.Want { return &w.Tuning },
			look: tuning.Observe, spec: tuning.Specs, cut: tuning.Keep, over: tuning.Fill, plan: tuning.Diff,
			do: func(_ map[pci.Function]tuning.State, want map[pci.Function]tuning.Want) step.Doer {
				return tuning.NewDoer(want)
			},
		},
		part[bond.State, []bond.Spec]{
			id: bond.Domain, state: func(h *Host) *bond.State { return &h.Bonds },
			want: func(w *profiles.Want) *[]bond.Spec { return &w.Bonds },
			look: bond.Observe, spec: bond.Specs, cut: bond.Keep, over: bond.Fill, plan: bond.Diff,
			do: func(bond.State, []bond.Spec) step.Doer { return bond.NewDoer() },
		},
		part[bridge.State, []bridge.Spec]{
			id: bridge.Domain, state: func(h *Host) *bridge.State { return &h.Bridges },
			want: func(w *profiles.Want) *[]bridge.Spec { return &w.Bridges },
			look: bridge.Observe, spec: bridge.Specs, cut: bridge.Keep, over: bridge.Fill, plan: bridge.Diff,
			do: func(_ bridge.State, want []bridge.Spec) step.Doer { return bridge.NewDoer(want) },
		},
		part[vlan.State, []vlan.Spec]{
			id: vlan.Domain, state: func(h *Host) *vlan.State { return &h.VLANs },
			want: func(w *profiles.Want) *[]vlan.Spec { return &w.VLANs },
			look: vlan.Observe, spec: vlan.Specs, cut: vlan.Keep, over: vlan.Fill, plan: vlan.Diff,
			do: func(_ vlan.State, want []vlan.Spec) step.Doer { return vlan.NewDoer(want) },
		},
		part[hostnet.State, hostnet.State]{
			id: hostnet.Domain, state: func(h *Host) *hostnet.State { return &h.Net },
			want: func(w *profiles.Want) *hostnet.State { return &w.Net },
			look: hostnet.Observe, spec: func(s hostnet.State) hostnet.State { return s }, cut: hostnet.Keep, over: hostnet.Fill, plan: hostnet.Diff,
			do: func(have, want hostnet.State) step.Doer { return hostnet.NewDoer(want, have) },
		},
		part[*ovs.State, *ovs.Spec]{
			id: ovs.Domain, state: func(h *Host) **ovs.State { return &h.Switch },
			want: func(w *profiles.Want) **ovs.Spec { return &w.OVS },
			look: ovs.Observe, spec: ovs.SpecOf, cut: ovs.Keep, over: ovs.Fill, plan: ovs.Diff,
			do: func(*ovs.State, *ovs.Spec) step.Doer { return ovs.NewDoer() },
		},
		part[flows.State, []flows.Spec]{
			id: flows.Domain, state: func(h *Host) *flows.State { return &h.Flows },
			want: func(w *profiles.Want) *[]flows.Spec { return &w.Flows },
			look: flows.Observe, spec: flows.Specs, cut: flows.Keep, over: flows.Fill, plan: flows.Diff,
			do: func(have flows.State, _ []flows.Spec) step.Doer { return flows.NewDoer(have) },
		},
		part[map[pci.Function]crypto.State, map[pci.Function]crypto.Spec]{
			id: crypto.Domain, state: func(h *Host) *map[pci.Function]crypto.State { return &h.Offload },
			want: func(w *profiles.Want) *map[pci.Function]crypto.Spec { return &w.Offload },
			look: crypto.Observe, spec: crypto.Specs, cut: crypto.Keep, over: crypto.Fill, plan: crypto.Diff,
			do: func(map[pci.Function]crypto.State, map[pci.Function]crypto.Spec) step.Doer { return crypto.NewDoer() },
		},
	}
}

// part is a domain whose state is an S and whose want is a W.
type part[S, W any] struct {
	id    string
	state func(*Host) *S
	want  func(*profiles.Want) *W
	look  func(*snapshot.Snapshot) S
	spec  func(S) W
	cut   func(W, touched) W
	over  func(over, under W, effects step.Effects) W
	plan  func(have S, want W, effects step.Effects, opt step.Options) (step.Result, error)
	do    func(have S, want W) step.Doer
}

func (p part[S, W]) name() string                             { return p.id }
func (p part[S, W]) observe(s *snapshot.Snapshot, into *Host) { *p.state(into) = p.look(s) }
func (p part[S, W]) say(have *Host, into *profiles.Want)      { *p.want(into) = p.spec(*p.state(have)) }

func (p part[S, W]) keep(w *profiles.Want, touched touched) { *p.want(w) = p.cut(*p.want(w), touched) }

func (p part[S, W]) lay(over, under *profiles.Want, effects step.Effects) {
	*p.want(over) = p.over(*p.want(over), *p.want(under), effects)
}

func (p part[S, W]) diff(have *Host, want *profiles.Want, effects step.Effects, opt step.Options) (step.Result, error) {
	return p.plan(*p.state(have), *p.want(want), effects, opt)
}

func (p part[S, W]) doer(have *Host, want *profiles.Want) step.Doer {
	return p.do(*p.state(have), *p.want(want))
}
