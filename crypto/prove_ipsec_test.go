// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/proof"
)

// Each thing that "offloaded" needs is taken away alone.
func TestJudgeIPsec(t *testing.T) {
	for _, direction := range []string{Tx, Rx} {
		names := ipsecCounters[direction]
		for _, c := range []struct {
			name   string
			spoil  func(*proof.Proof, *seenIPsec)
			err    error
			want   proof.Verdict
			reason string
		}{
			{"nothing is lacking", func(*proof.Proof, *seenIPsec) {}, nil, proof.Offloaded, ""},
			{"refused", func(_ *proof.Proof, x *seenIPsec) { x.refused = errors.New("EOPNOTSUPP: dmfs") }, nil, proof.NotPossible, "dmfs"},
			{"taken without the offload", func(_ *proof.Proof, x *seenIPsec) { x.software = fmt.Errorf("x: %w", ipsec.ErrSoftware) }, nil, proof.Software, "in software"},
			{"the card's counter moved too little", func(p *proof.Proof, _ *seenIPsec) { p.Counters[0].After = 1499 }, nil, proof.Software, "moved by 999"},
			{"the card's counter moved too much", func(p *proof.Proof, _ *seenIPsec) { p.Counters[0].After = 1 << 20 }, nil, proof.Software, "somebody else"},
			{"the driver has no counters", func(p *proof.Proof, _ *seenIPsec) { p.Counters = p.Counters[2:] }, nil, proof.NotPossible, "no counter"},
			{"the witness found a bad ICV", func(p *proof.Proof, _ *seenIPsec) { p.Counters[2].After++ }, nil, proof.Failed, "XfrmInStateProtoError moved by 1"},
			{"plain packets arrived", func(p *proof.Proof, _ *seenIPsec) { p.Counters[3].After++ }, nil, proof.Failed, "XfrmInTmplMismatch moved by 1"},
			{"fewer bytes arrived", func(p *proof.Proof, _ *seenIPsec) { p.Bytes = 999 }, nil, proof.Failed, "999 arrived"},
			{"nothing came, for the packets were bad", func(p *proof.Proof, _ *seenIPsec) { p.Counters[2].After += 7 }, errors.New("i/o timeout"), proof.Failed, "moved by 7"},
		} {
			t.Run(direction+" "+c.name, func(t *testing.T) {
				p := proof.Proof{Bytes: size, Counters: []proof.Counter{
					{Name: names[0], Before: 500, After: 1600},
					{Name: names[1], Before: 1, After: 2},
					{Name: "XfrmInStateProtoError", Before: 4, After: 4},
					{Name: "XfrmInTmplMismatch", Before: 4, After: 4},
				}}
				seen := seenIPsec{wire: 1100}
				c.spoil(&p, &seen)
				judgeIPsec(&p, IPsecCell{Direction: direction}, seen, size, c.err)
				if p.Verdict != c.want || !strings.Contains(p.Reason, c.reason) || c.reason == "" && p.Reason != "" {
					t.Errorf("got %q, %q; want %q for %q", p.Verdict, p.Reason, c.want, c.reason)
				}
			})
		}
	}
}
