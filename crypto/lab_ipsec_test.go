// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"fmt"
	"testing"

	"nicwright/internal/proof"
)

// Crypto offload is what a VF does on the emulated card; whatever the verdict on packet offload, it has a reason.
func TestLabIPsec(t *testing.T) {
	l := atSite(t)
	prove := func(c IPsecCell) proof.Proof {
		return ProveIPsec(t.Context(), c, l.Places[0], l.Places[1], 1<<20+1, quietly)
	}
	for _, m := range Modes {
		for i, ip := range IPs {
			for _, d := range []string{Tx, Rx} {
				c := IPsecCell{"crypto", m, ESPs[i], ip, d}
				p := prove(c)
				expect(t, fmt.Sprint(c), p, proof.Offloaded, "")
				if len(p.Seen) != 2 {
					t.Errorf("%v: the SAs are not among what was seen: %v", c, p.Seen)
				}
			}
		}
	}
	c := IPsecCell{"crypto", "transport", ESPs[0], "ipv4", Tx}
	put(t, faults+"wrong_icv", "3")
	expect(t, "a card with wrong ICVs", prove(c), proof.Failed, "XfrmInStateProtoError moved by")
	put(t, faults+"wrong_icv", "0")
	put(t, faults+"commands", "fail 0xa00 1000 0x8 0x1234")
	p := prove(c)
	if p.Verdict == proof.Offloaded || p.Reason == "" {
		t.Errorf("a card that takes no SA: %s (%s)", p.Verdict, p.Reason)
	}
	put(t, faults+"commands", "clear")
	expect(t, "again", prove(c), proof.Offloaded, "")
}

// A card that accepts an SA, says that it encrypts and sends plain text: nothing arrives that the witness accepts.
func TestLabIPsecWithoutEncryption(t *testing.T) {
	l := atSite(t)
	put(t, faults+"no_encrypt", "1")
	defer put(t, faults+"no_encrypt", "0")
	p := ProveIPsec(t.Context(), IPsecCell{"crypto", "transport", ESPs[0], "ipv4", Tx}, l.Places[0], l.Places[1], 1<<20, quietly)
	expect(t, "a card that encrypts nothing", p, proof.Failed, "XfrmInStateProtoError moved by")
}
