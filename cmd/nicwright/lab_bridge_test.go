// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The kernel's bridge with VLAN filtering: it is made, proved, found drifted, mended where representors are made
// again, and taken away; ip and bridge say so.
func TestBridge(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "bridge.yaml")
	expect(t, exitDone, "apply", "-p", profile)
	assertBridge(t)
	if r := expect(t, exitDone, "apply", "-p", profile); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}

	r := command(t, "nicwright", "verify", "--json")
	t.Logf("verify exited %d:\n%s", r.code, r.stdout)
	assertVerdict(t, r.stdout, "flows", "offloaded")
	assertVerdict(t, r.stdout, "vlan", "holds")
	if r.code != exitDone {
		t.Errorf("verify exited %d, want %d: %s", r.code, exitDone, r.stderr)
	}

	// A port that does not learn: the bridge floods, and the processor does it.
	port := bridgePorts(t)["pf0vf0"]
	witness(t, "bridge", "link", "set", "dev", port, "learning", "off")
	witness(t, "ip", "link", "set", "dev", port, "down") // it forgets what it has learned
	witness(t, "ip", "link", "set", "dev", port, "up")
	r = expect(t, exitUnproven, "verify", "--quick", "--json")
	assertVerdict(t, r.stdout, "flows", "software")
	witness(t, "bridge", "link", "set", "dev", port, "learning", "on")

	// What somebody changes is drift, and is mended.
	witness(t, "bridge", "vlan", "add", "dev", port, "vid", "7")
	witness(t, "ip", "link", "set", "dev", bridgePorts(t)["pf0vf1"], "nomaster")
	if r := expect(t, exitSteps, "plan", "-p", profile); !strings.Contains(r.stdout, "vlans: 7, 100 pvid untagged -> 100 pvid untagged") {
		t.Errorf("the plan says nothing of VLAN 7:\n%s", r.stdout)
	}
	expect(t, exitDone, "apply", "-p", profile)
	assertBridge(t)

	// Representors that are made again come back to their places.
	expect(t, exitDone, "apply", "-p", profile, "--set", "cards.c.ports.a.vfs=5")
	assertBridge(t)
	remove(t, profile)
	if r := command(t, "ip", "link", "show", "dev", "vmbr0"); r.code == 0 {
		t.Errorf("the bridge is still there:\n%s", r.stdout)
	}
}

// bridgePorts are the ports of vmbr0 by the names of their ports in the eswitch (p0, pf0vf1).
func bridgePorts(t *testing.T) map[string]string {
	t.Helper()
	var links []struct {
		Ifname, Master string
		PhysPortName   string `json:"phys_port_name"`
	}
	witnessJSON(t, &links, "ip", "-j", "-d", "link", "show", "master", "vmbr0")
	all := map[string]string{}
	for _, l := range links {
		all[l.PhysPortName] = l.Ifname
	}
	return all
}

// bridgeVLANs are the VLANs of ports of bridges, by the ports' netdevs, as `bridge` says them.
func bridgeVLANs(t *testing.T) map[string]string {
	t.Helper()
	var ports []struct {
		Ifname string
		Vlans  []struct {
			Vlan, VlanEnd int
			Flags         []string
		}
	}
	witnessJSON(t, &ports, "bridge", "-j", "vlan", "show")
	got := map[string]string{}
	for _, p := range ports {
		for _, v := range p.Vlans {
			for n := v.Vlan; n <= max(v.Vlan, v.VlanEnd); n++ { // bridge prints ranges, or each by itself
				got[p.Ifname] += fmt.Sprint(n, v.Flags, " ")
			}
		}
	}
	return got
}

func accessVLAN(vlan int) string { return fmt.Sprint(vlan, []string{"PVID", "Egress Untagged"}, " ") }

// A leased VF is a port of the kernel's bridge with its network's VLAN, and none afterwards; one that the profile
// has as a port is that again.
func TestVFLeaseAtABridge(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "leases-bridge.yaml")
	expect(t, exitDone, "apply", "-p", profile)
	a := leased(t, "--network", "tenants", "--vm", "web1")
	if a.Port == nil || a.Port.Kind != "linux" || a.Port.Bridge != "vmbr0" || a.VLAN == nil || *a.VLAN != 100 || a.Representor == nil {
		t.Fatalf("the answer is %+v", a)
	}
	if v := vfByIP(t, a.Address); v.mac() != a.MAC || v.Rate.Max != 1000 {
		t.Errorf("ip says %+v, the answer is %+v", v, a)
	}
	if got := bridgeVLANs(t)[a.Representor.Netdev]; got != accessVLAN(100) {
		t.Errorf("%s has the VLANs %q", a.Representor.Netdev, got)
	}
	expect(t, exitDone, "plan", "-p", profile)

	// What somebody changes of it is drift of the lease, and apply mends it.
	witness(t, "ip", "link", "set", "dev", a.Representor.Netdev, "nomaster")
	if s := states(t)[a.Address]; len(s.Differs) == 0 {
		t.Errorf("out of its bridge it is listed as %+v", s)
	}
	expect(t, exitDone, "apply", "-p", profile)
	if got := bridgeVLANs(t)[a.Representor.Netdev]; got != accessVLAN(100) {
		t.Errorf("after the apply %s has the VLANs %q", a.Representor.Netdev, got)
	}
	expect(t, exitDone, "vf", "release", "web1")
	assertFree(t, a)
	if got := bridgeVLANs(t)[a.Representor.Netdev]; got != "" {
		t.Errorf("released, %s has the VLANs %q", a.Representor.Netdev, got)
	}

	// The profile has this one as a port in VLAN 300.
	b := leased(t, "--network", "storage", "--vm", "db1")
	if got, want := bridgeVLANs(t)[b.Representor.Netdev], fmt.Sprint(200, []string(nil), " ", 201, []string(nil), " "); got != want {
		t.Errorf("%s has the VLANs %q, want %q", b.Representor.Netdev, got, want)
	}
	expect(t, exitDone, "vf", "release", "db1")
	if got := bridgeVLANs(t)[b.Representor.Netdev]; got != accessVLAN(300) {
		t.Errorf("released, %s has the VLANs %q", b.Representor.Netdev, got)
	}
	expect(t, exitDone, "plan", "-p", profile)
	remove(t, profile)
}

func assertBridge(t *testing.T) {
	t.Helper()
	var links []struct {
		Ifalias  string
		Flags    []string
		Linkinfo struct {
			Kind string `json:"info_kind"`
			Data struct {
				Filtering int `json:"vlan_filtering"`
				Snooping  int `json:"mcast_snooping"`
			} `json:"info_data"`
		}
	}
	witnessJSON(t, &links, "ip", "-j", "-d", "link", "show", "dev", "vmbr0")
	if l := links[0]; l.Ifalias != "nicwright:bridge" || l.Linkinfo.Kind != "bridge" || l.Linkinfo.Data.Filtering != 1 || l.Linkinfo.Data.Snooping != 0 || !slices.Contains(l.Flags, "UP") {
		t.Errorf("vmbr0 is %+v", l)
	}
	names, got := bridgePorts(t), bridgeVLANs(t)
	trunk := ""
	for n := 100; n <= 109; n++ {
		trunk += fmt.Sprint(n, []string(nil), " ")
	}
	want := map[string]string{"p0": trunk, "pf0vf0": accessVLAN(100), "pf0vf1": accessVLAN(100), "pf0vf2": accessVLAN(110), "pf0vf3": accessVLAN(110)}
	for port, vlans := range want {
		if names[port] == "" || got[names[port]] != vlans {
			t.Errorf("%s (%q) has the VLANs %q, want %q", port, names[port], got[names[port]], vlans)
		}
	}
	if len(names) != len(want) {
		t.Errorf("the ports of vmbr0 are %v", names)
	}
}
