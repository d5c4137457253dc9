// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestVMHostFromBareCardToProof(t *testing.T) {
	needLab(t)
	show := expect(t, exitDone, "show")
	for _, pf := range pfs {
		if !strings.Contains(show.stdout, pf) {
			t.Errorf("show does not name %s:\n%s", pf, show.stdout)
		}
	}
	saved := filepath.Join(t.TempDir(), "plan")
	if plan := expect(t, exitSteps, "plan", "-p", "vm-host", "-o", saved); !strings.Contains(plan.stdout, "eswitch-mode") {
		t.Errorf("the plan does not speak of the eswitch mode:\n%s", plan.stdout)
	}
	// A plan whose ground has moved is refused: one VF was made meanwhile.
	numvfs := "/sys/bus/pci/devices/" + pfs[0] + "/sriov_numvfs"
	if err := os.WriteFile(numvfs, []byte("1"), 0o200); err != nil {
		t.Fatal(err)
	}
	if r := expect(t, exitError, "apply", "--plan", saved); !strings.Contains(r.stderr, "the host has changed since the plan was made") {
		t.Errorf("the stale plan was refused with: %s", r.stderr)
	}
	if err := os.WriteFile(numvfs, []byte("0"), 0o200); err != nil {
		t.Fatal(err)
	}
	applied := expect(t, exitDone, "apply", "--plan", saved)
	// The driver warns of what switchdev takes away, and apply tells it.
	if _, said, ok := strings.Cut(applied.stdout, "Meanwhile the kernel said:\n  "); !ok {
		t.Errorf("apply does not tell what the kernel said:\n%s", applied.stdout)
	} else if line, _, _ := strings.Cut(said, "\n"); !strings.Contains(witness(t, "dmesg"), strings.Split(line, " (")[0]) {
		t.Errorf("apply says that the kernel said %q, and dmesg does not", line)
	}
	assertHost(t, 4, vmHostTag)

	t.Run("no-op", testNoOpWritesNothing)
	t.Run("captured", assertCaptured)
	t.Run("the unit of the boot", testApplyWithTheUnitsCapabilities)
	t.Run("the whole matrix", func(t *testing.T) {
		r := expect(t, exitDone, "verify", "--json", "-p", "vm-host", "--set", "verify.ktls.bytes=1048576", "--set", "verify.ipsec.bytes=1048576", "--set", "verify.bond.failover=true")
		for _, cipher := range []string{"AES-128-GCM", "AES-256-GCM"} {
			for _, direction := range []string{"tx", "rx"} {
				assertVerdict(t, r.stdout, "ktls TLSv1.2 "+cipher+" "+direction, "offloaded")
			}
		}
		assertVerdict(t, r.stdout, "ktls TLSv1.2 ChaCha20-Poly1305", "software")
		assertVerdict(t, r.stdout, "ktls TLSv1.3", "software")
		assertVerdict(t, r.stdout, "flows", "offloaded")
		assertVerdict(t, r.stdout, "vlan", "holds")
		assertVerdict(t, r.stdout, "bond", "holds")
		for _, pf := range pfs {
			assertVerdict(t, r.stdout, "bond bond0 traffic goes on without "+uplink(t, pf), "holds")
		}
		assertVerdict(t, r.stdout, "ipsec crypto", "offloaded")
	})
	t.Run("software", func(t *testing.T) {
		setTLS(t, "off")
		defer setTLS(t, "on")
		r := expect(t, exitUnproven, "verify", "--quick", "--json")
		assertVerdict(t, r.stdout, "ktls", "software")
	})
	assertHost(t, 4, vmHostTag)
	rollback(t)
}

// The unit of the boot may do less than root: what it needs for an apply, with nothing in the way.
func testApplyWithTheUnitsCapabilities(t *testing.T) {
	m := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(CAP_.+)$`).FindStringSubmatch(expect(t, exitDone, "install", "--print", "-p", "vm-host").stdout)
	if m == nil {
		t.Fatal("the unit has no CapabilityBoundingSet")
	}
	caps := "-all"
	for _, c := range strings.Fields(m[1]) {
		caps += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
	}
	if out := witness(t, "setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set="+caps, "nicwright", "apply", "-p", "vm-host"); !strings.Contains(out, "othing to do") {
		t.Errorf("apply with %s says: %s", caps, out)
	}
}

// From one built-in profile to the other: the switch and the VFs go, the bond stays, TLS moves from the VFs to the ports.
func TestTLSServerAfterVMHost(t *testing.T) {
	needLab(t)
	small := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", small)
	assertHost(t, 2, func(int) string { return "100" })
	if r := expect(t, exitError, "apply", "-p", "tls-server"); !strings.Contains(r.stderr, "--replace small") {
		t.Errorf("a second profile for the card is refused with: %s", r.stderr)
	}
	expect(t, exitDone, "apply", "-p", "tls-server", "--replace", "small")
	if got := strings.TrimSpace(witness(t, "ovs-vsctl", "list-br")); got != "" {
		t.Errorf("ovs-vsctl: the bridges %s are left", got)
	}
	for _, pf := range pfs {
		if out := witness(t, "devlink", "dev", "eswitch", "show", "pci/"+pf); !strings.Contains(out, "mode legacy") {
			t.Errorf("devlink: %s", out)
		}
		nets, err := filepath.Glob("/sys/bus/pci/devices/" + pf + "/net/*")
		if err != nil || len(nets) != 1 {
			t.Fatalf("sysfs: %s has the netdevs %v, %v", pf, nets, err)
		}
		features := witness(t, "ethtool", "-k", filepath.Base(nets[0]))
		for _, want := range []string{"tls-hw-tx-offload: on", "tls-hw-rx-offload: on"} {
			if !strings.Contains(features, want) {
				t.Errorf("ethtool: %s has not got %q", nets[0], want)
			}
		}
		if got := uplinkMaster(t, pf); got != "bond0" {
			t.Errorf("ip: %s has the master %q", pf, got)
		}
	}
	if r := expect(t, exitDone, "apply", "-p", "tls-server"); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	// There are no VFs to prove anything between; the profile asks for no proof.
	if r := expect(t, exitDone, "verify"); !strings.Contains(r.stdout, "not possible here") {
		t.Errorf("verify without VFs printed:\n%s", r.stdout)
	}
	expect(t, exitDone, "rollback")
	assertHost(t, 2, func(int) string { return "100" })
	// A rollback goes back one apply, and the next one goes on from there.
	rollback(t)
}
