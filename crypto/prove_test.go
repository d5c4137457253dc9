// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/crypto/ktls"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
)

const size = 1000

// proven is a proof to which nothing is lacking.
func proven(direction string) (proof.Proof, seenTLS) {
	s := sides[direction]
	return proof.Proof{
		Bytes: size,
		Counters: []proof.Counter{
			{Name: s.bytes, Before: 500, After: 1600},
			{Name: s.packets, Before: 1, After: 2},
			{Name: s.device, Before: 3, After: 4},
			{Name: s.software, Before: 7, After: 7},
			{Name: decryptError, Before: 1, After: 1},
		},
	}, seenTLS{state: ktls.State{Version: 0x0303, Cipher: 51, Tx: ktls.Hardware, Rx: ktls.Hardware}, wire: 1100}
}

// Each thing that "offloaded" needs is taken away alone, and the verdict is
// another one, for that reason.
func TestJudgeKTLS(t *testing.T) {
	for _, direction := range []string{Tx, Rx} {
		s := sides[direction]
		for _, c := range []struct {
			name   string
			spoil  func(*proof.Proof, *seenTLS)
			err    error
			want   proof.Verdict
			reason string
		}{
			{"nothing is lacking", func(*proof.Proof, *seenTLS) {}, nil, proof.Offloaded, ""},
			{"other bytes arrived", func(*proof.Proof, *seenTLS) {}, site.ErrDiffers, proof.Failed, "other bytes arrived"},
			{"fewer bytes arrived", func(p *proof.Proof, _ *seenTLS) { p.Bytes = 999 }, nil, proof.Failed, "999 arrived"},
			{"the transfer broke", func(*proof.Proof, *seenTLS) {}, errors.New("connection reset"), proof.Failed, "connection reset"},
			{"no TLS in the kernel", func(*proof.Proof, *seenTLS) {}, fmt.Errorf("x: %w", ktls.ErrNoKernelTLS), proof.NotPossible, "modprobe tls"},
			{"no such cipher in the kernel", func(*proof.Proof, *seenTLS) {}, fmt.Errorf("x: %w", ktls.ErrNoCipher), proof.NotPossible, "does not find the cipher"},
			{"the kernel has the keys", func(_ *proof.Proof, x *seenTLS) { x.state.Tx, x.state.Rx = ktls.Software, ktls.Software }, nil, proof.Software, s.what + " software"},
			{"the card's counter moved too little", func(p *proof.Proof, _ *seenTLS) { p.Counters[0].After = 1499 }, nil, proof.Software, "moved by 999"},
			{"the card's counter moved too much", func(p *proof.Proof, _ *seenTLS) { p.Counters[0].After = 1 << 20 }, nil, proof.Software, "somebody else"},
			{"the card has no such counter", func(p *proof.Proof, _ *seenTLS) { p.Counters = p.Counters[1:] }, nil, proof.Software, s.bytes + " moved by 0"},
			{"the software counter moved", func(p *proof.Proof, _ *seenTLS) { p.Counters[3].After = 8 }, nil, proof.Software, s.software + " moved by 1"},
			{"no session was opened on the device", func(p *proof.Proof, _ *seenTLS) { p.Counters[2].After = 3 }, nil, proof.Software, s.device + " did not move"},
			{"somebody else opened one too", func(p *proof.Proof, _ *seenTLS) { p.Counters[2].After = 5 }, nil, proof.Software, "somebody else"},
			{"a record did not decrypt", func(p *proof.Proof, _ *seenTLS) { p.Counters[4].After = 2 }, nil, proof.Software, decryptError + " moved by 1"},
			{"the switch is off", func(_ *proof.Proof, x *seenTLS) {
				x.state.Tx, x.state.Rx, x.off = ktls.Software, ktls.Software, s.feature+" is off"
			}, nil, proof.Software, s.feature + " is off: "},
		} {
			t.Run(direction+" "+c.name, func(t *testing.T) {
				p, seen := proven(direction)
				c.spoil(&p, &seen)
				judgeKTLS(&p, KTLSCell{Version: "TLSv1.2", Cipher: "AES-128-GCM", Direction: direction}, seen, size, c.err)
				if p.Verdict != c.want || !strings.Contains(p.Reason, c.reason) || (c.reason == "" && p.Reason != "") {
					t.Errorf("got %q, %q; want %q for %q", p.Verdict, p.Reason, c.want, c.reason)
				}
			})
		}
	}
}

// Another connection is made where the card says that it lost its place, three in all, and nowhere else.
func TestProveTriesAgain(t *testing.T) {
	lost := func(moved, asked uint64) func(*proof.Proof) {
		return func(p *proof.Proof) {
			p.Counters[0].After = p.Counters[0].Before + moved
			p.Counters = append(p.Counters, proof.Counter{Name: resyncs, After: asked})
		}
	}
	whole := func(*proof.Proof) {}
	for _, c := range []struct {
		name   string
		runs   []func(*proof.Proof)
		want   proof.Verdict
		reason string
	}{
		{"nothing is lacking", []func(*proof.Proof){whole}, proof.Offloaded, ""},
		{"it asked, and had done enough all the same", []func(*proof.Proof){lost(1100, 1)}, proof.Offloaded, ""},
		{"lost once", []func(*proof.Proof){lost(900, 1), whole}, proof.Offloaded, ""},
		{"lost always", []func(*proof.Proof){lost(900, 1), lost(800, 2), lost(700, 3)}, proof.Software, resyncs + " moved by 3"},
		{"less, and the card never asked", []func(*proof.Proof){lost(900, 0)}, proof.Software, "moved by 900"},
		{"the lesser part", []func(*proof.Proof){lost(499, 1)}, proof.Software, "moved by 499"},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs := 0
			cell := KTLSCell{Version: "TLSv1.2", Cipher: "AES-128-GCM", Direction: Rx}
			p := cell.prove(t.Context(), nil, size, func(_ context.Context, p *proof.Proof) (seenTLS, error) {
				if runs == len(c.runs) {
					t.Fatal("one connection more than was to be")
				}
				was, seen := proven(Rx)
				*p = was
				c.runs[runs](p)
				runs++
				return seen, nil
			})
			if runs != len(c.runs) || p.Verdict != c.want || !strings.Contains(p.Reason, c.reason) || (c.reason == "" && p.Reason != "") {
				t.Errorf("after %d of %d: %q, %q; want %q for %q", runs, len(c.runs), p.Verdict, p.Reason, c.want, c.reason)
			}
		})
	}
}

// What no kernel offloads is said first in the reason.
func TestJudgeSaysWhatIsKnown(t *testing.T) {
	for _, c := range []KTLSCell{{"TLSv1.3", "AES-128-GCM", Tx}, {"TLSv1.2", "ChaCha20-Poly1305", Rx}} {
		p, seen := proven(c.Direction)
		seen.state.Tx, seen.state.Rx = ktls.Software, ktls.Software
		judgeKTLS(&p, c, seen, size, nil)
		if p.Verdict != proof.Software || !strings.HasPrefix(p.Reason, c.Never()) || c.Never() == "" {
			t.Errorf("%+v: %s, %s", c, p.Verdict, p.Reason)
		}
	}
}

func TestParseTLSStat(t *testing.T) {
	got := parseTLSStat("TlsCurrTxSw                     \t0\nTlsTxSw                         \t12\nTlsTxDevice                     \t3\nnonsense\n")
	if got["TlsTxSw"] != 12 || got["TlsTxDevice"] != 3 {
		t.Errorf("got %v", got)
	}
	// Before the module is loaded there is no file, and after it there are counts to compare with.
	before := take(nil, "kernel", parseTLSStat(""), "TlsTxDevice", "TlsTxSw")
	after := take(before, "kernel", got, "TlsTxDevice", "TlsTxSw")
	if len(after) != 2 || delta(after, "TlsTxSw") != 12 || delta(after, "TlsTxDevice") != 3 {
		t.Errorf("got %v", after)
	}
}
