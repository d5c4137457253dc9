// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"maps"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/stream"
)

func TestCellsHaveNoTwins(t *testing.T) {
	cells := Full.Cells()
	seen := map[sample.Cell]bool{}
	plain := 0
	for _, c := range cells {
		if seen[c] {
			t.Errorf("%+v is there twice", c)
		}
		seen[c] = true
		s := sample.Sample{Bench: sample.IPsec, Cell: c, Turn: 1, Gate: sample.Gate{Verdict: sample.AsSaid}}
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if c.Clients < c.SAs {
			t.Errorf("%d streams for %d SAs", c.Clients, c.SAs)
		}
		if c.Mode == sample.Plain {
			plain++
		}
	}
	// Plain by MTU and streams (8, and 64 for 64 SAs); the others by encapsulation and SAs, too.
	if plain != 2*2 || len(cells) != plain+3*2*3*2 {
		t.Errorf("%d cells, %d of them plain", len(cells), plain)
	}
	if c := control(cells); c.Mode != sample.Plain {
		t.Errorf("the control is %+v", c)
	}
}

func TestAxes(t *testing.T) {
	for _, a := range []Axes{Full, Quick} {
		if err := a.Check(); err != nil {
			t.Error(err)
		}
	}
	for words, change := range map[string]func(*Axes){
		`the mode "card-tx"`:       func(a *Axes) { a.Modes = []sample.Mode{sample.CardTx} },
		`the encapsulation "beet"`: func(a *Axes) { a.Encapsulations = []string{"beet"} },
		`the cipher "AES-128-CBC"`: func(a *Axes) { a.Ciphers = []string{"AES-128-CBC"} },
		"65 pairs of SAs":          func(a *Axes) { a.SAs = []int{65} },
		"an MTU of 576":            func(a *Axes) { a.MTUs = []int{576} },
		"0 streams":                func(a *Axes) { a.Streams = []int{0} },
		"99000000 bytes at a time": func(a *Axes) { a.Sizes = []uint64{99e6} },
		"nothing is left":          func(a *Axes) { a.Sizes = nil },
		"vary fewer things": func(a *Axes) {
			for n := range 64 {
				a.Streams = append(a.Streams, 100+n)
			}
		},
	} {
		a := Full
		change(&a)
		if err := a.Check(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

// good is the evidence of a cell that ran as it says: 2 SAs, 1 MB.
func good(m sample.Mode) (sample.Cell, evidence) {
	c := sample.Cell{Mode: m, Encapsulation: "transport", SAs: 2, Clients: 2, Size: 1000, MTU: 1500}
	counters := map[string]int64{}
	if m == sample.IPsecCard || m == sample.IPsecFull {
		counters = map[string]int64{sentBytes: 1_100_000, sentPackets: 700, receivedBytes: 1_090_000, receivedPackets: 690}
	}
	counted := maps.Clone(counters)
	counted[sentBytes], counted[receivedBytes] = counted[sentBytes]+5, counted[receivedBytes]+5
	e := evidence{
		counted: counted, moved: counters, states: []ipsec.State{{Bytes: 600_000, Packets: 400}, {Bytes: 500_000, Packets: 300}},
		sent: stream.Sent{Bytes: 1_050_000}, received: stream.Received{All: 1_000_000, Bytes: 900_000},
	}
	if m == sample.Plain {
		c.SAs, e.states = 0, nil
	}
	return c, e
}

func TestGate(t *testing.T) {
	for _, m := range Modes {
		c, e := good(m)
		if g := e.gate(c); g.Verdict != sample.AsSaid {
			t.Errorf("%s: %+v", m, g)
		}
	}
	for _, tt := range []struct {
		name     string
		mode     sample.Mode
		change   func(*evidence)
		words    string
		software float64
	}{
		{"the card did it", sample.IPsecSoft, func(e *evidence) { e.moved[sentBytes] = 5000 }, "it did what the kernel should have done", 0},
		{"the card did it, without IPsec", sample.Plain, func(e *evidence) { e.moved[receivedBytes] = 5000 }, "it did what the kernel should have done", 0},
		{"the kernel sent", sample.IPsecCard, func(e *evidence) { e.moved[sentBytes] = 250_000 }, "server.ipsec_tx_bytes moved by 250000, and 1000000 bytes arrived", 0.75},
		{"the kernel received", sample.IPsecFull, func(e *evidence) { delete(e.moved, receivedBytes) }, "client.ipsec_rx_bytes moved by 0", 1},
		{"an old driver", sample.IPsecCard, func(e *evidence) { delete(e.counted, sentBytes) }, "no counter server.ipsec_tx_bytes", 0},
		{"somebody else", sample.IPsecCard, func(e *evidence) { e.moved[sentBytes] = 1e8 }, "somebody else uses the VF", 0},
		{"bad packets", sample.IPsecCard, func(e *evidence) { e.moved["client.XfrmInStateProtoError"] = 3 }, "client.XfrmInStateProtoError moved by 3", 0},
		{"dropped by the card", sample.IPsecFull, func(e *evidence) { e.moved["client.ipsec_rx_drop_pkts"] = 1 }, "ipsec_rx_drop_pkts moved by 1", 0},
		{"an SA that carried nothing", sample.IPsecCard, func(e *evidence) { e.states[1].Packets = 0 }, "1 of 2 SAs carried nothing", 0},
		{"so in packet mode", sample.IPsecFull, func(e *evidence) { e.states[1].Packets = 0 }, "1 of 2 SAs carried nothing", 0},
		{"not protected", sample.IPsecSoft, func(e *evidence) { e.states[0].Bytes = 10 }, "the rest was not protected", 0},
		{"an SA that is gone", sample.IPsecSoft, func(e *evidence) { e.states = e.states[:1] }, "lists 1 SAs out, not 2", 0},
	} {
		c, e := good(tt.mode)
		tt.change(&e)
		if g := e.gate(c); g.Verdict != sample.Finding || !strings.Contains(g.Words, tt.words) || g.Software != tt.software {
			t.Errorf("%s: %+v", tt.name, g)
		}
	}
	// A driver that tells the kernel nothing of packet offload is no finding.
	c, e := good(sample.IPsecFull)
	e.states = []ipsec.State{{}, {}}
	if g := e.gate(c); g.Verdict != sample.AsSaid {
		t.Errorf("packet offload, by the card's counters alone: %+v", g)
	}
}

func TestNothing(t *testing.T) {
	c, _ := good(sample.IPsecCard)
	got := strings.Join(nothing(c, map[string]int64{"client.XfrmInStateProtoError": 2}, "", "no stream came"), "; ")
	if want := "client.XfrmInStateProtoError moved by 2: packets were not accepted; nothing was measured; no stream came"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.MTU = 9000
	if got := nothing(c, nil); len(got) != 2 || !strings.Contains(got[1], "take an MTU of 9000") {
		t.Errorf("with large frames: %q", got)
	}
}

func TestPrint(t *testing.T) {
	c, _ := good(sample.IPsecCard)
	var samples []sample.Sample
	for turn := range 3 {
		s := sample.Sample{Bench: sample.IPsec, Cell: c, Turn: turn + 1, Seconds: 1, Bytes: uint64(2_000_000 + 1000*turn), CPU: sample.CPU{Busy: 0.5}}
		s.Gate.Verdict = sample.AsSaid
		samples = append(samples, s)
	}
	bad := samples[0]
	bad.Cell.Mode, bad.Gate = sample.IPsecFull, sample.Gate{Verdict: sample.Finding, Words: "the driver refused"}
	var out strings.Builder
	if err := Print(&out, append(samples, bad)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MTU 1500, 2 streams", "crypto offload, transport", "2.001 ±", "250 ±", "a finding: MTU 1500, 2 streams, 1000 bytes at a time: packet offload, transport, , 2 SAs: the driver refused"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}
