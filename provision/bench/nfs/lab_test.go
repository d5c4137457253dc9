// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/lab/vflab"
	"github.com/nicwright/nicwright/provision/bench/between"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// This test is also both ends.
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
		Server: pci.VF(vflab.PF, 0), Client: pci.VF(vflab.PF, 1), Axes: axes, Reader: Auto, Threads: 4, Turns: 1, Controls: 1, Window: 500 * time.Millisecond,
		Time: 8 * time.Minute, Seed: 5, Self: []string{"/proc/self/exe", "end"}, Told: func(sample.Sample) {},
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

func small() Axes {
	return Axes{
		Modes: []sample.Mode{sample.Plain}, Encapsulations: []string{"transport"}, Ops: []string{"read"}, Patterns: []string{"random"},
		Blocks: []uint64{16 << 10}, Depths: []int{4}, Jobs: []int{2}, NConnects: []int{2}, Size: 8 << 20,
	}
}

func run(t *testing.T, ctx context.Context, in Input) map[sample.Cell]sample.Sample {
	t.Helper()
	var raw bytes.Buffer
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
		t.Logf("%s, %s %s: %.3g MB/s, p50 %.3g ms, CPU %+v, %v, %s %s %v", name(s.Cell), s.Cell.Pattern, s.Cell.Op, s.Throughput()/1e6, s.Latency[sample.Whole].P50*1e3, s.CPU, s.Counters, s.Gate.Verdict, s.Gate.Words, s.Flags)
		if s.Control == 0 {
			all[s.Cell] = s
		}
	}
	if len(all) != len(in.Axes.Cells()) {
		t.Errorf("%d of %d cells were measured", len(all), len(in.Axes.Cells()))
	}
	return all
}

const exporter = "exportfs" //nolint:misspell // the program's name

// hostsServer is what stock tools say of the host's own NFS: a server that runs beside, in the first namespace.
func hostsServer(t *testing.T) string {
	t.Helper()
	threads, err := os.ReadFile("/proc/fs/nfsd/threads")
	if err != nil {
		t.Fatal(err)
	}
	ports, err := os.ReadFile("/proc/fs/nfsd/portlist")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s %d mounts\n%s", threads, ports, strings.Count(string(mounts), "\n"), vflab.Run(t, exporter, "-v"))
}

// Every path, by fio; TLS asked of the card is a finding; the host's own server is as it was.
func TestLabMatrix(t *testing.T) {
	ctx := inSwitchdev(t)
	vflab.Run(t, "mount", "-t", "tmpfs", "none", "/var/lib/nfs")
	vflab.Run(t, "mount", "-t", "tmpfs", "none", "/srv")
	vflab.Run(t, "mkdir", "/var/lib/nfs/rpc_pipefs", "/var/lib/nfs/v4recovery")
	vflab.Run(t, "touch", "/var/lib/nfs/etab", "/var/lib/nfs/rmtab")
	vflab.Run(t, "mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
	vflab.Run(t, exporter, "-o", "ro,fsid=7,no_subtree_check", "192.0.2.1:/srv")
	vflab.Run(t, "rpc.nfsd", "-N", "3", "-V", "4.2", "--host", "127.0.0.1", "2")
	defer vflab.Run(t, "rpc.nfsd", "0")
	before := hostsServer(t)

	axes := small()
	axes.Modes = []sample.Mode{sample.Plain, sample.Kernel, sample.CardTxRx, sample.IPsecSoft, sample.IPsecCard, sample.IPsecFull}
	axes.Encapsulations = []string{"transport", "tunnel"}
	for c, s := range run(t, ctx, input(axes)) {
		want, words := sample.AsSaid, ""
		if c.Mode == sample.CardTxRx {
			want, words = sample.Finding, "100% software"
		}
		if s.Gate.Verdict != want || !strings.Contains(s.Gate.Words, words) || s.Bytes == 0 || s.CPU.Server == 0 {
			t.Errorf("%s: %+v", name(c), s)
		}
	}
	axes = small()
	axes.Ops, axes.Patterns, axes.NConnects = []string{"read", "write"}, []string{"random", "sequential"}, []int{1}
	axes.Modes = []sample.Mode{sample.Plain, sample.IPsecCard}
	for c, s := range run(t, ctx, input(axes)) {
		if s.Gate.Verdict != sample.AsSaid || s.Bytes == 0 {
			t.Errorf("%s, %s %s: %+v", name(c), c.Pattern, c.Op, s)
		}
	}
	if after := hostsServer(t); after != before {
		t.Errorf("the host's own server was\n%s\nand is\n%s", before, after)
	}
	if out := vflab.Run(t, "ip", "netns"); strings.Contains(out, "nicwright") {
		t.Errorf("namespaces are left: %s", out)
	}
}

// fio and the reader of our own, of the same server over the same path.
func TestLabReadersAgree(t *testing.T) {
	ctx := inSwitchdev(t)
	rates := map[string]float64{}
	for _, reader := range []string{Fio, Own} {
		in := input(small())
		in.Reader, in.Window, in.Turns = reader, 2*time.Second, 1
		for _, s := range run(t, ctx, in) {
			if s.Gate.Verdict != sample.AsSaid {
				t.Fatalf("%s: %+v", reader, s.Gate)
			}
			rates[reader] = s.Throughput()
		}
	}
	if r := rates[Fio] / rates[Own]; !(r > 0.33 && r < 3) {
		t.Errorf("fio reads %.3g MB/s, and our own reader %.3g", rates[Fio]/1e6, rates[Own]/1e6)
	}
}

// What a killed run leaves: a namespace with a server in it, a VF, programs.
func TestLabKilled(t *testing.T) {
	ctx := inSwitchdev(t)
	b := &bench{in: input(small())}
	var err error
	if b.Pair, err = between.Enter(ctx, b.in.Server, b.in.Client); err != nil {
		t.Fatal(err)
	}
	name := b.Server.Netdev
	if err := b.ServesNFS(b.Server); err != nil {
		t.Fatal(err)
	}
	if err := b.begin(ctx); err != nil {
		t.Fatal(err)
	}
	d, err := program.Asked[done](b.ends[1], job{Task: b.task(b.in.Axes.Cells()[0])})
	if err != nil || d.Error != "" {
		t.Fatal(err, d.Error)
	}
	if len(b.threads) == 0 {
		t.Error("no thread of the server is known")
	}
	// As after a kill: nobody ends anything, descriptors are closed, and the next run finds it.
	for _, p := range b.Places {
		if err := p.NS.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := site.Clean(ctx); err != nil {
		t.Fatal(err)
	}
	var links []struct{ IfName string }
	if err := json.Unmarshal([]byte(vflab.Run(t, "ip", "-j", "link")), &links); err != nil {
		t.Fatal(err)
	}
	back := false
	for _, l := range links {
		back = back || l.IfName == name
	}
	if out := vflab.Run(t, "ip", "netns"); !back || strings.Contains(out, "nicwright") {
		t.Errorf("%s is back: %v; namespaces: %s", name, back, out)
	}
	for _, pid := range b.threads {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && string(comm) == "nfsd\n" {
			t.Errorf("thread %d of the server still runs", pid)
		}
	}
}
