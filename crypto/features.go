// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

const domain = "crypto"

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

// State is the offload switches of one function's netdev.
type State struct {
	Netdev   string             `json:"netdev"`
	Features map[string]Feature `json:"features"` // those of Spec, by the kernel's name
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

// Observe reads the switches of all PFs and VFs with a netdev in this network
// namespace, by pci.Function.String(), with one request.
func Observe(ctx context.Context) (map[string]State, error) {
	links, err := netdev.All(ctx)
	if err != nil {
		return nil, err
	}
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	all, err := c.All()
	if err != nil {
		return nil, err
	}
	byIndex := make(map[int]ethtool.Features, len(all))
	for _, f := range all {
		byIndex[f.Index] = f
	}
	states := map[string]State{}
	for _, l := range links {
		f, ok := byIndex[l.Index]
		if l.Representor || !ok {
			continue
		}
		s := State{Netdev: l.Name, Features: map[string]Feature{}}
		for _, name := range featureNames {
			if v, ok := f.Get(name); ok {
				s.Features[name] = Feature{Hardware: v.Hardware, Wanted: v.Wanted, Active: v.Active, Fixed: v.Fixed()}
			}
		}
		states[l.Function.String()] = s
	}
	return states, nil
}

// Diff lists the steps from have to want. A feature that is fixed the other way
// on a netdev that stays is an error that says why it can be so.
func Diff(have map[pci.Function]State, want map[pci.Function]Spec, replaced step.Replaced) ([]step.Step, error) {
	functions := make([]pci.Function, 0, len(want))
	for f := range want {
		functions = append(functions, f)
	}
	slices.SortFunc(functions, func(a, b pci.Function) int {
		if c := strings.Compare(string(a.PF), string(b.PF)); c != 0 {
			return c
		}
		return a.VF - b.VF
	})
	var steps []step.Step
	for _, fn := range functions {
		spec, state := want[fn], have[fn]
		for _, name := range featureNames {
			on := *spec.field(name)
			if on == nil {
				continue
			}
			s := step.Step{
				Phase: step.Offload, Domain: domain, Device: string(fn.PF), Group: fn.String(),
				Resource: fn.String(), Attribute: name, To: onOff(*on),
			}
			f, known := state.Features[name]
			switch {
			case replaced[fn.String()]:
				s.Reason = "its netdev is made again"
			case known && f.Active == *on:
				continue
			case known && f.Fixed:
				return nil, fmt.Errorf("%s %s: %s is wanted, but it is fixed %s there: %s", fn, name, onOff(*on), onOff(f.Active), whyFixed(fn, name))
			case known:
				s.From = f.text()
			}
			steps = append(steps, s)
		}
	}
	return steps, nil
}

// whyFixed says what is known to fix a feature, and what to do.
func whyFixed(fn pci.Function, name string) string {
	switch {
	case name == featESP:
		return "mlx5 has ESP offload always on or not at all (m5/en_accel/ipsec.c): the kernel's mlx5_core was built without MLX5_EN_IPSEC, or the card has no crypto; leave it out of the profile"
	case (name == featTLSTx || name == featTLSRx) && !fn.IsVF():
		return "an uplink in switchdev cannot offload TLS (NW101: m5/en_main.c mlx5e_fix_uplink_rep_features); put it on the VFs, or stay in legacy mode. In legacy mode: the kernel's mlx5_core was built without MLX5_EN_TLS, or the card has no crypto for this direction"
	case name == featTLSTx || name == featTLSRx:
		return "the kernel's mlx5_core was built without MLX5_EN_TLS (Debian's is), or the card has no crypto for this direction on this function; leave it out of the profile, or use such a kernel"
	}
	return "the driver does not let it be changed; leave it out of the profile"
}

// Doer sets offload switches.
type Doer struct{}

// Do sets the features of one function with one request and reads them back.
func (Doer) Do(ctx context.Context, steps []step.Step) error {
	fn, err := pci.ParseFunction(steps[0].Resource)
	if err != nil {
		return fmt.Errorf("setting offload switches: %w", err)
	}
	link, err := netdev.OfFunction(ctx, fn)
	if err != nil {
		return fmt.Errorf("setting the offload switches of %s: %w; is its driver bound, and its netdev in this network namespace?", fn, err)
	}
	want := map[string]bool{}
	for _, s := range steps {
		want[s.Attribute] = s.To == "on"
	}
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	have, err := c.Get(link.Index)
	if err != nil {
		return err
	}
	for name, on := range want {
		if f, ok := have.Get(name); ok && f.Active == on {
			delete(want, name)
		} else if ok && f.Fixed() {
			return fmt.Errorf("setting %s of %s (%s) to %s: it is fixed %s: %s", name, fn, link.Name, onOff(on), onOff(f.Active), whyFixed(fn, name))
		}
	}
	if len(want) == 0 {
		return nil
	}
	if _, err := c.Set(link.Index, want); err != nil {
		return fmt.Errorf("setting the offload switches of %s (%s): %w", fn, link.Name, err)
	}
	// The kernel answers 0 also for what the driver then does not do.
	if have, err = c.Get(link.Index); err != nil {
		return err
	}
	for name, on := range want {
		if f, ok := have.Get(name); !ok || f.Active != on {
			return fmt.Errorf("setting %s of %s (%s) to %s: the kernel accepted it and it is still %s; TLS needs checksum offload (ethtool -K %s tx on rx on), and dmesg may say more", name, fn, link.Name, onOff(on), onOff(f.Active), link.Name)
		}
	}
	return nil
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
