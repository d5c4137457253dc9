// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/lab/vflab"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// benchVFs makes two VFs, and what a host has that boots with systemd: cgroups.
func benchVFs(t *testing.T) []string {
	t.Helper()
	needLab(t)
	var s unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &s); err != nil || s.Type != unix.CGROUP2_SUPER_MAGIC {
		witness(t, "mount", "-t", "cgroup2", "none", "/sys/fs/cgroup")
	}
	links := vflab.Legacy(t, t.Context(), 2)
	return []string{links[0].Name, links[1].Name}
}

// benched runs bench https with a tiny matrix and gives the samples.
func benched(t *testing.T, args ...string) (*sample.Run, result) {
	t.Helper()
	return sampled(t, tinyBench(args...)...)
}

func tinyBench(args ...string) []string {
	return append([]string{"bench", "https", "--between", "pci/" + pfs[0] + "/vf/0,pci/" + pfs[0] + "/vf/1", "--clients", "2", "--workers", "1", "--interval", "0", "--window", "50ms", "--limit", "2s"}, args...)
}

// sampled runs a bench and reads the samples that it wrote.
func sampled(t *testing.T, args ...string) (*sample.Run, result) {
	t.Helper()
	return sampledInto(t, filepath.Join(t.TempDir(), "run.ndjson"), args...)
}

func sampledInto(t *testing.T, out string, args ...string) (*sample.Run, result) {
	t.Helper()
	r := expect(t, exitDone, append(args, "-o", out)...)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	run, err := sample.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return run, r
}

// ethtoolS reads a counter with ethtool.
func ethtoolS(t *testing.T, netdev, name string) int64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^\s*` + name + `: (\d+)$`).FindStringSubmatch(witness(t, "ethtool", "-S", netdev))
	if m == nil {
		t.Fatalf("ethtool -S %s has no %s", netdev, name)
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}

// sum adds a counter up.
func sum(run *sample.Run, name string) (n int64) {
	for _, s := range run.Samples {
		n += s.Counters[name]
	}
	return n
}

func TestBenchHTTPSPaths(t *testing.T) {
	vfs := benchVFs(t)
	log := filepath.Join(t.TempDir(), "access.log")
	features := witness(t, "ethtool", "-k", vfs[0])
	before := ethtoolS(t, vfs[0], "tx_tls_encrypted_bytes")
	contexts := ethtoolS(t, vfs[0], "tx_tls_ctx")
	// What the kernel says in the server's namespace, as it goes on; it is gone with the namespace.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := make(chan string)
	go func() {
		last := ""
		for ctx.Err() == nil {
			out, err := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/nicwright-verify-0", "cat", "/proc/net/tls_stat").Output()
			if err == nil && strings.Contains(string(out), "TlsTxDevice") {
				last = string(out)
			}
			time.Sleep(50 * time.Millisecond)
		}
		seen <- last
	}()
	run, r := benched(t, "--modes", "plain,user,kernel,card-tx,card-txrx", "--sizes", "10k", "--turns", "1", "--control", "1", "--seed", "1", "--access-log", log)
	stop()
	last := <-seen

	verdicts := map[string][]string{}
	for _, s := range run.Samples {
		if s.Control != 0 || len(s.Latency) == 1 && s.Latency[sample.SetUp].Count > 0 {
			continue
		}
		name := string(s.Cell.Mode) + " " + s.Cell.TLS
		verdicts[name] = append(verdicts[name], string(s.Gate.Verdict))
		wrong := strings.HasPrefix(name, "card") && s.Cell.TLS == "1.3"
		if wrong != (s.Gate.Verdict == sample.Finding) || wrong && !strings.Contains(s.Gate.Words, "100% software") {
			t.Errorf("%s: %+v, %v", name, s.Gate, s.Counters)
		}
		if s.Operations < 1 || s.CPU.Server <= 0 || s.CPU.Client <= 0 || s.Segments == 0 || s.Latency[sample.Whole].Count != s.Operations {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for _, want := range []string{"plain ", "user 1.2", "user 1.3", "kernel 1.2", "kernel 1.3", "card-tx 1.2", "card-tx 1.3", "card-txrx 1.2", "card-txrx 1.3"} {
		if len(verdicts[want]) == 0 {
			t.Errorf("%q was not measured: %v", want, verdicts)
		}
	}
	if !strings.Contains(r.stdout, "No figure, but a finding: card-tx, TLS 1.3") || !strings.Contains(r.stdout, "Set-up of kernel TLS") {
		t.Errorf("it says\n%s", r.stdout)
	}
	// nginx has written a line for each request that was answered, and for no other.
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if lines, cut := int64(bytes.Count(b, []byte{'\n'})), sum(run, "client.cut"); lines < sum(run, "client.requests") || lines > sum(run, "client.requests")+cut {
		t.Errorf("nginx's access log has %d lines, the client counted %d, %d were cut off", lines, sum(run, "client.requests"), cut)
	}
	// What ethtool says in the end is what was said cell by cell.
	if got, want := ethtoolS(t, vfs[0], "tx_tls_encrypted_bytes")-before, sum(run, "server.tx_tls_encrypted_bytes"); got != want || got == 0 {
		t.Errorf("tx_tls_encrypted_bytes moved by %d, by the samples %d", got, want)
	}
	if got := ethtoolS(t, vfs[0], "tx_tls_ctx") - contexts; got < sum(run, "server.TlsTxDevice") {
		t.Errorf("tx_tls_ctx moved by %d, and TlsTxDevice by %d", got, sum(run, "server.TlsTxDevice"))
	}
	for _, name := range []string{"TlsTxDevice", "TlsTxSw"} {
		m := regexp.MustCompile(name + `\s+(\d+)`).FindStringSubmatch(last)
		if m == nil {
			t.Fatalf("/proc/net/tls_stat was %q", last)
		}
		// One attempt before all loads the module.
		if n, _ := strconv.ParseInt(m[1], 10, 64); n == 0 || n > sum(run, "server."+name)+8 {
			t.Errorf("%s was last %d, by the samples %d", name, n, sum(run, "server."+name))
		}
	}
	if now := witness(t, "ethtool", "-k", vfs[0]); now != features {
		t.Errorf("the switches are now\n%s\nbefore\n%s", now, features)
	}
}

// wrk asks the same server at the same time with as many connections: neither gets many times what the other gets.
func TestBenchHTTPSAgreesWithWrk(t *testing.T) {
	benchVFs(t)
	log := filepath.Join(t.TempDir(), "access.log")
	type wrked struct {
		requests int64
		err      error
	}
	done := make(chan wrked, 1)
	go func() {
		inClient := func(args ...string) ([]byte, error) {
			return exec.Command("nsenter", append([]string{"--net=/run/netns/nicwright-verify-1"}, args...)...).CombinedOutput()
		}
		var address string
		for end := time.Now().Add(time.Minute); address == "" && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			out, _ := inClient("ss", "-Htn", "state", "established", "dport", "=", ":20000")
			if m := regexp.MustCompile(`(198\.1[89]\.\d+\.\d+):20000`).FindSubmatch(out); m != nil {
				address = string(m[1])
			}
		}
		out, err := inClient("wrk", "-t1", "-c2", "-d7s", "--timeout", "30s", "-H", "Connection: close", "http://"+address+":20000/10000")
		m := regexp.MustCompile(`(\d+) requests in`).FindSubmatch(out)
		if err != nil || m == nil {
			done <- wrked{0, fmt.Errorf("wrk: %w: %s", err, out)}
			return
		}
		n, _ := strconv.ParseInt(string(m[1]), 10, 64)
		done <- wrked{n, nil}
	}()
	run, _ := benched(t, "--modes", "plain", "--sizes", "10k", "--turns", "1", "--control", "0", "--window", "14s", "--limit", "40s", "--access-log", log)
	w := <-done
	if w.err != nil {
		t.Fatal(w.err)
	}
	ours := sum(run, "client.requests")
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := int64(bytes.Count(b, []byte{'\n'}))
	t.Logf("ours %d in 14 s and more, wrk's %d in 7 s, nginx's %d", ours, w.requests, lines)
	// What wrk had under way at its end it does not count.
	if lines < ours+w.requests || lines > ours+w.requests+4 {
		t.Errorf("nginx counted %d requests, we %d and wrk %d", lines, ours, w.requests)
	}
	if ours < w.requests/2 || ours > 12*w.requests {
		t.Errorf("in twice the time and more we count %d requests, wrk %d", ours, w.requests)
	}
}

// A client that is held back, a server that is, and a neighbour are told apart.
func TestBenchHTTPSSaysWhoIsInTheWay(t *testing.T) {
	benchVFs(t)
	flags := func(args ...string) []sample.Flag {
		run, _ := benched(t, append([]string{"--modes", "user", "--tls", "1.2", "--sizes", "1k", "--turns", "1", "--control", "0", "--window", "2s", "--limit", "10s"}, args...)...)
		s := run.Samples[0]
		if !s.Figure() {
			t.Errorf("%v: %+v", args, s)
		}
		t.Logf("%v: %.1f s, %d requests, processors %+v, %v", args, s.Seconds, s.Operations, s.CPU, s.Flags)
		return s.Flags
	}
	if f := flags("--client-cpu", "0.15"); !slices.Contains(f, sample.ClientBound) {
		t.Errorf("a client with a seventh of a processor: %v", f)
	}
	if f := flags("--server-cpu", "0.15"); slices.Contains(f, sample.ClientBound) || slices.Contains(f, sample.Noisy) {
		t.Errorf("a server with a seventh of a processor: %v", f)
	}
	neighbour := exec.Command("sh", "-c", "while :; do :; done")
	if err := neighbour.Start(); err != nil {
		t.Fatal(err)
	}
	f := flags("--server-cpu", "0.15")
	_ = neighbour.Process.Kill()
	_ = neighbour.Wait()
	if !slices.Contains(f, sample.Noisy) {
		t.Errorf("with a neighbour: %v", f)
	}
}

// Who is killed leaves nothing for long: nginx ends at once, and the next run puts the rest back.
func TestBenchHTTPSKilled(t *testing.T) {
	vfs := benchVFs(t)
	state := func() string {
		var b strings.Builder
		for _, vf := range vfs {
			b.WriteString(witness(t, "ethtool", "-k", vf))
		}
		b.WriteString(leftovers(t))
		mounts, err := os.ReadFile("/proc/mounts")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "mounts of ours: %d\n", bytes.Count(mounts, []byte("/run/nicwright-bench")))
		_, err = os.Stat("/sys/fs/cgroup/nicwright-bench")
		fmt.Fprintf(&b, "no cgroup: %t\n", errors.Is(err, os.ErrNotExist))
		return b.String()
	}
	tiny := []string{"--modes", "card-txrx", "--tls", "1.2", "--sizes", "10k", "--turns", "1", "--control", "0"}
	benched(t, tiny...)
	before := state()
	cmd := exec.CommandContext(t.Context(), "nicwright", append([]string{"bench", "https", "--between", "pci/" + pfs[0] + "/vf/0,pci/" + pfs[0] + "/vf/1", "--window", "1m"}, tiny...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	asked := func() bool { // and has begun: connections to nginx
		out, _ := exec.Command("nsenter", "--net=/run/netns/nicwright-verify-1", "ss", "-Htn", "dport", "=", ":20000").Output()
		return len(out) > 0
	}
	for end := time.Now().Add(2 * time.Minute); !asked() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	running := func() bool { return exec.Command("pgrep", "-x", "nginx").Run() == nil }
	for end := time.Now().Add(time.Minute); running() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if running() {
		t.Error("nginx outlives who started it")
	}
	if !strings.Contains(leftovers(t), "nicwright-verify-0") {
		t.Error("it left nothing: it was not killed half way")
	}
	benched(t, tiny...)
	if now := state(); now != before {
		t.Errorf("now\n%s\nbefore\n%s", now, before)
	}
}

// What cannot be measured is said before anything is touched.
func TestBenchHTTPSRefuses(t *testing.T) {
	vfs := benchVFs(t)
	between := func(a, b string) []string {
		return []string{"bench", "https", "--quick", "--between", "pci/" + pfs[0] + "/vf/" + a + ",pci/" + pfs[0] + "/vf/" + b}
	}
	before := leftovers(t)
	refused := func(what, want string, args ...string) {
		t.Helper()
		if r := expect(t, exitError, args...); !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%s: %s%s", what, r.stdout, r.stderr)
		}
	}
	refused("one VF twice", "named twice", between("0", "0")...)
	refused("a VF that is not there", "vf/7", between("0", "7")...)
	witness(t, "ip", "addr", "add", "192.0.2.1/24", "dev", vfs[1])
	refused("a VF in use", "192.0.2.1", between("0", "1")...)
	witness(t, "ip", "addr", "del", "192.0.2.1/24", "dev", vfs[1])
	refused("more than there is memory for", "--sizes", append(between("0", "1"), "--sizes", "9G")...)
	witness(t, "umount", "/sys/fs/cgroup")
	refused("no cgroups", "cgroup of version 2", between("0", "1")...)
	witness(t, "mount", "-t", "cgroup2", "none", "/sys/fs/cgroup")
	witness(t, "mount", "--bind", "/dev/null", "/usr/sbin/nginx")
	refused("no nginx", "install it", between("0", "1")...)
	witness(t, "umount", "/usr/sbin/nginx")
	if after := leftovers(t); after != before {
		t.Errorf("it left\n%s\nbefore\n%s", after, before)
	}
}
