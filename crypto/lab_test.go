// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nicwright/internal/await"
	"nicwright/internal/netdev"
	"nicwright/internal/pci"
	"nicwright/internal/proof"
	"nicwright/internal/site"
)

const (
	labPF  = pci.Address("0001:3b:00.0")
	faults = "/sys/kernel/debug/connectx_emu/" // of the emulated card
)

// vfPair makes two VFs of a port in legacy mode and gives their netdevs.
func vfPair(t *testing.T, ctx context.Context) (from, to netdev.Link) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	numVFs := fmt.Sprintf("/sys/bus/pci/devices/%s/sriov_numvfs", labPF)
	put(t, numVFs, "0")
	t.Cleanup(func() { put(t, numVFs, "0") })
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+string(labPF), "mode", "legacy")
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	put(t, numVFs, "2")
	for i, l := range []*netdev.Link{&from, &to} {
		err := await.Until(ctx, "the VF has a netdev", events, func() (bool, error) {
			var err error
			*l, err = netdev.OfFunction(ctx, pci.VF(labPF, i))
			return err == nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return from, to
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o200); err != nil {
		t.Fatal(err)
	}
}

func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// lab is two VFs in their namespaces; prove runs a cell between them.
type lab struct {
	*site.Site
	prove func(c KTLSCell, size int64, rate func(int64, float64)) proof.Proof
}

func atSite(t *testing.T) lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	from, to := vfPair(t, ctx)
	witness(t, "ethtool", "-K", to.Name, featTLSRx, "on")
	s, err := site.Enter(ctx, false, from.Function, to.Function)
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
		witness(t, "ip", append([]string{"netns", "exec", p.NS.Name()}, args...)...)
	}
	tx, rx := KTLSCell{Versions[0], Ciphers[0], Tx}, KTLSCell{Versions[0], Ciphers[0], Rx}
	const small, large = 1 << 20, 48 << 20

	in(from, "ethtool", "-K", from.Netdev, featTLSTx, "off")
	expect(t, "transmit switched off", l.prove(tx, small, quietly), proof.Software, featTLSTx+" is off on the sending VF")
	in(from, "ethtool", "-K", from.Netdev, featTLSTx, "on")
	in(to, "ethtool", "-K", to.Netdev, featTLSRx, "off")
	expect(t, "receive switched off", l.prove(rx, small, quietly), proof.Software, featTLSRx+" is off on the receiving VF")
	in(to, "ethtool", "-K", to.Netdev, featTLSRx, "on")

	put(t, faults+"wrong_byte", "1000000")
	expect(t, "a card that changes a byte, sending", l.prove(tx, small, quietly), proof.Failed, "")
	put(t, faults+"wrong_byte", "0")
	put(t, faults+"wrong_icv", "1000000")
	expect(t, "a card whose records are not authentic", l.prove(tx, small, quietly), proof.Failed, errRecord.Error())
	put(t, faults+"wrong_icv", "0")
	put(t, faults+"no_encrypt", "1")
	expect(t, "a card that encrypts nothing", l.prove(tx, small, quietly), proof.Failed, errRecord.Error())
	expect(t, "a card that decrypts nothing", l.prove(rx, small, quietly), proof.Failed, "")
	put(t, faults+"no_encrypt", "0")

	// A link that goes down in the middle: the kernel goes on in software, and still says hardware.
	p := l.prove(tx, large, once(func() {
		in(from, "ip", "link", "set", from.Netdev, "down")
		in(from, "ip", "link", "set", from.Netdev, "up")
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
	put(t, faults+"commands", "fail 0xa00 1000 0x8 0x1234")
	expect(t, "no context left", l.prove(tx, small, quietly), proof.Software, "txconf software")
	put(t, faults+"commands", "clear")
	expect(t, "contexts again", l.prove(tx, small, quietly), proof.Offloaded, "")
}
