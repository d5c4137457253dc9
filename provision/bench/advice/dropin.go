// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/profiles"
)

// Mark is the first line of a drop-in that DropIn made: what has another is somebody's own.
const Mark = "# Written by nicwright advice: written anew by the next `nicwright advice --write`."

// ErrNothingToSet is that of an advice that says neither on nor off.
var ErrNothingToSet = errors.New("neither direction is advised to be on or off: there is nothing to write")

// Parts of a profile, as a drop-in has them: names, and what is set.
type (
	dropIn struct {
		Version int        `yaml:"version"`
		Cards   []dropCard `yaml:"cards,omitempty"`
		Verify  *dropProof `yaml:"verify,omitempty"`
	}
	dropCard struct {
		Name  string     `yaml:"name"`
		Ports []dropPort `yaml:"ports"`
	}
	dropPort struct {
		Name    string       `yaml:"name"`
		Offload *crypto.Spec `yaml:"offload,omitempty"`
		VF      *dropVF      `yaml:"vf,omitempty"`
		VFs     []dropRange  `yaml:"vfs,omitempty"`
	}
	dropVF struct {
		Offload *crypto.Spec `yaml:"offload"`
	}
	dropRange struct {
		Name    string       `yaml:"name"`
		VFs     string       `yaml:"vf"`
		Offload *crypto.Spec `yaml:"offload"`
	}
	dropProof struct {
		KTLS dropKTLS `yaml:"ktls"`
	}
	dropKTLS struct {
		Require    string   `yaml:"require,omitempty"`
		Directions []string `yaml:"directions,omitempty"`
	}
)

// switches are what is to be set; nil is left as the profile has it.
type switches struct{ tx, rx *bool }

func (s switches) spec() *crypto.Spec { return &crypto.Spec{TLSTx: s.tx, TLSRx: s.rx} }

// DropIn is what a profile is to have laid over it so that its TLS switches are as
// advised: wherever the profile sets them; where it sets none, on the VFs of ports in
// switchdev mode, whose own netdev cannot have them, and on the other ports themselves.
// What verify requires is made to agree. Errors: ErrNothingToSet, or a profile without ports.
func DropIn(p *profiles.Profile, a *Advice) ([]byte, error) {
	s := switches{a.Tx.set(), a.Rx.set()}
	if s.tx == nil && s.rx == nil {
		return nil, ErrNothingToSet
	}
	d := dropIn{Version: profiles.Version}
	said := anywhere(p)
	for _, c := range p.Cards {
		card := dropCard{Name: c.Name}
		for i := range c.Ports {
			if port := s.port(&c.Ports[i], said); port != nil {
				card.Ports = append(card.Ports, *port)
			}
		}
		if len(card.Ports) > 0 {
			d.Cards = append(d.Cards, card)
		}
	}
	if len(d.Cards) == 0 {
		return nil, fmt.Errorf("profile %q has no port whose TLS could be switched", p.Name)
	}
	d.Verify = s.proof(p)
	text, err := yaml.MarshalWithOptions(d, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("writing the drop-in for profile %q: %w", p.Name, err)
	}
	return append([]byte(Mark+"\n# For "+oneLine(a.Workload.Source)+": sending "+string(a.Tx.Answer)+", receiving "+string(a.Rx.Answer)+".\n"), text...), nil
}

func (d Decision) set() *bool {
	if d.Answer != On && d.Answer != Off {
		return nil
	}
	on := d.Answer == On
	return &on
}

func says(s crypto.Spec) bool { return s.TLSTx != nil || s.TLSRx != nil }

// anywhere tells whether a profile sets a TLS switch at all.
func anywhere(p *profiles.Profile) bool {
	for _, c := range p.Cards {
		for _, port := range c.Ports {
			if says(port.Offload) || says(port.VF.Offload) {
				return true
			}
			for _, r := range port.VFList.Ranges {
				if says(r.Offload) {
					return true
				}
			}
		}
	}
	return false
}

// port is what is laid over a port, nil for nothing. said: the profile sets switches somewhere, so only there.
func (s switches) port(p *profiles.Port, said bool) *dropPort {
	out, any := dropPort{Name: p.Name}, false
	switchdev := p.Mode != nil && *p.Mode == "switchdev"
	if says(p.Offload) || !said && !switchdev {
		out.Offload, any = s.spec(), true
	}
	if says(p.VF.Offload) || !said && switchdev {
		out.VF, any = &dropVF{s.spec()}, true
	}
	for _, r := range p.VFList.Ranges {
		if says(r.Offload) {
			out.VFs, any = append(out.VFs, dropRange{r.Name, r.Indices, s.spec()}), true
		}
	}
	if !any {
		return nil
	}
	return &out
}

// proof makes what verify requires agree with the switches: what is off is not required to be offloaded.
func (s switches) proof(p *profiles.Profile) *dropProof {
	if p.Verify == nil || p.Verify.KTLS == nil || p.Verify.KTLS.Require == nil || *p.Verify.KTLS.Require != "offloaded" {
		return nil
	}
	off := func(b *bool) bool { return b != nil && !*b }
	switch {
	case off(s.tx) && off(s.rx):
		return &dropProof{dropKTLS{Require: "software"}}
	case off(s.tx):
		return &dropProof{dropKTLS{Directions: []string{"rx"}}}
	case off(s.rx):
		return &dropProof{dropKTLS{Directions: []string{"tx"}}}
	}
	return nil
}

// oneLine keeps a text within its comment.
func oneLine(s string) string {
	out := []rune{}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}

// Proposal is a drop-in that has the card encrypt on all VFs of a port but the first: two
// netdevs for the two addresses of a Split. It keeps the number of VFs. ok is false where
// no port has two VFs of which the profile says no more than their number.
func Proposal(p *profiles.Profile) (text []byte, ok bool) {
	yes, no := true, false
	for _, c := range p.Cards {
		for _, port := range c.Ports {
			n := port.VFList.Count
			if n == nil || *n < 2 {
				continue
			}
			last := "1"
			if *n > 2 {
				last = fmt.Sprintf("1-%d", *n-1)
			}
			d := dropIn{Version: profiles.Version, Cards: []dropCard{{c.Name, []dropPort{{Name: port.Name, VFs: []dropRange{
				{"small-files", "0", &crypto.Spec{TLSTx: &no}}, {"large-files", last, &crypto.Spec{TLSTx: &yes}},
			}}}}}}
			text, err := yaml.MarshalWithOptions(d, yaml.IndentSequence(true))
			if k := p.Verify; k != nil && k.KTLS != nil && k.KTLS.Require != nil && *k.KTLS.Require == "offloaded" {
				text = append(text, "verify:\n  ktls:\n    require: null # of the first VF it would not hold\n"...)
			}
			return text, err == nil
		}
	}
	return nil, false
}
