// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// paramsOf are the params of a device as the devlink tool shows them: values by name.
func paramsOf(t *testing.T, pf string) map[string]string {
	t.Helper()
	var all struct {
		Param map[string][]struct {
			Name   string
			Values []struct{ Value any }
		}
	}
	witnessJSON(t, &all, "devlink", "-j", "dev", "param", "show")
	values := map[string]string{}
	for _, p := range all.Param["pci/"+pf] {
		values[p.Name] = fmt.Sprint(p.Values[0].Value)
	}
	return values
}

func assertParams(t *testing.T, pf string, want map[string]string) {
	t.Helper()
	is := paramsOf(t, pf)
	for name, v := range want {
		if is[name] != v {
			t.Errorf("devlink: %s of %s is %s, not %s", name, pf, is[name], v)
		}
	}
}

// reloads is how often the driver of a device was reloaded, as the kernel counts.
func reloads(t *testing.T, pf string) int {
	t.Helper()
	var all struct {
		Dev map[string]struct {
			Stats struct {
				Reload struct {
					Reinit struct{ Unspecified int } `json:"driver_reinit"`
				}
			}
		}
	}
	witnessJSON(t, &all, "devlink", "-j", "-s", "dev", "show", "pci/"+pf)
	return all.Dev["pci/"+pf].Stats.Reload.Reinit.Unspecified
}

// The params that a profile names are set, with one reload for all of them, and what that takes away comes back.
func TestParams(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "params.yaml")
	plain := []string{"-p", profile, "--set", "bonds.bond0=null", "--set", "cards.c.ports.a.eswitch-mode=legacy", "--set", "cards.c.ports.b.eswitch-mode=legacy", "--set", "cards.c.ports.a.vf.representor-up=null"}
	with := func(verb string, more ...string) []string {
		args := append([]string{verb}, plain...)
		for _, m := range more {
			args = append(args, "--set", "cards.c.ports.a.params."+m)
		}
		return args
	}
	for set, says := range map[string]string{
		"no_such=1":          "has no such param here",
		"io_eq_size=many":    "is not a number of 32 bits",
		"esw_multiport=true": "they are in switchdev",
	} {
		if r := expect(t, exitError, with("plan", set)...); !strings.Contains(r.stderr, says) {
			t.Errorf("%s is refused with:\n%s", set, r.stderr)
		}
	}
	b, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	text := strings.Replace(string(b), "        vfs: 2\n", "        vfs: 2\n        params: {io_eq_size: {runtime: 64}}\n", 1)
	if err := os.WriteFile(wrong, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := expect(t, exitError, "plan", "-p", wrong); !strings.Contains(r.stderr, "the kernel has it in driverinit") {
		t.Errorf("another mode is refused with:\n%s", r.stderr)
	}

	// In legacy mode, under an address, a VLAN and a route.
	up := uplink(t, pfs[0])
	witness(t, "ip", "link", "set", "dev", up, "up")
	witness(t, "ip", "address", "add", "10.77.0.1/24", "dev", up)
	witness(t, "ip", "link", "add", "link", up, "name", "vlan7", "type", "vlan", "id", "7")
	witness(t, "ip", "link", "set", "dev", "vlan7", "up")
	witness(t, "ip", "address", "add", "10.77.7.1/24", "dev", "vlan7")
	witness(t, "ip", "route", "add", "10.78.0.0/16", "via", "10.77.0.2", "dev", up)
	expect(t, exitDone, with("apply")...)
	before, was := paramsOf(t, pfs[0]), reloads(t, pfs[0])
	hangs := func() string {
		return witness(t, "ip", "-brief", "address", "show", "dev", uplink(t, pfs[0])) + witness(t, "ip", "-brief", "address", "show", "dev", "vlan7") + witness(t, "ip", "route", "show", "10.78.0.0/16")
	}
	for _, address := range []string{"10.77.0.1/24", "10.77.7.1/24", "via 10.77.0.2"} {
		if !strings.Contains(hangs(), address) {
			t.Fatalf("%s is not there:\n%s", address, hangs())
		}
	}
	on := hangs()
	set := []string{"io_eq_size=4096", "max_macs=64", "enable_roce=" + before["enable_roce"]}
	if r := expect(t, exitSteps, with("plan", set...)...); !strings.Contains(r.stdout, "is made again") || !strings.Contains(r.stdout, "10.77.0.1/24") {
		t.Errorf("the plan does not say what it interrupts:\n%s", r.stdout)
	}
	expect(t, exitDone, with("apply", set...)...)
	assertParams(t, pfs[0], map[string]string{"io_eq_size": "4096", "max_macs": "64", "enable_roce": before["enable_roce"], "event_eq_size": before["event_eq_size"]})
	if n := reloads(t, pfs[0]); n != was+1 {
		t.Errorf("the driver was reloaded %d times", n-was)
	}
	if is := hangs(); is != on {
		t.Errorf("on the uplink is:\n%snot:\n%s", is, on)
	}
	for n := range 2 {
		vfNetdev(t, n)
	}
	if r := expect(t, exitDone, with("apply", set...)...); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	if r := expect(t, exitDone, "capture"); !strings.Contains(r.stdout, "io_eq_size: 4096") || !strings.Contains(r.stdout, "max_macs: 64") {
		t.Errorf("the captured profile has no params:\n%s", r.stdout)
	}
	// What somebody changes is drift.
	witness(t, "devlink", "dev", "param", "set", "pci/"+pfs[0], "name", "max_macs", "value", "32", "cmode", "driverinit")
	if r := expect(t, exitSteps, with("plan", set...)...); !strings.Contains(r.stdout, "32 -> 64") {
		t.Errorf("the plan says nothing of it:\n%s", r.stdout)
	}
	expect(t, exitDone, "rollback")
	assertParams(t, pfs[0], before)
	if is := hangs(); is != on {
		t.Errorf("after the rollback on the uplink is:\n%snot:\n%s", is, on)
	}
	remove(t, profile)
	witness(t, "ip", "link", "del", "dev", "vlan7")
	witness(t, "ip", "address", "flush", "dev", uplink(t, pfs[0]))
	witness(t, "ip", "link", "set", "dev", uplink(t, pfs[0]), "down")
}

// With a LAG the driver refuses a reload: the bond lets go of the ports, and has them again with its addresses.
func TestParamsBelowALAG(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "params.yaml")
	lag := func() string {
		b, _ := os.ReadFile("/sys/kernel/debug/mlx5/" + pfs[0] + "/lag/state")
		return strings.TrimSpace(string(b))
	}
	expect(t, exitDone, "apply", "-p", profile)
	witness(t, "ip", "address", "add", "10.77.0.1/24", "dev", "bond0")
	if lag() != "active" {
		t.Fatalf("the LAG is %q", lag())
	}
	mac := func() string { return strings.Fields(witness(t, "ip", "-brief", "link", "show", "dev", "bond0"))[2] }
	hadMAC := mac()
	before := [2]int{reloads(t, pfs[0]), reloads(t, pfs[1])}
	set := []string{"--set", "cards.c.ports.a.params.fdb_large_groups=20", "--set", "cards.c.ports.b.params.fdb_large_groups=20", "--set", "cards.c.ports.b.params.max_macs=64"}
	expect(t, exitDone, append([]string{"apply", "-p", profile}, set...)...)
	for n, pf := range pfs[:2] {
		assertParams(t, pf, map[string]string{"fdb_large_groups": "20"})
		if got := reloads(t, pf) - before[n]; got != 1 {
			t.Errorf("the driver of %s was reloaded %d times", pf, got)
		}
		if master := uplinkMaster(t, pf); master != "bond0" {
			t.Errorf("%s is in %q", pf, master)
		}
		if out := witness(t, "devlink", "dev", "eswitch", "show", "pci/"+pf); !strings.Contains(out, "mode switchdev") {
			t.Errorf("after the reload: %s", out)
		}
	}
	if lag() != "active" {
		t.Errorf("the LAG is %q", lag())
	}
	if mac() != hadMAC {
		t.Errorf("the bond has the MAC address %s, and had %s", mac(), hadMAC)
	}
	if out := witness(t, "ip", "-brief", "address", "show", "dev", "bond0"); !strings.Contains(out, "10.77.0.1/24") {
		t.Errorf("the bond has lost its address: %s", out)
	}
	if r := expect(t, exitDone, append([]string{"apply", "-p", profile}, set...)...); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	expect(t, exitDone, "rollback")
	assertParams(t, pfs[1], map[string]string{"fdb_large_groups": "15", "max_macs": "128"})
	if lag() != "active" || uplinkMaster(t, pfs[0]) != "bond0" {
		t.Errorf("after the rollback: the LAG is %q", lag())
	}
	remove(t, profile)
}

// One eswitch of both ports: on when both are in switchdev, over a reload, and off before a bond.
func TestMultiportEswitch(t *testing.T) {
	needLab(t)
	if strings.HasPrefix(os.Getenv("NICWRIGHT_IN_LAB"), "6.1") && !strings.HasPrefix(os.Getenv("NICWRIGHT_IN_LAB"), "6.12") {
		return // 6.1 has no esw_multiport
	}
	profile := filepath.Join("testdata", "params.yaml")
	args := []string{"-p", profile, "--set", "bonds.bond0=null", "--set", "cards.c.ports.a.params.esw_multiport=true", "--set", "cards.c.ports.b.params.esw_multiport=true"}
	lag := func() string {
		b, _ := os.ReadFile("/sys/kernel/debug/mlx5/" + pfs[0] + "/lag/type")
		return strings.TrimSpace(string(b))
	}
	is := func(want string) {
		t.Helper()
		for _, pf := range pfs[:2] {
			assertParams(t, pf, map[string]string{"esw_multiport": want})
		}
		if kind := lag(); (kind == "multiport_eswitch") != (want == "true") {
			t.Errorf("the card's LAG is %q", kind)
		}
	}
	expect(t, exitDone, append([]string{"apply"}, args...)...)
	is("true")
	if r := expect(t, exitDone, append([]string{"apply"}, args...)...); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	if r := expect(t, exitDone, "capture"); !strings.Contains(r.stdout, "esw_multiport: true") {
		t.Errorf("the captured profile has no esw_multiport:\n%s", r.stdout)
	}
	expect(t, exitDone, append([]string{"apply", "--set", "cards.c.ports.a.params.fdb_large_groups=20"}, args...)...)
	is("true")
	assertParams(t, pfs[0], map[string]string{"fdb_large_groups": "20"})
	if r := expect(t, exitError, "plan", "-p", profile, "--set", "cards.c.ports.a.params.esw_multiport=true"); !strings.Contains(r.stderr, "NW122") {
		t.Errorf("with a bond it is refused with:\n%s", r.stderr)
	}
	expect(t, exitDone, "apply", "-p", profile, "--set", "cards.c.ports.a.params.esw_multiport=false")
	if kind := lag(); kind != "switchdev" {
		t.Errorf("the card's LAG is %q, and not the bond's", kind)
	}
	expect(t, exitDone, "rollback")
	is("true")
	remove(t, profile)
	is("false")
}
