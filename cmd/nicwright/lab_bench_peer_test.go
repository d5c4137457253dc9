// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// loadPeer starts nicwright peer --load in a namespace that has the second VF, as another host would.
func loadPeer(t *testing.T, vf string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	witness(t, "ip", "netns", "add", "far")
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", "far").Run() })
	witness(t, "ip", "link", "set", vf, "netns", "far")
	witness(t, "ip", "-n", "far", "addr", "add", "198.51.100.9/24", "dev", vf)
	for _, l := range []string{"lo", vf} {
		witness(t, "ip", "-n", "far", "link", "set", l, "up")
	}
	peer := exec.CommandContext(t.Context(), "ip", "netns", "exec", "far", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "nicwright", "peer", "--load", "--listen", "198.51.100.9")
	out, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "listening on 198.51.100.9:4711" {
		t.Fatalf("nicwright peer --load said %q, %v", lines.Text(), lines.Err())
	}
	return peer, lines
}

// The load is a peer's, which nobody has to trust and who is nobody; paths, processors and what was sent again are seen here.
func TestBenchHTTPSOverTheWire(t *testing.T) {
	vfs := benchVFs(t)
	peer, lines := loadPeer(t, vfs[1])
	over := func(args ...string) []string {
		return append([]string{"bench", "https", "--peer", "198.51.100.9", "--address", "198.51.100.10/24", "--between", "pci/" + pfs[0] + "/vf/0", "--clients", "2", "--workers", "1", "--interval", "0", "--window", "50ms", "--limit", "2s", "--sizes", "10k", "--turns", "1", "--control", "0"}, args...)
	}
	log := filepath.Join(t.TempDir(), "access.log")
	features := witness(t, "ethtool", "-k", vfs[0])
	encrypted := ethtoolS(t, vfs[0], "tx_tls_encrypted_bytes")
	run, r := sampled(t, over("--modes", "plain,user,kernel,card-tx", "--access-log", log)...)
	before := leftovers(t) // with the lock's file, which stays
	if len(run.Samples) < 7 || run.Header.Path != "wire" || run.Header.Client == nil || run.Header.Client.Name != "198.51.100.9" {
		t.Errorf("%d samples, %+v", len(run.Samples), run.Header)
	}
	for _, s := range run.Samples {
		wrong := s.Cell.Mode == sample.CardTx && s.Cell.TLS == "1.3"
		if wrong != (s.Gate.Verdict == sample.Finding) {
			t.Errorf("%s %s: %+v, %v", s.Cell.Mode, s.Cell.TLS, s.Gate, s.Counters)
		}
		if s.Operations < 1 || s.CPU.Server <= 0 || s.CPU.Client <= 0 || s.Segments == 0 || s.Latency[sample.Whole].Count != s.Operations {
			t.Errorf("%s: %+v", s.Cell.Mode, s)
		}
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "198.51.100.10:") || !strings.Contains(lines.Text(), ": 10000 bytes by 2 clients, ") || !strings.Contains(lines.Text(), " requests in ") {
			t.Errorf("the peer said %q, %v", lines.Text(), lines.Err())
		}
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n, cut := int64(bytes.Count(b, []byte{'\n'})), sum(run, "client.cut"); n < sum(run, "client.requests") || n > sum(run, "client.requests")+cut {
		t.Errorf("nginx's access log has %d lines, the peer counted %d, %d were cut off", n, sum(run, "client.requests"), cut)
	}
	if bytes.Contains(b, []byte("198.51.100.10")) || !bytes.Contains(b, []byte("198.51.100.9")) {
		t.Error("it was not the peer who asked")
	}
	if got, want := ethtoolS(t, vfs[0], "tx_tls_encrypted_bytes")-encrypted, sum(run, "server.tx_tls_encrypted_bytes"); got != want || got == 0 {
		t.Errorf("tx_tls_encrypted_bytes moved by %d, by the samples %d", got, want)
	}
	if strings.Contains(r.stdout, "Set-up of kernel TLS") {
		t.Errorf("the set-up alone is not measured over the wire:\n%s", r.stdout)
	}
	// A peer that dies ends the run, which says so and keeps what it has.
	cmd := exec.CommandContext(t.Context(), "nicwright", over("--modes", "user", "--tls", "1.2", "--window", "1m", "--limit", "1m", "--time", "10m")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !begun(t, "nsenter", "--net=/run/netns/far", "ss", "-Htn", "dport", "=", ":20000") {
		t.Fatal("the load did not begin")
	}
	_ = peer.Process.Kill()
	_ = peer.Wait()
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "198.51.100.9:4711") {
		t.Errorf("with a dead peer: %v, %s", err, stderr.String())
	}
	if r := expect(t, exitError, over("--modes", "user")...); !strings.Contains(r.stderr, "is `nicwright peer --load` running there") {
		t.Errorf("without a peer: %s%s", r.stdout, r.stderr)
	}
	if now := witness(t, "ethtool", "-k", vfs[0]) + leftovers(t); now != features+before {
		t.Errorf("now\n%s\nbefore\n%s", now, features+before)
	}
}

// begun waits until a command prints something.
func begun(t *testing.T, args ...string) bool {
	t.Helper()
	for range 2000 {
		if out, _ := exec.CommandContext(t.Context(), args[0], args[1:]...).Output(); len(out) > 0 {
			return true
		}
	}
	return false
}
