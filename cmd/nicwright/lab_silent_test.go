// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A port whose firmware does not answer, or whose netdev its driver has detached, keeps nobody from looking at the others,
// and from working on them; nothing is planned for itself, and what is wrong is said.
func TestAPortThatDoesNotAnswer(t *testing.T) {
	needLab(t)
	const module = "/lab/modules/connectx_emu.ko"
	again := func() {
		witness(t, "rmmod", "connectx_emu")
		witness(t, "insmod", module, "ports=2", "vfs=8")
	}
	of := func(port string) string {
		file := filepath.Join(t.TempDir(), "port"+port+".yaml")
		profile := "version: 1\nname: port" + port + "\ncards:\n  - name: c\n    select: {model: ConnectX-6 Dx}\n    ports: [{name: p, port: " + port + ", mtu: 1400}]\n"
		if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	says := func(what string, sentence string) {
		t.Helper()
		for _, args := range [][]string{{"show"}, {"doctor", "pci/" + pfs[0]}} {
			if r := expect(t, exitDone, args...); !strings.Contains(r.stdout, sentence) {
				t.Errorf("%s: %v does not say %q:\n%s", what, args, sentence, r.stdout)
			}
		}
		if r := expect(t, exitError, "plan", "-p", of("0")); !strings.Contains(r.stderr, "nothing is planned for it") || !strings.Contains(r.stderr, sentence) {
			t.Errorf("%s: the plan of the port says %q", what, r.stderr)
		}
		expect(t, exitDone, "apply", "-p", of("1"))
		if mtu := strings.TrimSpace(witness(t, "cat", "/sys/class/net/"+netOf(t, "/sys/bus/pci/devices/"+pfs[1])+"/mtu")); mtu != "1400" {
			t.Errorf("%s: the other port has MTU %s", what, mtu)
		}
		expect(t, exitDone, "remove", "-p", "port1")
	}

	t.Run("firmware", func(t *testing.T) {
		defer again()
		dev := "pci/" + pfs[0]
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
		says("firmware that has stopped", "the card does not answer (devlink health show)")
	})

	// A change of the mode that fails, and then the way back as well: what a killed one comes to.
	t.Run("detached", func(t *testing.T) {
		defer again()
		write(t, faultDir+"calls", "fail mlx5e_priv_init 0 2 12 devlink")
		command(t, "devlink", "dev", "eswitch", "set", "pci/"+pfs[0], "mode", "switchdev")
		write(t, faultDir+"calls", "clear")
		if r := command(t, "ethtool", "--show-priv-flags", netOf(t, "/sys/bus/pci/devices/"+pfs[0])); r.code == 0 {
			t.Skipf("this kernel's driver bears it: %s", r.stdout)
		}
		says("a detached netdev", "its driver has detached the netdev")
	})
}
