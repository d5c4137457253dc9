// SPDX-License-Identifier: Apache-2.0

package step

import (
	"github.com/nicwright/nicwright/internal/resource"
)

// EffectKind is what a step does to a resource beside what it is there for.
type EffectKind string

// The kinds of effects.
const (
	// Remade: the netdev is removed and made again by the plan: index and name may change, and all
	// that hangs on it is lost.
	Remade EffectKind = "remade"
	// Gone: the function or netdev ceases to be.
	Gone EffectKind = "gone"
	// Down: the netdev is set down and, if For is Moment, up again by the same step. It loses its global
	// IPv6 addresses and the routes through it; so do the VLANs on it.
	Down EffectKind = "down"
	// Leaves: the netdev leaves its master (From).
	Leaves EffectKind = "leaves"
	// Joins: the netdev gets a master (From is that). It is down while it does.
	Joins EffectKind = "joins"
	// Unbound: the function loses its driver.
	Unbound EffectKind = "unbound"
	// LetGo: the switch, and whoever else has TC rules there, must have let go of the netdev before.
	LetGo EffectKind = "let-go"
	// Reset: attributes that nobody names go back to the driver's defaults, the netdev stays.
	Reset EffectKind = "reset"
	// Bounces: the link of the netdev goes and comes.
	Bounces EffectKind = "bounces"
	// Stops: traffic stops.
	Stops EffectKind = "stops"
)

// Span is how long an effect lasts.
type Span string

// The spans.
const (
	Moment  Span = "moment"   // while the step is done
	Apply   Span = "apply"    // until a later step of the same plan ends it
	ForGood Span = "for-good" // the plan does not end it
)

// Effect is one thing that a step does to a resource.
type Effect struct {
	Kind EffectKind  `json:"kind"`
	On   resource.ID `json:"on"`
	// From is the master that it leaves or joins.
	From resource.ID `json:"from,omitzero"`
	For  Span        `json:"for,omitempty"`
	// Whose traffic stops, in words, as in "all traffic of the VF"; of Stops.
	Whose string `json:"whose,omitempty"`
}

// Stop is the effect that traffic stops.
func Stop(on resource.ID, span Span, whose string) Effect {
	return Effect{Kind: Stops, On: on, For: span, Whose: whose}
}

// Words is the effect of Stops, or another, in words.
func (e Effect) Words() string {
	what := e.Whose
	if e.Kind != Stops {
		what = e.On.String() + " " + map[EffectKind]string{
			Remade: "is made again", Gone: "ceases to be", Down: "goes down", Leaves: "leaves " + e.From.String(),
			Joins: "goes into " + e.From.String(), Unbound: "loses its driver", LetGo: "has to be free of TC rules",
			Reset: "goes back to the driver's defaults", Bounces: "loses its link",
		}[e.Kind]
	}
	switch e.For {
	case Moment:
		return what + ", for a moment"
	case Apply:
		return what + ", until the plan is done"
	}
	return what
}

// Effects are those of a plan's steps, as far as it has been made.
type Effects []Effect

// EffectsOf collects the effects of steps.
func EffectsOf(steps []Step) Effects {
	var all Effects
	for _, s := range steps {
		all = append(all, s.Effects...)
	}
	return all
}

// On tells whether any of the kinds befalls the resource.
func (all Effects) On(id resource.ID, kinds ...EffectKind) bool {
	for _, e := range all {
		if e.On != id {
			continue
		}
		for _, k := range kinds {
			if e.Kind == k {
				return true
			}
		}
	}
	return false
}

// Loses tells whether the netdev does not outlive the plan as it is: what hung
// on it has to be set again.
func (all Effects) Loses(id resource.ID) bool { return all.On(id, Remade, Gone) }
