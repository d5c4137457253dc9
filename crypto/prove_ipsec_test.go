// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/pci"
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
			{"refused, and not granted", func(_ *proof.Proof, x *seenIPsec) {
				x.refused, x.withheld = errors.New("EOPNOTSUPP: dmfs"), "ipsec_packet is off"
			}, nil, proof.NotPossible, "ipsec_packet is off: EOPNOTSUPP"},
			{"taken without the offload, and not granted", func(_ *proof.Proof, x *seenIPsec) {
				x.software, x.withheld = fmt.Errorf("%w: is it CONFIG_MLX5_EN_IPSEC", ipsec.ErrSoftware), "ipsec_crypto is off"
			}, nil, proof.Software, "ipsec_crypto is off: " + ipsec.ErrSoftware.Error()},
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

// The port function is looked at before anything is blamed.
func TestIPsecWithheld(t *testing.T) {
	vf := pci.VF("0001:3b:00.0", 1)
	says := func(attributes map[string]bool) Granted {
		return func(f pci.Function) map[string]bool {
			if f != vf {
				t.Errorf("%s was asked about", f)
			}
			return attributes
		}
	}
	for _, tt := range []struct {
		name    string
		offload string
		f       pci.Function
		granted Granted
		want    string
	}{
		{"off", "crypto", vf, says(map[string]bool{"ipsec_crypto": false, "ipsec_packet": true}), "ipsec_crypto of the port function of " + vf.String() + " is off"},
		{"the other is off", "packet", vf, says(map[string]bool{"ipsec_crypto": false, "ipsec_packet": true}), ""},
		{"packet is off", "packet", vf, says(map[string]bool{"ipsec_crypto": true, "ipsec_packet": false}), "{ipsec_packet: true}"},
		{"the driver has no such attribute", "crypto", vf, says(map[string]bool{"roce": true}), ""},
		{"legacy mode", "crypto", vf, says(nil), ""},
		{"nobody knows", "crypto", vf, nil, ""},
		{"a PF has none", "crypto", pci.PF("0001:3b:00.0"), says(nil), ""},
	} {
		if got := (IPsecCell{Offload: tt.offload}).withheld(tt.f, tt.granted); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
