// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// Domain is the package's name in steps.
const Domain = "crypto"

// Names of the features of Spec, in the order in which they are set.
const (
	featTC       = "hw-tc-offload"
	featTLSTx    = "tls-hw-tx-offload"
	featTLSRx    = "tls-hw-rx-offload"
	featESP      = "esp-hw-offload"
	featESPTxSeg = "tx-esp-segmentation"
)

var featureNames = []string{featTC, featTLSTx, featTLSRx, featESP, featESPTxSeg}

// field is Spec's field for a feature.
func (s *Spec) field(name string) **bool {
	switch name {
	case featTC:
		return &s.TC
	case featTLSTx:
		return &s.TLSTx
	case featTLSRx:
		return &s.TLSRx
	case featESP:
		return &s.ESP
	default:
		return &s.ESPTxSeg
	}
}

// set are the names of the switches that s says something of.
func (s *Spec) set() []string {
	var names []string
	for _, name := range featureNames {
		if *s.field(name) != nil {
			names = append(names, name)
		}
	}
	return names
}

// Feature is what the kernel says of one feature: whether the driver lets it be
// changed, what was asked for, what is.
type Feature struct {
	Hardware bool `json:"hardware"`
	Wanted   bool `json:"wanted"`
	Active   bool `json:"active"`
	Fixed    bool `json:"fixed"`
}

func (f Feature) text() string {
	s := onOff(f.Active)
	if f.Fixed {
		s += " [fixed]"
	}
	return s
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// State is the offload switches of one function's netdev, or why it has none in
// this network namespace.
type State struct {
	Netdev   string             `json:"netdev"`
	Features map[string]Feature `json:"features,omitempty"` // those of Spec, by the kernel's name
	// Absent is why the function has no netdev here, a sentence, or "".
	Absent string `json:"absent,omitempty"`
}

// Observe makes the states of all PFs and VFs of a look.
func Observe(s *snapshot.Snapshot) map[pci.Function]State {
	states := map[pci.Function]State{}
	for _, l := range s.Netdevs {
		if l.Representor || l.SF != nil {
			continue
		}
		state := State{Netdev: l.Name, Features: map[string]Feature{}}
		features := s.Features[l.Index]
		for _, name := range featureNames {
			if v, ok := features.Get(name); ok {
				state.Features[name] = Feature{Hardware: v.Hardware, Wanted: v.Wanted, Active: v.Active, Fixed: v.Fixed()}
			}
		}
		states[l.Function] = state
	}
	for fn, why := range s.Absent() {
		states[fn] = State{Absent: why}
	}
	return states
}

// Specs are all switches as a want that would bring them back.
func Specs(states map[pci.Function]State) map[pci.Function]Spec {
	all := map[pci.Function]Spec{}
	for fn, s := range states {
		if spec := s.Spec(); !spec.IsZero() {
			all[fn] = spec
		}
	}
	return all
}

// Spec is the State as a profile would say it; what is fixed is left out, for
// nobody can bring it back.
func (s State) Spec() Spec {
	var spec Spec
	for name, f := range s.Features {
		if !f.Fixed {
			active := f.Active
			*spec.field(name) = &active
		}
	}
	return spec
}

// Fill is s, and of the switches that it leaves alone what before says.
func (s Spec) Fill(before Spec) Spec {
	var left Spec
	for _, from := range []*Spec{before.Before, &before} {
		if from == nil {
			continue
		}
		for _, name := range from.set() {
			if *s.field(name) == nil {
				*left.field(name) = *from.field(name)
			}
		}
	}
	if s.Before = nil; !left.IsZero() {
		s.Before = &left
	}
	return s
}

// Fill is over and, as Before, what under says of the VFs' switches that it leaves
// alone: a new netdev starts from the driver's defaults. A PF's are left to the
// driver, for what they can be changes with the eswitch's mode
// (m5/en_main.c, mlx5e_fix_uplink_rep_features).
func Fill(over, under map[pci.Function]Spec, _ step.Effects) map[pci.Function]Spec {
	all := make(map[pci.Function]Spec, len(under))
	for fn, s := range over {
		all[fn] = s
	}
	for fn, before := range under {
		if s := all[fn].Fill(before); fn.IsVF() && !s.IsZero() {
			all[fn] = s
		}
	}
	return all
}

// Lay lays what over says upon under.
func Lay(over, under map[pci.Function]Spec) map[pci.Function]Spec {
	all := make(map[pci.Function]Spec, len(under))
	for fn, s := range under {
		all[fn] = s
	}
	for fn, s := range over {
		laid := all[fn]
		for _, name := range s.set() {
			*laid.field(name) = *s.field(name)
		}
		if !laid.IsZero() {
			all[fn] = laid
		}
	}
	return all
}

// Keep is of s what an operation touched of fn's netdev.
func (s Spec) Keep(fn pci.Function, touched func(id resource.ID, attribute string) bool) Spec {
	var kept Spec
	for _, name := range s.set() {
		if touched(resource.OfNetdev(fn), name) {
			*kept.field(name) = *s.field(name)
		}
	}
	return kept
}

// Keep is of all switches what an operation touched.
func Keep(all map[pci.Function]Spec, touched func(id resource.ID, attribute string) bool) map[pci.Function]Spec {
	kept := map[pci.Function]Spec{}
	for fn, s := range all {
		if s = s.Keep(fn, touched); !s.IsZero() {
			kept[fn] = s
		}
	}
	return kept
}

// Text is the TLS switches in a few words, for a picture.
func (s State) Text() string {
	var on []string
	for _, name := range []string{featTLSTx, featTLSRx} {
		if f, ok := s.Features[name]; ok && f.Active {
			on = append(on, name)
		}
	}
	if len(on) == 0 {
		return ""
	}
	return "  " + strings.Join(on, " ")
}
