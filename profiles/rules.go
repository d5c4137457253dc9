// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says what breaking a rule means.
type Severity string

// The severities.
const (
	Fatal   Severity = "error"   // it cannot be, or can never work: plan refuses
	Warning Severity = "warning" // it can be, and is hardly what was meant
)

// Rule is something that has to hold in a whole profile, or in a profile and the
// host that it is for. Ids from NW001 are of the document itself, ids from NW101
// are what is known of the hardware and the drivers, of those from NW151 the host
// is looked at as well.
type Rule struct {
	ID string `json:"id"`
	// Severity of breaking it.
	Severity Severity `json:"severity"`
	// Sentence says what holds, and what to do.
	Sentence string `json:"sentence"`
	// Source is where it is known from, or "" for what follows from the document.
	Source string `json:"source,omitempty"`
	// Host: the host has to be known to tell.
	Host bool `json:"host,omitempty"`

	check func(s *subject, report report)
}

// report takes a finding: where it is, and about what.
type report func(at Position, format string, args ...any)

// Rules are all rules, in the order of their ids.
func Rules() []Rule {
	return slices.Concat(profileRules(), hostRules())
}

// rule is one that the profile alone can break, with severity Fatal.
type rule struct {
	id, sentence, source string
	check                func(p *Profile, report report)
}

// with makes a Rule of it.
func (r rule) with(s Severity) Rule {
	return Rule{ID: r.id, Severity: s, Sentence: r.sentence, Source: r.source, check: func(s *subject, report report) { r.check(s.Profile, report) }}
}

// profileRules are those that need no host.
func profileRules() []Rule {
	var out []Rule
	for _, r := range fatalRules() {
		out = append(out, r.with(Fatal))
	}
	for _, r := range warningRules() {
		out = append(out, r.with(Warning))
	}
	slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func fatalRules() []rule {
	return append([]rule{
		{"NW001", "a profile has a name and at least one card", "", checkWhole},
		{"NW002", "a card says by select which one of the host's it is", "", checkSelect},
		{"NW003", "a port has a number (port: 0), another one than the other ports of its card", "", checkPortIndex},
		{"NW004", "a member of a bond, and its primary, is a port of the profile, and in no other bond", "", checkMembers},
		{"NW005", "a port of a bridge is exactly one of bond, vf and uplink", "", checkPortKind},
		{"NW006", "the bond, uplink or VF of a bridge's port is one of the profile", "", checkPortTarget},
		{"NW007", "a bond, an uplink or a VF is a port of one bridge only, and an uplink in a bond is there through its bond", "", checkPortOnce},
		{
			"NW008", "a port of a bridge has a tag (access) or trunks; both with vlan_mode native-tagged or native-untagged, and cvlans with dot1q-tunnel only",
			"ovs-vswitchd.conf.db(5), Port, vlan_mode", checkTag,
		},
		{"NW009", "the VFs of a proof, and those of a bench, are different VFs of the profile, and a peer is another address of its VF's network", "", checkProofVFs},
		{
			"NW010", "a VF has a representor only while the eswitch is in switchdev",
			"Documentation/networking/representors.rst", checkRepresentor,
		},
		{
			"NW011", "a VF LAG is over exactly the ports of one card, all in switchdev",
			"drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_lag_check_prereq", checkLAG,
		},
		{
			"NW012", "a VF LAG has at most 64 VFs a port",
			"drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_handle_changeupper_event", checkLAGVFs,
		},
		{"NW013", "an option of a bond goes with its mode, its members and its other options", "drivers/net/bonding/bond_options.c, bond_opts", checkBonds},
		{
			"NW101", "TLS on an uplink in switchdev never reaches the card; put it on the VFs, or stay in legacy mode",
			"drivers/net/ethernet/mellanox/mlx5/core/en_main.c, mlx5e_fix_uplink_rep_features", checkUplinkTLS,
		},
		{
			"NW102", "a bond hands TLS to the card only with mode 802.3ad or balance-xor and xmit_hash_policy layer3+4; set both",
			"drivers/net/bonding/bond_main.c, bond_sk_check", checkBondTLS,
		},
	}, slices.Concat(livedRules(), bridgeRules(), vlanRules(), flowRules(), networkRules(), tuningRules(), addressRules(), paramRules(), benchRules(), hardwareRules())...)
}

// check runs all rules on the profile alone.
func (p *Profile) check() Errors { return broken(profileRules(), &subject{Profile: p}) }

// broken are the findings of some rules.
func broken(rules []Rule, s *subject) Errors {
	var errs Errors
	for _, r := range rules {
		r.check(s, func(at Position, format string, args ...any) {
			errs = append(errs, &Error{
				Position: at, Rule: r.ID, Severity: r.Severity, Message: fmt.Sprintf(format, args...),
				Allowed: "rule: " + r.Sentence, Origin: r.Source,
			})
		})
	}
	return errs
}

func checkWhole(p *Profile, report report) {
	if p.Name == "" {
		report(p.At(), "the profile has no name")
	}
	if len(p.Cards) == 0 {
		report(p.At("cards"), "the profile has no cards")
	}
}

func checkSelect(p *Profile, report report) {
	for i, c := range p.Cards {
		if c.Select == (Select{}) {
			report(p.At("cards", i, "select"), "card %s has no selector: one of pci, vendor, device, model, serial", c.Name)
		}
	}
}

func checkPortIndex(p *Profile, report report) {
	for i, c := range p.Cards {
		taken := map[int]string{}
		for j, port := range c.Ports {
			at := p.At("cards", i, "ports", j, "port")
			switch {
			case port.Port == nil:
				report(at, "port %s/%s has no number", c.Name, port.Name)
			case taken[*port.Port] != "":
				report(at, "ports %s and %s of card %s have the same number %d", taken[*port.Port], port.Name, c.Name, *port.Port)
			default:
				taken[*port.Port] = port.Name
			}
		}
	}
}

func checkMembers(p *Profile, report report) {
	taken := map[portRef]string{}
	for i, b := range p.Bonds {
		p.checkPrimary(i, b.Spec, report)
		for j, m := range b.Members {
			at := p.At("bonds", i, "members", j)
			ref, err := parsePortRef(m)
			if err == nil {
				_, err = p.find(ref)
			}
			switch {
			case err != nil:
				report(at, "member of %s: %v", b.Name, err)
			case taken[ref] != "":
				report(at, "%s is a member of %s and of %s", ref, taken[ref], b.Name)
			default:
				taken[ref] = b.Name
			}
		}
	}
}

func checkRepresentor(p *Profile, report report) {
	report = once(report)
	p.eachGroup(func(ref portRef, g group) {
		if !isSet(g.port.Mode, "legacy") {
			return
		}
		for key, set := range map[string]bool{"representor-up": g.spec.RepresentorUp != nil, "representor-mtu": g.spec.RepresentorMTU != nil} {
			if set {
				report(g.at(key), "%s of %s, whose eswitch-mode is legacy", key, ref)
			}
		}
	})
	eachSwitchPort(p, func(sp switchPort) {
		r, err := parseVFRef(sp.VF)
		if err != nil {
			return
		}
		if port, err := p.find(r.portRef); err == nil && isSet(port.Mode, "legacy") {
			report(sp.at("vf"), "port %s of bridge %s is the representor of a VF of %s, whose eswitch-mode is legacy", sp.Name, sp.bridge, r.portRef)
		}
	})
}

func checkLAG(p *Profile, report report) {
	for i, b := range p.Bonds {
		if b.LAG == nil || !*b.LAG {
			continue
		}
		at := p.At("bonds", i, "lag")
		if b.Members == nil {
			continue // left as they are on the host: the card will tell
		}
		in := map[portRef]bool{}
		cards := map[string]bool{}
		for _, m := range b.Members {
			ref, err := parsePortRef(m)
			if err != nil {
				continue
			}
			in[ref], cards[ref.card] = true, true
			if port, err := p.find(ref); err == nil && isSet(port.Mode, "legacy") {
				report(at, "lag over %s, whose eswitch-mode is legacy", ref)
			}
		}
		if len(cards) > 1 {
			report(at, "lag over %s, whose members are ports of %d cards", b.Name, len(cards))
			continue
		}
		if len(b.Members) < 2 {
			report(at, "lag over %s, which has %d member(s)", b.Name, len(b.Members))
		}
		for _, c := range p.Cards {
			for _, port := range c.Ports {
				if ref := (portRef{c.Name, port.Name}); cards[c.Name] && !in[ref] {
					report(at, "lag over %s, which has not got %s", b.Name, ref)
				}
			}
		}
	}
}

func checkLAGVFs(p *Profile, report report) {
	for _, b := range p.Bonds {
		if b.LAG == nil || !*b.LAG {
			continue
		}
		for i, c := range p.Cards {
			for j, port := range c.Ports {
				ref := portRef{c.Name, port.Name}
				if slices.Contains(b.Members, ref.String()) && port.VFs != nil && *port.VFs > 64 {
					report(p.At("cards", i, "ports", j, "vfs"), "%d VFs on %s, which is in the VF LAG of %s", *port.VFs, ref, b.Name)
				}
			}
		}
	}
}

func checkBonds(p *Profile, report report) {
	for i, b := range p.Bonds {
		b.LAG = nil // NW011 and NW111
		for _, err := range each(b.Validate()) {
			report(p.At("bonds", i, optionOf(b.Spec, err)), "%v", err)
		}
	}
}

func checkUplinkTLS(p *Profile, report report) {
	for i, c := range p.Cards {
		for j, port := range c.Ports {
			if !isSet(port.Mode, "switchdev") {
				continue
			}
			for key, on := range map[string]*bool{"tls-hw-tx-offload": port.Offload.TLSTx, "tls-hw-rx-offload": port.Offload.TLSRx} {
				if on != nil && *on {
					report(p.At("cards", i, "ports", j, "offload", key), "%s on %s/%s, whose eswitch-mode is switchdev", key, c.Name, port.Name)
				}
			}
		}
	}
}

func checkBondTLS(p *Profile, report report) {
	for i, b := range p.Bonds {
		tls := slices.IndexFunc(b.Members, func(m string) bool {
			ref, err := parsePortRef(m)
			if err != nil {
				return false
			}
			port, err := p.find(ref)
			return err == nil && (port.Offload.TLSTx != nil && *port.Offload.TLSTx || port.Offload.TLSRx != nil && *port.Offload.TLSRx)
		})
		if tls < 0 {
			continue
		}
		if !isSet(b.XmitHashPolicy, "layer3+4") {
			report(p.At("bonds", i, "xmit_hash_policy"), "TLS is on for %s in %s, whose xmit_hash_policy is %s", b.Members[tls], b.Name, orUnset(b.XmitHashPolicy))
		}
		if !isSet(b.Mode, "802.3ad") && !isSet(b.Mode, "balance-xor") {
			report(p.At("bonds", i, "mode"), "TLS is on for %s in %s, whose mode is %s", b.Members[tls], b.Name, orUnset(b.Mode))
		}
	}
}

func isSet(p *string, v string) bool { return p != nil && *p == v }

func orUnset(p *string) string {
	if p == nil {
		return "not set"
	}
	return *p
}
