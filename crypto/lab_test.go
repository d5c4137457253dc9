// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/lab/vflab"
)

const faults = "/sys/kernel/debug/connectx_emu/" // of the emulated card

// lab is two VFs in their namespaces; prove runs a cell between them.
type lab struct {
	*site.Site
	prove func(c KTLSCell, size int64, rate func(int64, float64)) proof.Proof
}

func atSite(t *testing.T) lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(cancel)
	links := vflab.Legacy(t, ctx, 2)
	vflab.Run(t, "ethtool", "-K", links[1].Name, featTLSRx, "on")
	return enter(t, ctx, links)
}

func enter(t *testing.T, ctx context.Context, links []netdev.Link) lab {
	t.Helper()
	s, err := site.Enter(ctx, false, links[0].Function, links[1].Function)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Leave(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	return lab{s, func(c KTLSCell, size int64, rate func(int64, float64)) proof.Proof {
		return ProveKTLS(ctx, c, s.Places[0], s.Places[1], size, rate)
	}}
}

func quietly(int64, float64) {}

// once is a rate that does something in the middle of a transfer.
func once(do func()) func(int64, float64) {
	done := false
	return func(int64, float64) {
		if !done {
			done = true
			do()
		}
	}
}

func expect(t *testing.T, what string, p proof.Proof, want proof.Verdict, reason string) {
	t.Helper()
	if p.Verdict != want || !strings.Contains(p.Reason, reason) {
		t.Errorf("%s: %s (%s), want %s because of %q\n%+v", what, p.Verdict, p.Reason, want, reason, p.Counters)
	}
}

// Of every cell of the matrix the truth is known here: the real driver offloads TLS 1.2 with AES-GCM, both ways.
func TestLabMatrix(t *testing.T) {
	l := atSite(t)
	for _, v := range Versions {
		for _, c := range Ciphers {
			for _, d := range []string{Tx, Rx} {
				cell := KTLSCell{v, c, d}
				want := proof.Offloaded
				if cell.Never() != "" {
					want = proof.Software
				}
				p := l.prove(cell, 1<<20+1, quietly)
				expect(t, fmt.Sprint(cell), p, want, cell.Never())
				if p.Bytes != 1<<20+1 || p.Seconds <= 0 {
					t.Errorf("%v: %d bytes in %f s", cell, p.Bytes, p.Seconds)
				}
			}
		}
	}
}

// The truth is another one each time, and the verdict follows it.
func TestLabVerdictFollowsTruth(t *testing.T) {
	l := atSite(t)
	from, to := l.Places[0], l.Places[1]
	in := func(p *site.Place, args ...string) {
		vflab.Run(t, "ip", append([]string{"netns", "exec", p.NS.Name()}, args...)...)
	}
	tx, rx := KTLSCell{Versions[0], Ciphers[0], Tx}, KTLSCell{Versions[0], Ciphers[0], Rx}
	const small, large = 1 << 20, 16 << 20

	in(from, "ethtool", "-K", from.Netdev, featTLSTx, "off")
	expect(t, "transmit switched off", l.prove(tx, small, quietly), proof.Software, featTLSTx+" is off on the sending VF")
	in(from, "ethtool", "-K", from.Netdev, featTLSTx, "on")
	in(to, "ethtool", "-K", to.Netdev, featTLSRx, "off")
	expect(t, "receive switched off", l.prove(rx, small, quietly), proof.Software, featTLSRx+" is off on the receiving VF")
	in(to, "ethtool", "-K", to.Netdev, featTLSRx, "on")

	vflab.Put(t, faults+"wrong_byte", "1000000")
	expect(t, "a card that changes a byte, sending", l.prove(tx, small, quietly), proof.Failed, "")
	vflab.Put(t, faults+"wrong_byte", "0")
	vflab.Put(t, faults+"wrong_icv", "1000000")
	expect(t, "a card whose records are not authentic", l.prove(tx, small, quietly), proof.Failed, errRecord.Error())
	vflab.Put(t, faults+"wrong_icv", "0")
	vflab.Put(t, faults+"no_encrypt", "1")
	expect(t, "a card that encrypts nothing", l.prove(tx, small, quietly), proof.Failed, errRecord.Error())
	expect(t, "a card that decrypts nothing", l.prove(rx, small, quietly), proof.Failed, "")
	vflab.Put(t, faults+"no_encrypt", "0")

	// A link that goes down in the middle: the kernel goes on in software, and still says hardware.
	p := l.prove(tx, large, once(func() {
		in(from, "ip", "link", "set", from.Netdev, "down")
		in(from, "ip", "link", "set", from.Netdev, "up")
		in(from, "ip", "route", "add", to.V4.Addr().String(), "dev", from.Netdev) // the kernel forgot it with the link
	}))
	expect(t, "a bounced link", p, proof.Software, "less than the")
	if len(p.Seen) == 0 || p.Seen[0].Value != "hardware" {
		t.Errorf("after the link bounced the kernel says %v: this test is about it saying hardware still", p.Seen)
	}

	// Somebody else's connection over the same VF, meanwhile.
	p = l.prove(tx, large, once(func() { l.prove(tx, small, quietly) }))
	expect(t, "somebody else's traffic", p, proof.Software, "somebody else")

	// No more contexts, from the second connection on.
	expect(t, "the last context", l.prove(tx, small, quietly), proof.Offloaded, "")
	// A key is made (CREATE), or put into one that the driver keeps (MODIFY).
	for _, op := range []string{"0xa00", "0xa01"} {
		vflab.Put(t, faults+"commands", "fail "+op+" 1000 0x8 0x1234")
	}
	expect(t, "no context left", l.prove(tx, small, quietly), proof.Software, "txconf software")
	vflab.Put(t, faults+"commands", "clear")
	expect(t, "contexts again", l.prove(tx, small, quietly), proof.Offloaded, "")
}
