// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A port whose firmware does not answer keeps nobody from looking at the others, and from working on them; nothing is
// planned for itself, and what is wrong is said.
func TestAPortThatDoesNotAnswer(t *testing.T) {
	needLab(t)
	dev := "pci/" + pfs[0]
	defer func() {
		witness(t, "rmmod", "connectx_emu")
		witness(t, "insmod", "/lab/modules/connectx_emu.ko", "ports=2", "vfs=8")
	}()
	witness(t, "devlink", "health", "set", dev, "reporter", "fw_fatal", "auto_recover", "false")
	write(t, faultDir+"pf0/hang", "8")
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		if strings.Contains(witness(t, "devlink", "health", "show", dev, "reporter", "fw_fatal"), "state error") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the driver does not see that its firmware has stopped")
		}
	}
	assertSilent(t, "the card does not answer (devlink health show)")
}

// assertSilent looks whether the first port is not planned for, with a sentence that all say, and the second is worked on.
func assertSilent(t *testing.T, sentence string) {
	t.Helper()
	of := func(port string) string {
		file := filepath.Join(t.TempDir(), "port"+port+".yaml")
		profile := "version: 1\nname: port" + port + "\ncards:\n  - name: c\n    select: {model: ConnectX-6 Dx}\n    ports: [{name: p, port: " + port + ", mtu: 1400}]\n"
		if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, args := range [][]string{{"show"}, {"doctor", "pci/" + pfs[0]}} {
		if r := expect(t, exitDone, args...); !strings.Contains(r.stdout, sentence) {
			t.Errorf("%v does not say %q:\n%s", args, sentence, r.stdout)
		}
	}
	if r := expect(t, exitError, "plan", "-p", of("0")); !strings.Contains(r.stderr, "nothing is planned for it") || !strings.Contains(r.stderr, sentence) {
		t.Errorf("the plan of the port says %q", r.stderr)
	}
	expect(t, exitDone, "apply", "-p", of("1"))
	if mtu := strings.TrimSpace(witness(t, "cat", "/sys/class/net/"+netOf(t, "/sys/bus/pci/devices/"+pfs[1])+"/mtu")); mtu != "1400" {
		t.Errorf("the other port has MTU %s", mtu)
	}
	expect(t, exitDone, "remove", "-p", "port1")
}
