// SPDX-License-Identifier: Apache-2.0

package https

import (
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

func TestCells(t *testing.T) {
	for name, a := range map[string]Axes{"full": Full, "quick": Quick} {
		if err := a.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, m := len(Full.Cells()), len(Quick.Cells()); n != 42 || m != 12 {
		t.Errorf("full has %d cells, quick %d", n, m)
	}
	both := []bool{false, true}
	a := Quick
	a.Modes, a.Versions, a.Sizes, a.KeepAlive, a.Resumption, a.Sendfile = []sample.Mode{sample.Plain, sample.User, sample.CardTx}, []string{"1.2", "1.3"}, []uint64{1000}, both, both, both
	var kinds []string
	for _, c := range a.Cells() {
		s := sample.Sample{Bench: sample.HTTPS, Cell: c, Turn: 1, Gate: sample.Gate{Verdict: sample.AsSaid}}
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		kinds = append(kinds, kind(c))
	}
	golden.Text(t, "testdata/cells.txt", strings.Join(kinds, "\n")+"\n")
	if l := listeners(a.Cells()); len(l) != 14 {
		t.Errorf("%d listeners: %+v", len(l), l)
	}
}

func TestAxesThatAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Axes){
		"the mode":    func(a *Axes) { a.Modes = []sample.Mode{"nic"} },
		"TLS \"1.1\"": func(a *Axes) { a.Versions = []string{"1.1"} },
		"the cipher":  func(a *Axes) { a.Ciphers = []string{"RC4"} },
		"a file of 0": func(a *Axes) { a.Sizes = []uint64{0} },
		"0 clients":   func(a *Axes) { a.Clients = []int{0} },
		"a rate of":   func(a *Axes) { a.Rates = []float64{-1} },
		"nothing is":  func(a *Axes) { a.Sizes = nil },
		"1200 cells":  func(a *Axes) { a.Clients, a.Rates = make([]int, 100), nil; many(a) },
	} {
		a := Quick
		change(&a)
		if err := a.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func many(a *Axes) {
	for i := range a.Clients {
		a.Clients[i] = i + 1
	}
	a.Rates = []float64{0}
}

func TestGate(t *testing.T) {
	cell := func(m sample.Mode, version string) sample.Cell {
		c := sample.Cell{Mode: m, TLS: version, Cipher: "AES-256-GCM", Size: 1000, Clients: 2}
		if m == sample.Plain {
			c.TLS, c.Cipher = "", ""
		}
		return c
	}
	resumed := cell(sample.User, "1.2")
	resumed.Resumption = true
	chacha := cell(sample.CardTx, "1.2")
	chacha.Cipher = "ChaCha20-Poly1305"
	ten := load.Total{Requests: 10, Connections: 10, Sessions: 10, Bytes: 10_000}
	with := func(change func(*load.Total)) load.Total {
		all := ten
		change(&all)
		return all
	}
	for _, tt := range []struct {
		name     string
		cell     sample.Cell
		moved    map[string]int64
		all      load.Total
		words    string // "": as said
		software float64
	}{
		{"plain", cell(sample.Plain, ""), nil, load.Total{Requests: 10}, "", 0},
		{"plain, and the kernel has TLS", cell(sample.Plain, ""), map[string]int64{"server.TlsTxSw": 1}, load.Total{Requests: 10}, "should not have", 0},
		{"user", cell(sample.User, "1.3"), nil, ten, "", 0},
		{"user, and the card has it", cell(sample.User, "1.2"), map[string]int64{"server.TlsTxDevice": 10}, ten, "should not have", 0},
		{"kernel", cell(sample.Kernel, "1.2"), map[string]int64{"server.TlsTxSw": 10, "server.TlsRxSw": 10}, ten, "", 0},
		{"kernel, only sending", cell(sample.Kernel, "1.2"), map[string]int64{"server.TlsTxSw": 10}, ten, "", 0},
		{"kernel, and nobody uses it", cell(sample.Kernel, "1.2"), nil, ten, "enable-ktls", 0},
		{"kernel, and the card does it", cell(sample.Kernel, "1.2"), map[string]int64{"server.TlsTxDevice": 10}, ten, "should have done", 0},
		{"kernel, in part", cell(sample.Kernel, "1.2"), map[string]int64{"server.TlsTxSw": 4}, ten, "there were 10", 0},
		{"kernel, cut off", cell(sample.Kernel, "1.2"), map[string]int64{"server.TlsTxSw": 8}, with(func(a *load.Total) { a.Cut = 2 }), "", 0},
		{"card", cell(sample.CardTx, "1.2"), map[string]int64{"server.TlsTxDevice": 10, "server.TlsRxSw": 10, "server.tx_tls_encrypted_bytes": 12_000}, ten, "", 0},
		{"card, 1.3", cell(sample.CardTx, "1.3"), map[string]int64{"server.TlsTxSw": 10}, ten, "100% software: TLS 1.3", 1},
		{"card, ChaCha20", chacha, map[string]int64{"server.TlsTxSw": 10}, ten, "100% software: the card has no ChaCha20", 1},
		{"card, in part", cell(sample.CardTx, "1.2"), map[string]int64{"server.TlsTxSw": 5, "server.TlsTxDevice": 5}, ten, "50% software", 0.5},
		{"card, whose bytes are the kernel's", cell(sample.CardTx, "1.2"), map[string]int64{"server.TlsTxDevice": 10, "server.tx_tls_encrypted_bytes": 5000}, ten, "the kernel encrypted the rest", 0},
		{"card, sending alone where both are asked", cell(sample.CardTxRx, "1.2"), map[string]int64{"server.TlsTxDevice": 10, "server.TlsRxSw": 10, "server.tx_tls_encrypted_bytes": 12_000}, ten, "TlsRxSw moved by 10", 1},
		{"card, receiving is not the kernel's", cell(sample.CardTxRx, "1.2"), map[string]int64{"server.TlsTxDevice": 10, "server.tx_tls_encrypted_bytes": 12_000}, ten, "none of 10", 0},
		{"card both ways", cell(sample.CardTxRx, "1.2"), map[string]int64{"server.TlsTxDevice": 10, "server.TlsRxDevice": 10, "server.tx_tls_encrypted_bytes": 12_000}, ten, "", 0},
		{"card receives what it should not", cell(sample.CardTx, "1.2"), map[string]int64{"server.TlsTxDevice": 10, "server.TlsRxDevice": 10, "server.tx_tls_encrypted_bytes": 12_000}, ten, "should have done", 0},
		{"not resumed", resumed, nil, ten, "0 of 10 sessions were resumed", 0},
		{"resumed", resumed, nil, with(func(a *load.Total) { a.Resumed = 8 }), "", 0},
		{"errors", cell(sample.User, "1.2"), nil, with(func(a *load.Total) { a.Errors, a.Error = 2, "re\x1bset" }), "2 requests failed, 10 were answered: re set", 0},
	} {
		g := gate(tt.cell, tt.moved, tt.all)
		if (g.Verdict == sample.AsSaid) != (tt.words == "") || !strings.Contains(g.Words, tt.words) || g.Software != tt.software {
			t.Errorf("%s: %+v", tt.name, g)
		}
	}
}

func TestSummary(t *testing.T) {
	cell := func(m sample.Mode, version string, size uint64) sample.Cell {
		c := sample.Cell{Mode: m, TLS: version, Cipher: "AES-256-GCM", Size: size, Clients: 50, Sendfile: true}
		if m == sample.Plain {
			c.TLS, c.Cipher = "", ""
		}
		return c
	}
	var all []sample.Sample
	add := func(c sample.Cell, turn int, rate float64, change func(*sample.Sample)) {
		s := sample.Sample{
			Bench: sample.HTTPS, Cell: c, Turn: turn, Order: len(all) + 1, Seconds: 1, Bytes: uint64(rate), Operations: uint64(rate) / c.Size, Connections: uint64(rate) / c.Size,
			CPU: sample.CPU{Server: 0.5, Client: 0.4}, Segments: uint64(rate) / 1400, Gate: sample.Gate{Verdict: sample.AsSaid},
			Latency: map[sample.Phase]sample.Percentiles{sample.Whole: {Count: 10, Mean: 0.01, P50: 0.01, P90: 0.02, P99: 0.03, P999: 0.03, Max: 0.03}},
		}
		if change != nil {
			change(&s)
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	for turn := 1; turn <= 5; turn++ {
		wobble := float64(turn) * 1e4
		for half := 1; half <= 2; half++ {
			add(cell(sample.User, "1.2", 1e5), turn, 2e7+wobble*float64(half), func(s *sample.Sample) { s.Control = half })
		}
		for _, at := range []int{1, 8} {
			for m, us := range map[sample.Mode]float64{sample.Kernel: 50, sample.CardTx: 2000 * float64(at)} {
				c := cell(m, "1.2", 1e4)
				c.Clients, c.Variant = at, SetUpVariant
				add(c, turn, 0, func(s *sample.Sample) {
					v := us / 1e6
					s.Seconds, s.Latency = 0, map[sample.Phase]sample.Percentiles{sample.SetUp: {Count: 8, Mean: v, P50: v, P90: v, P99: v, P999: v, Max: v}}
				})
			}
		}
		add(cell(sample.Plain, "", 1e4), turn, 5e7+wobble, nil)
		add(cell(sample.User, "1.2", 1e6), turn, 4e7+10*wobble, func(s *sample.Sample) { s.Flags = []sample.Flag{sample.ClientBound} })
		add(cell(sample.User, "1.2", 1e4), turn, 2e7+wobble, func(s *sample.Sample) {
			s.Retransmits = 200
			if turn > 3 {
				s.Flags = []sample.Flag{sample.Noisy}
			}
		})
		if turn <= 2 {
			for _, size := range []uint64{1e4, 1e6} {
				add(cell(sample.CardTx, "1.3", size), turn, 1e7, func(s *sample.Sample) {
					s.Gate = sample.Gate{Verdict: sample.Finding, Words: "TlsTxSw moved by 40: 100% software", Software: 1}
				})
			}
		}
	}
	var b strings.Builder
	if err := Print(&b, all, 0.0001); err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/summary.txt", b.String())
	b.Reset()
	if err := Print(&b, nil, 0.05); err != nil || !strings.Contains(b.String(), "No cell") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

const netSNMP = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm OutSegs RetransSegs\nTcp: 1 302 7\n"

func TestCountersOfTCP(t *testing.T) {
	if v, err := snmp(netSNMP, "RetransSegs"); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	for _, bad := range []string{"", "Tcp: OutSegs\n", "Tcp: RetransSegs\nTcp: x\n"} {
		if v, err := snmp(bad, "RetransSegs"); err == nil {
			t.Errorf("%q gives %d", bad, v)
		}
	}
}

func FuzzCountersOfTCP(f *testing.F) {
	f.Add(netSNMP)
	f.Fuzz(func(_ *testing.T, text string) { _, _ = snmp(text, "OutSegs") })
}

// The client says why it could not, and goes on with the next.
func TestClientAnswersEachJob(t *testing.T) {
	in := strings.NewReader(`{"load":{"target":"127.0.0.1:1"}}` + "\n" + `{"load":{}}` + "\n")
	var out strings.Builder
	if err := End(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(out.String()))
	if len(lines) != 2 || !strings.Contains(lines[0], "0 clients") || !strings.Contains(lines[1], "target") {
		t.Errorf("%q", lines)
	}
	if err := End(t.Context(), strings.NewReader("{"), &out); err == nil {
		t.Error("half a job was done")
	}
}
