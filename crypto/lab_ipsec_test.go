// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/lab/vflab"
)

func inSwitchdev(t *testing.T, attributes ...string) lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(cancel)
	return enter(t, ctx, vflab.Switchdev(t, ctx, 2, attributes...))
}

func (l lab) ipsec(t *testing.T, c IPsecCell) proof.Proof {
	return ProveIPsec(t.Context(), c, l.Places[0], l.Places[1], 1<<20+1, nil, quietly)
}

// Whatever the port function allows, the card does, and is seen doing.
func TestLabIPsec(t *testing.T) {
	l := inSwitchdev(t, "ipsec_crypto", "ipsec_packet")
	for _, o := range Offloads {
		for i, m := range Modes {
			for _, d := range Directions {
				c := IPsecCell{o, m, ESPs[i], IPs[i], d}
				p := l.ipsec(t, c)
				expect(t, fmt.Sprint(c), p, proof.Offloaded, "")
				if len(p.Seen) != 2 {
					t.Errorf("%v: the SAs are not among what was seen: %v", c, p.Seen)
				}
			}
		}
	}
	c := IPsecCell{"crypto", "transport", ESPs[0], "ipv4", Tx}
	vflab.Put(t, faults+"wrong_icv", "3")
	expect(t, "a card with wrong ICVs", l.ipsec(t, c), proof.Failed, "XfrmInStateProtoError moved by")
	vflab.Put(t, faults+"wrong_icv", "0")
	vflab.Put(t, faults+"commands", "fail 0xa00 1000 0x8 0x1234")
	if p := l.ipsec(t, c); p.Verdict == proof.Offloaded || p.Reason == "" {
		t.Errorf("a card that takes no SA: %s (%s)", p.Verdict, p.Reason)
	}
	vflab.Put(t, faults+"commands", "clear")
	expect(t, "again", l.ipsec(t, c), proof.Offloaded, "")
	// A card that accepts an SA, says that it encrypts and sends plain text: nothing arrives that the witness accepts.
	vflab.Put(t, faults+"no_encrypt", "1")
	expect(t, "a card that encrypts nothing", l.ipsec(t, c), proof.Failed, "XfrmInStateProtoError moved by")
	vflab.Put(t, faults+"no_encrypt", "0")
}

// Without the attribute the VF has no IPsec in the card: the kernel takes an SA silently, and packet mode not at all.
// What is known of the port function comes first in the reason.
func TestLabIPsecWithoutPortFunction(t *testing.T) {
	l := inSwitchdev(t)
	crypto, packet := IPsecCell{"crypto", "transport", ESPs[0], "ipv4", Tx}, IPsecCell{"packet", "transport", ESPs[0], "ipv4", Tx}
	expect(t, "crypto", l.ipsec(t, crypto), proof.Software, "in software")
	expect(t, "packet", l.ipsec(t, packet), proof.NotPossible, "")
	off := func(pci.Function) map[string]bool {
		return map[string]bool{"ipsec_crypto": false, "ipsec_packet": false}
	}
	prove := func(c IPsecCell) proof.Proof {
		return ProveIPsec(t.Context(), c, l.Places[0], l.Places[1], 1<<20+1, off, quietly)
	}
	expect(t, "crypto, not granted", prove(crypto), proof.Software, "ipsec_crypto of the port function of pci/")
	expect(t, "packet, not granted", prove(packet), proof.NotPossible, "ipsec_packet of the port function of pci/")
}
