// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A card or an Open vSwitch that is missing keeps nothing from the rest, and what is there of the profile stays.
func TestWithoutMissing(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "small.yaml")
	ctl := func(verb string) {
		t.Helper()
		witness(t, "/usr/share/openvswitch/scripts/ovs-ctl", verb, "--system-id=random", "--no-monitor", "--no-record-hostname")
	}
	ctl("stop")
	t.Cleanup(func() { // the test's own context has ended by then
		_ = exec.CommandContext(context.WithoutCancel(t.Context()), "/usr/share/openvswitch/scripts/ovs-ctl", "start", "--system-id=random", "--no-monitor", "--no-record-hostname").Run()
	})
	if r := expect(t, exitError, "apply", "-p", profile); !strings.Contains(r.stderr, "wants a switch") {
		t.Errorf("without the flag: %s%s", r.stdout, r.stderr)
	}
	for range 2 { // the second has nothing to do, and says the same
		r := expect(t, exitPartly, "apply", "--without-missing", "-p", profile)
		if !strings.Contains(r.stderr, "but for what it lacks: Open vSwitch: ") {
			t.Errorf("without a switch: %s%s", r.stdout, r.stderr)
		}
	}
	for _, pf := range pfs {
		if n, err := os.ReadFile("/sys/bus/pci/devices/" + pf + "/sriov_numvfs"); err != nil || strings.TrimSpace(string(n)) != "2" {
			t.Errorf("%s has %q VFs, %v", pf, n, err)
		}
	}
	witness(t, "ip", "link", "show", "dev", "bond0")
	ctl("start")
	expect(t, exitDone, "apply", "-p", profile)
	assertHost(t, 2, func(int) string { return "100" })

	ports := witness(t, "ovs-vsctl", "show")
	r := expect(t, exitPartly, "apply", "--without-missing", "-p", profile, "--set", "cards.nic0.select.serial=none")
	for _, want := range []string{"nothing to do", "card nic0: no card of this host matches model ConnectX-6 Dx and serial none", "bond bond0: none of its members is there"} {
		if !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("without a card it does not say %q:\n%s%s", want, r.stdout, r.stderr)
		}
	}
	if now := witness(t, "ovs-vsctl", "show"); now != ports {
		t.Errorf("the switch of a card that is missing for now:\n%s\nwas\n%s", now, ports)
	}
	assertHost(t, 2, func(int) string { return "100" })
	remove(t, profile)
}
