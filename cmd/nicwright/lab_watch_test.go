// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watched is a line of `nicwright watch`.
type watched struct{ Event, Profile, Resource, Attribute, Says string }

// startWatch gives what waits for the line of which f says that it is the one.
func startWatch(t *testing.T, args ...string) (next func(what string, f func(watched) bool) watched) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "nicwright", append([]string{"watch"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = os.Stderr
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan watched, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			var w watched
			if err := json.Unmarshal(s.Bytes(), &w); err != nil {
				t.Errorf("no event: %s: %v", s.Text(), err)
			}
			t.Log(s.Text())
			lines <- w
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("watch ended with %v", err)
		}
	})
	return func(what string, f func(watched) bool) watched {
		t.Helper()
		for late := time.After(2 * time.Minute); ; {
			select {
			case w, ok := <-lines:
				if !ok {
					t.Fatalf("watch ended before it told of %s", what)
				}
				if f(w) {
					return w
				}
			case <-late:
				t.Fatalf("watch did not tell of %s", what)
			}
		}
	}
}

// What drifts is told as it begins and ends, whoever did it; with --repair it is brought back.
func TestWatch(t *testing.T) {
	needLab(t)
	small := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", small)
	port := strings.Trim(strings.TrimSpace(witness(t, "ovs-vsctl", "--bare", "--columns=name", "find", "Port", "external_ids:nicwright-function=\"pci/"+pfs[0]+"/vf/0\"")), `"`)
	nets, err := filepath.Glob("/sys/bus/pci/devices/" + pfs[0] + "/virtfn1/net/*")
	if err != nil || len(nets) != 1 || port == "" {
		t.Fatalf("the port is %q, the VF's netdevs %v, %v", port, nets, err)
	}
	vf := filepath.Base(nets[0])

	t.Run("told", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "nicwright.prom")
		next := startWatch(t, "--textfile", file)
		next("what is in force", func(w watched) bool { return w.Event == "watching" && w.Profile == "small" })
		for _, c := range []struct{ resource, attribute, away, back string }{
			{"ovs/br-nic/", "vlan", "ovs-vsctl set Port " + port + " tag=7", "ovs-vsctl set Port " + port + " tag=100"},
			{"bond/bond0", "up", "ip link set bond0 down", "ip link set bond0 up"},
			{"/vf/1", "tls-hw-tx-offload", "ethtool -K " + vf + " tls-hw-tx-offload off", "ethtool -K " + vf + " tls-hw-tx-offload on"},
		} {
			is := func(event string) func(watched) bool {
				return func(w watched) bool {
					return w.Event == event && strings.Contains(w.Resource, c.resource) && w.Attribute == c.attribute
				}
			}
			witness(t, "sh", "-c", c.away)
			next(c.away, is("began"))
			witness(t, "sh", "-c", c.back)
			next(c.back, is("ended"))
		}
		b, err := os.ReadFile(file)
		for _, want := range []string{`nicwright_drift_known{profile="small"} 1`, `nicwright_vfs{pf="pci/` + pfs[0] + `"} 2`} {
			if err != nil || !strings.Contains(string(b), want) {
				t.Errorf("the metrics lack %s: %v\n%s", want, err, b)
			}
		}
	})
	t.Run("not repaired where that disrupts", func(t *testing.T) {
		next := startWatch(t, "--repair")
		next("what is in force", func(w watched) bool { return w.Event == "watching" })
		witness(t, "ovs-vsctl", "set", "Port", port, "tag=7")
		next("its refusal", func(w watched) bool { return w.Event == "not-repaired" && strings.Contains(w.Says, "would disrupt") })
		if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Port", port, "tag")); got != "7" {
			t.Errorf("the tag is %s, want 7", got)
		}
		witness(t, "ovs-vsctl", "set", "Port", port, "tag=100")
	})
	t.Run("repaired", func(t *testing.T) {
		next := startWatch(t, "--repair", "--yes-disrupt")
		next("what is in force", func(w watched) bool { return w.Event == "watching" })
		witness(t, "ovs-vsctl", "set", "Port", port, "tag=7")
		next("its repair", func(w watched) bool { return w.Event == "repaired" && w.Profile == "small" })
		if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Port", port, "tag")); got != "100" {
			t.Errorf("the tag is %s, want 100", got)
		}
	})
	remove(t, small) // a repair is an operation of its own
}
