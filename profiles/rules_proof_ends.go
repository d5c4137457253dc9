// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/crypto"
)

// proofEnd is a VF that the profile names for a proof, at verify.LIST[i].KEY.
type proofEnd struct {
	place
	ref  portRef
	list string
	i    int
	key  string
	spec VF // how the VF is to be
}

// proofVFs are the VFs of pairs and peers.
func (p *Profile) proofVFs() []proofEnd {
	if p.Verify == nil {
		return nil
	}
	var ends []proofEnd
	add := func(vf, list string, i int, key string) {
		r, err := parseVFRef(vf)
		if err != nil {
			return // NW009
		}
		if at, err := p.find(r.portRef); err == nil {
			ends = append(ends, proofEnd{at, r.portRef, list, i, key, at.vfSpec(r.first)})
		}
	}
	for i, pair := range p.Verify.Pairs {
		add(pair.From, "pairs", i, "from")
		add(pair.To, "pairs", i, "to")
	}
	for i, peer := range p.Verify.Peers {
		add(peer.VF, "peers", i, "vf")
	}
	return ends
}

// elsewhere tells that the VFs will have no netdevs here: no proof takes them by itself.
func (g group) elsewhere() bool { return g.spec.Driver != nil && *g.spec.Driver != driverWithNetdev }

func checkProofDriver(p *Profile, report report) {
	for _, end := range p.proofVFs() {
		if d := end.spec.Driver; d != nil && *d != driverWithNetdev {
			report(p.At("verify", end.list, end.i, end.key), "%s is a VF of %s whose driver is to be %s", end.key, end.ref, *d)
		}
	}
}

// checkProofSwitches holds the proof that is to be offloaded against the switches
// of its VFs.
func checkProofSwitches(p *Profile, report report) {
	p.proofSwitches(report, func(directions []string, o crypto.Spec) string { return switchesOff(directions, o.TLSTx, o.TLSRx) })
}

// checkProofReceive: what is left alone may be on at the host, and hardly is.
func checkProofReceive(p *Profile, report report) {
	p.proofSwitches(report, func(directions []string, o crypto.Spec) string {
		if slices.Contains(directions, crypto.Rx) && o.TLSRx == nil {
			return "its tls-hw-rx-offload is not set, and off by default"
		}
		return ""
	})
}

// proofSwitches asks of each VF of a proof that is to be offloaded: the one that
// sends transmits, the other receives. Where no pair is named any VFs can be
// taken.
func (p *Profile) proofSwitches(report report, unmet func(directions []string, o crypto.Spec) string) {
	if p.Verify == nil || p.Verify.KTLS == nil || !isSet(p.Verify.KTLS.Require, "offloaded") {
		return
	}
	directions := p.Verify.KTLS.Directions
	if directions == nil {
		directions = crypto.Directions
	}
	said := map[string]bool{} // of two ends of one port, or ranges of it, once
	check := func(ref portRef, o crypto.Spec, directions []string) {
		if why := unmet(directions, o); why != "" && !said[ref.String()+why] {
			said[ref.String()+why] = true
			report(p.At("verify", "ktls", "require"), "TLS of a VF of %s has to be offloaded, and %s", ref, why)
		}
	}
	if len(p.Verify.Pairs) == 0 {
		p.eachGroup(func(ref portRef, g group) {
			if g.size() != 0 && !g.elsewhere() {
				check(ref, g.spec.Offload, directions)
			}
		})
		return
	}
	for _, end := range p.proofVFs() {
		does := map[string][]string{"from": {crypto.Tx}, "to": {crypto.Rx}, "vf": crypto.Directions}[end.key]
		does = slices.DeleteFunc(slices.Clone(does), func(d string) bool { return !slices.Contains(directions, d) })
		if len(does) > 0 {
			check(end.ref, end.spec.Offload, does)
		}
	}
}

// switchesOff says which of the switches that these directions need the profile
// turns off, "" if none.
func switchesOff(directions []string, tx, rx *bool) string {
	var why []string
	if slices.Contains(directions, crypto.Tx) && isFalse(tx) {
		why = append(why, "its tls-hw-tx-offload is to be off")
	}
	if slices.Contains(directions, crypto.Rx) && isFalse(rx) {
		why = append(why, "its tls-hw-rx-offload is to be off")
	}
	return strings.Join(why, ", and ")
}
