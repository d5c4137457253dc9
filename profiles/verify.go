// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"nicwright/bond"
	"nicwright/crypto"
	"nicwright/eswitch/ovs"
	"nicwright/internal/pci"
)

// VerifySpec says which proofs `nicwright verify` runs, between which VFs, and
// what their verdicts have to be. What is not set is proved as far as the host
// lets it, and not required.
type VerifySpec struct {
	// Pairs of VFs between which the transfers of ktls and ipsec run. Unset: two free VFs of one
	// port and, where there are such, two of different ports, that share a VLAN.
	Pairs []PairSpec `json:"pairs,omitempty"`
	// InUse: take VFs too that have addresses or a master. They are put back; their routes are not.
	InUse bool `json:"in-use,omitempty"`
	// KTLS is the proof of kernel TLS.
	KTLS *crypto.KTLSSpec `json:"ktls,omitempty"`
	// IPsec is the proof of IPsec.
	IPsec *crypto.IPsecSpec `json:"ipsec,omitempty"`
	// VLAN is the proof that VLANs are apart, and that the uplinks carry those they shall.
	VLAN *ovs.VLANProofSpec `json:"vlan,omitempty"`
	// Flows is the proof that the card forwards, and not Open vSwitch.
	Flows *ovs.FlowsProofSpec `json:"flows,omitempty"`
	// Bond is the proof of the bonds.
	Bond *bond.ProofSpec `json:"bond,omitempty"`
}

// PairSpec is two VFs.
type PairSpec struct {
	// From is the VF that sends, CARD/PORT/vfN; resolved, pci.Function.String().
	From string `json:"from" jsonschema:"required"`
	// To is the VF that receives, written as From is.
	To string `json:"to" jsonschema:"required"`
}

func (r *resolver) resolveVerify(w *Want) {
	if r.p.Verify == nil {
		return
	}
	v := *r.p.Verify
	v.Pairs = nil
	for i, pair := range r.p.Verify.Pairs {
		for key, end := range map[string]*string{"from": &pair.From, "to": &pair.To} {
			ref, err := parseVFRef(*end)
			if err == nil {
				err = inRange(ref, r.counts[ref.portRef])
			}
			if err != nil {
				r.fail(r.p.At("verify", "pairs", i, key), "set vfs of the port, or make the VFs", "%s: %v", key, err)
				continue
			}
			*end = pci.VF(r.ports[ref.portRef].Address, ref.first).String()
		}
		v.Pairs = append(v.Pairs, pair)
	}
	w.Verify = &v
}

func checkVerify(p *Profile, report report) {
	if p.Verify == nil {
		return
	}
	for i, pair := range p.Verify.Pairs {
		for key, v := range map[string]string{"from": pair.From, "to": pair.To} {
			at := p.At("verify", "pairs", i, key)
			if r, err := p.checkVF(v); err != nil {
				report(at, "%s: %v", key, err)
			} else if r.first != r.last {
				report(at, "%s: %q is a range; one VF is needed", key, v)
			}
		}
		if pair.From == pair.To {
			report(p.At("verify", "pairs", i, "to"), "from and to are the same VF")
		}
	}
}

// checkNeverOffloaded holds what is required of kTLS against what any card does.
func checkNeverOffloaded(p *Profile, report report) {
	if p.Verify == nil || p.Verify.KTLS == nil || !isSet(p.Verify.KTLS.Require, "offloaded") {
		return
	}
	k := p.Verify.KTLS
	for i, v := range k.Versions {
		if v == "TLSv1.3" {
			report(p.At("verify", "ktls", "versions", i), "offloaded is required of %s", v)
		}
	}
	for i, c := range k.Ciphers {
		if c == "ChaCha20-Poly1305" {
			report(p.At("verify", "ktls", "ciphers", i), "offloaded is required of %s", c)
		}
	}
}
