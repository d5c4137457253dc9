// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/lab/vflab"
	"github.com/nicwright/nicwright/provision/bench/between"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// This test is also both ends of the streams.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "end" {
		if err := End(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func input(axes Axes) Input {
	return Input{
		Server: pci.VF(vflab.PF, 0), Client: pci.VF(vflab.PF, 1), Axes: axes, Turns: 1, Controls: 1, Window: 300 * time.Millisecond,
		Limit: time.Minute, Time: 8 * time.Minute, Seed: 5, Self: []string{"/proc/self/exe", "end"}, Told: func(sample.Sample) {},
		Header: sample.Header{Tool: "test", Clock: sample.Wall},
	}
}

func inSwitchdev(t *testing.T) context.Context {
	t.Helper()
	vflab.Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 14*time.Minute)
	t.Cleanup(cancel)
	if _, err := site.Cage(); errors.Is(err, cgroup.ErrNone) {
		vflab.Run(t, "mount", "-t", "cgroup2", "none", cgroup.Root)
	}
	vflab.Switchdev(t, ctx, 2, "ipsec_crypto", "ipsec_packet")
	return ctx
}

// A whole run: every cell on the path that it names, and large frames.
func TestLabMatrix(t *testing.T) {
	ctx := inSwitchdev(t)
	axes := Axes{
		Modes: Modes, Encapsulations: []string{"transport", "tunnel"}, Ciphers: []string{"AES-128-GCM"}, SAs: []int{4}, MTUs: []int{1500},
		Streams: []int{4}, Sizes: []uint64{16 << 10},
	}
	run := func(axes Axes) map[sample.Cell]sample.Sample {
		var raw bytes.Buffer
		in := input(axes)
		in.Out = &raw
		if err := Run(ctx, in); err != nil {
			t.Fatal(err)
		}
		doc, err := sample.Read(bytes.NewReader(raw.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		all := map[sample.Cell]sample.Sample{}
		for _, s := range doc.Samples {
			t.Logf("%s, MTU %d: %.3g MB/s, CPU %+v, %v, %s %s %v", name(s.Cell), s.Cell.MTU, s.Throughput()/1e6, s.CPU, s.Counters, s.Gate.Verdict, s.Gate.Words, s.Flags)
			if s.Control == 0 {
				all[s.Cell] = s
			}
		}
		if len(all) != len(axes.Cells()) {
			t.Errorf("%d of %d cells were measured", len(all), len(axes.Cells()))
		}
		return all
	}
	for c, s := range run(axes) {
		if s.Gate.Verdict != sample.AsSaid || s.Bytes == 0 || s.Segments == 0 {
			t.Errorf("%s: %+v", name(c), s)
		}
	}
	axes.Modes, axes.MTUs, axes.Encapsulations = []sample.Mode{sample.IPsecCard}, []int{9000}, []string{"tunnel"}
	for c, s := range run(axes) {
		// By the card's own counters the packets are as large as the MTU lets them be.
		if mean := s.Counters["server.ipsec_tx_bytes"] / max(s.Counters["server.ipsec_tx_pkts"], 1); s.Gate.Verdict != sample.AsSaid || mean < 3000 {
			t.Errorf("%s, MTU %d: packets of %d bytes, %+v", name(c), c.MTU, mean, s.Gate)
		}
	}
	if out := vflab.Run(t, "ip", "netns"); strings.Contains(out, "nicwright") {
		t.Errorf("namespaces are left: %s", out)
	}
}

// What stock tools say of the same streams over the same SAs: ip of the states, ethtool of the card, and iperf3 of the rate.
func TestLabStockTools(t *testing.T) {
	ctx := inSwitchdev(t)
	in := input(Quick)
	pair, err := between.Enter(ctx, in.Server, in.Client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pair.Leave(ctx); err != nil {
			t.Error(err)
		}
	}()
	b := &bench{Pair: pair, in: in}
	const pairs = 3
	addresses, err := b.More(pairs)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.begin(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.end(); err != nil {
			t.Error(err)
		}
	}()
	there := func(p *site.Place, args ...string) string {
		return vflab.Run(t, "ip", append([]string{"netns", "exec", p.NS.Name()}, args...)...)
	}
	for _, mode := range Modes[1:] {
		c := sample.Cell{Mode: mode, Encapsulation: "transport", Cipher: "AES-256-GCM", SAs: pairs, Clients: pairs, Size: 16 << 10, MTU: 1500}
		p, err := protection(c).Protect(ctx, b.Server, b.Client, addresses[0], addresses[1])
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		before := ethtool(t, there(b.Server, "ethtool", "-S", b.Server.Netdev))
		sent, got, err := b.run(c, addresses[0], addresses[1])
		if err != nil || sent.Error+got.Error != "" {
			t.Fatalf("%s: %v %s %s", mode, err, sent.Error, got.Error)
		}
		moved := ethtool(t, there(b.Server, "ethtool", "-S", b.Server.Netdev)) - before
		states := there(b.Server, "ip", "-s", "xfrm", "state")
		if n := strings.Count(states, "proto esp"); n != 2*pairs {
			t.Errorf("%s: ip lists %d states, not %d", mode, n, 2*pairs)
		}
		offloaded := strings.Count(states, "offload parameters: dev "+b.Server.Netdev+" dir out")
		switch arrived := int64(got.Received.All); {
		case mode == sample.IPsecSoft && (offloaded != 0 || moved != 0):
			t.Errorf("in software ip lists %d offloaded states, and ethtool's ipsec_tx_bytes moved by %d", offloaded, moved)
		case mode != sample.IPsecSoft && (offloaded != pairs || moved < arrived || !strings.Contains(states, "mode "+string(mode))):
			t.Errorf("%s: ip lists %d offloaded states out, ethtool's ipsec_tx_bytes moved by %d, %d bytes arrived:\n%s", mode, offloaded, moved, arrived, states)
		}
		rate := float64(got.Received.Bytes) / got.Received.Seconds
		there(b.Client, "iperf3", "-s", "-1", "-D")
		var report struct {
			End struct {
				Sum struct {
					Bits float64 `json:"bits_per_second"`
				} `json:"sum_received"`
			}
		}
		if err := json.Unmarshal([]byte(there(b.Server, "iperf3", "-J", "-l", "16K", "-P", strconv.Itoa(pairs), "-t", "2", "-c", addresses[1][0].String(), "-B", addresses[0][0].String())), &report); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.3g MB/s by our streams, %.3g MB/s by iperf3", mode, rate/1e6, report.End.Sum.Bits/8e6)
		if r := rate / (report.End.Sum.Bits / 8); !(r > 0.1 && r < 10) {
			t.Errorf("%s: %.3g MB/s by our streams, %.3g MB/s by iperf3", mode, rate/1e6, report.End.Sum.Bits/8e6)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if out, err := exec.Command("ip", "netns", "exec", b.Server.NS.Name(), "ip", "xfrm", "state").CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: states are left: %v %s", mode, err, out)
		}
	}
}

// ethtool is ipsec_tx_bytes of what ethtool -S prints.
func ethtool(t *testing.T, out string) int64 {
	t.Helper()
	for line := range strings.Lines(out) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name == "ipsec_tx_bytes" {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("ethtool -S has no ipsec_tx_bytes:\n%s", out)
	return 0
}

// A card whose ICVs are wrong gives no figure.
func TestLabFinding(t *testing.T) {
	ctx := inSwitchdev(t)
	const wrong = "/sys/kernel/debug/connectx_emu/wrong_icv"
	var raw bytes.Buffer
	in := input(Axes{
		Modes: []sample.Mode{sample.IPsecCard}, Encapsulations: []string{"transport"}, Ciphers: []string{"AES-128-GCM"}, SAs: []int{1}, MTUs: []int{1500},
		Streams: []int{1}, Sizes: []uint64{16 << 10},
	})
	in.Out, in.Limit = &raw, 20*time.Second
	found := 0
	in.Told = func(s sample.Sample) {
		t.Logf("%+v", s)
		if s.Order == 1 { // the first was good; from now on 1000 packets are not
			vflab.Put(t, wrong, "1000")
		}
		if s.Gate.Verdict == sample.Finding && strings.Contains(s.Gate.Words, "XfrmInStateProtoError") {
			found++
		}
	}
	defer vflab.Put(t, wrong, "0")
	if err := Run(ctx, in); err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("no sample is a finding")
	}
}
