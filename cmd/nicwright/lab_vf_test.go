// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/lease"
)

// The witnesses of these tests are ip, devlink, ovs-vsctl and sysfs.

// leased asks for a VF, and has to get it.
func leased(t *testing.T, args ...string) lease.Answer {
	t.Helper()
	return answerOf(t, expect(t, exitDone, append([]string{"vf", "lease", "--json"}, args...)...).stdout)
}

func answerOf(t *testing.T, text string) (a lease.Answer) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Version != 1 {
		t.Fatalf("the lease is no document of version 1: %v\n%s", err, text)
	}
	return a
}

// vfInfo is what `ip -j link show PF` says of a VF.
type vfInfo struct {
	VF      int    `json:"vf"`
	MAC     string `json:"mac"`
	Address string `json:"address"`
	VLANs   []struct {
		VLAN int `json:"vlan"`
		QoS  int `json:"qos"`
	} `json:"vlan_list"`
	SpoofChk bool `json:"spoofchk"`
	Rate     struct {
		Max int `json:"max_tx"`
	} `json:"rate"`
}

func (v vfInfo) mac() string {
	if v.MAC != "" {
		return v.MAC
	}
	return v.Address
}

// vfByIP is a VF by its PCI address, as iproute2 sees it.
func vfByIP(t *testing.T, address string) vfInfo {
	t.Helper()
	pf, n := indexOf(t, address)
	nets, err := filepath.Glob("/sys/bus/pci/devices/" + pf + "/net/*")
	if err != nil || len(nets) == 0 {
		t.Fatalf("%s has no netdev: %v", pf, err)
	}
	for _, net := range nets { // representors are below the PF as well: they have no VFs
		var links []struct {
			VFs []vfInfo `json:"vfinfo_list"`
		}
		witnessJSON(t, &links, "ip", "-j", "link", "show", "dev", filepath.Base(net))
		for _, v := range links[0].VFs {
			if v.VF == n {
				return v
			}
		}
	}
	t.Fatalf("ip knows no VF %d of %s", n, pf)
	return vfInfo{}
}

// indexOf is the PF and the index of a VF, by sysfs.
func indexOf(t *testing.T, address string) (string, int) {
	t.Helper()
	for _, pf := range pfs {
		for n := range 127 {
			to, err := os.Readlink(filepath.Join("/sys/bus/pci/devices", pf, "virtfn"+itoa(n)))
			if err == nil && filepath.Base(to) == address {
				return pf, n
			}
		}
	}
	t.Fatalf("there is no VF %s", address)
	return "", 0
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// portOf is a port of the switch, by the netdev's name: "" where there is none.
func portOf(t *testing.T, netdev, column string) string {
	t.Helper()
	return strings.TrimSpace(witness(t, "ovs-vsctl", "--if-exists", "get", "port", netdev, column))
}

func driverOf(t *testing.T, address string) string {
	t.Helper()
	to, err := os.Readlink("/sys/bus/pci/devices/" + address + "/driver")
	if err != nil {
		return "none"
	}
	return filepath.Base(to)
}

// states are those of vf list, by PCI address.
func states(t *testing.T) map[string]lease.Shown {
	t.Helper()
	var list lease.List
	if err := json.Unmarshal([]byte(expect(t, exitDone, "vf", "list", "--json").stdout), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]lease.Shown{}
	for _, s := range list.VFs {
		all[s.Address] = s
	}
	return all
}

func TestVFLease(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "leases.yaml")
	if r := expect(t, exitError, "vf", "lease", "--network", "tenants"); !strings.Contains(r.stderr, "no profile is in force") {
		t.Errorf("without a profile it says %q", r.stderr)
	}
	expect(t, exitDone, "apply", "-p", profile)

	t.Run("what it sets", func(t *testing.T) {
		a := leased(t, "--network", "tenants", "--vm", "web 1")
		if a.Network != "tenants" || a.VM != "web 1" || a.Driver != "mlx5_core" || a.VLAN == nil || *a.VLAN != 100 || a.EswitchMode != "switchdev" || a.State != "leased" {
			t.Errorf("the answer is %+v", a)
		}
		v := vfByIP(t, a.Address)
		if v.mac() != a.MAC || a.MAC[1] != '2' && a.MAC[1] != '6' && a.MAC[1] != 'a' && a.MAC[1] != 'e' || v.Rate.Max != 1000 {
			t.Errorf("ip says %+v, the answer is %+v", v, a)
		}
		if own := netdevAddress(t, a.Address); own != a.MAC {
			t.Errorf("the VF's driver says %s, and the lease %s", own, a.MAC)
		}
		if group := rateGroupOf(t, a.Representor.Netdev); group != "machines" {
			t.Errorf("devlink says that it is in the rate group %q", group)
		}
		if got := portOf(t, a.Representor.Netdev, "tag"); got != "100" || !strings.Contains(witness(t, "ovs-vsctl", "port-to-br", a.Representor.Netdev), "br-vm") {
			t.Errorf("its port has the tag %q", got)
		}
		if a.Port == nil || a.Port.OFPort <= 0 || itoa(a.Port.OFPort) != strings.TrimSpace(witness(t, "ovs-vsctl", "get", "interface", a.Representor.Netdev, "ofport")) {
			t.Errorf("the port is %+v", a.Port)
		}
		// Asked again it is the same, and neither plan nor apply has anything to say about it.
		if b := leased(t, "--network", "tenants", "--vm", "web 1"); b.Address != a.Address || b.MAC != a.MAC || b.Name != a.Name {
			t.Errorf("asked again it is %+v, and was %+v", b, a)
		}
		expect(t, exitDone, "plan", "-p", profile)
		expect(t, exitDone, "apply", "-p", profile)
		if v := vfByIP(t, a.Address); v.mac() != a.MAC || v.Rate.Max != 1000 {
			t.Errorf("after an apply ip says %+v", v)
		}
		for _, args := range [][]string{{"--driver", "none"}, {"--mac", "02:00:00:00:00:01"}} {
			if r := expect(t, exitError, append([]string{"vf", "lease", "--network", "tenants", "--vm", "web 1"}, args...)...); !strings.Contains(r.stderr, "release it first") {
				t.Errorf("%v: %s", args, r.stderr)
			}
		}
		// What would take it away is refused.
		if r := expect(t, exitError, "plan", "-p", profile, "--set", "cards.nic0.ports.p1.vfs=8", "--set", "cards.nic0.ports.p0.vfs.host.vf=4"); !strings.Contains(r.stderr, "it is leased as ") {
			t.Errorf("another count of VFs: %s", r.stderr)
		}
		for _, args := range [][]string{{"rollback"}, {"remove", "-p", profile}} {
			if r := expect(t, exitError, args...); !strings.Contains(r.stderr, "nicwright vf release") {
				t.Errorf("%v: %s", args, r.stderr)
			}
		}
		// What somebody else changes of it is drift, which apply mends.
		witness(t, "ovs-vsctl", "set", "port", a.Representor.Netdev, "tag=999")
		if s := states(t)[a.Address]; len(s.Differs) != 1 || !strings.Contains(s.Differs[0], "999") {
			t.Errorf("vf list says %+v", s)
		}
		expect(t, exitSteps, "plan", "-p", profile)
		expect(t, exitDone, "apply", "-p", profile)
		if got := portOf(t, a.Representor.Netdev, "tag"); got != "100" {
			t.Errorf("the tag that apply left is %s", got)
		}

		expect(t, exitDone, "vf", "release", "web 1")
		assertFree(t, a)
		expect(t, exitDone, "plan", "-p", profile)
		if r := expect(t, exitDone, "vf", "release", "web 1"); !strings.Contains(r.stdout, "nothing was leased") {
			t.Errorf("released again: %s", r.stdout)
		}
	})

	t.Run("a port that the profile has", func(t *testing.T) {
		// The first VF of storage has a port of its own, tag 300.
		a := leased(t, "--network", "storage", "--name", "disk", "--mac", "02:00:5e:10:00:06", "--driver", "none")
		if a.MAC != "02:00:5e:10:00:06" || a.Driver != "none" || driverOf(t, a.Address) != "none" || vfByIP(t, a.Address).mac() != a.MAC {
			t.Errorf("the answer is %+v", a)
		}
		if tag, trunks := portOf(t, a.Representor.Netdev, "tag"), portOf(t, a.Representor.Netdev, "trunks"); tag != "[]" || trunks != "[200, 201]" {
			t.Errorf("its port has tag %s, trunks %s", tag, trunks)
		}
		expect(t, exitDone, "plan", "-p", profile)
		expect(t, exitDone, "vf", "release", a.Address)
		if tag := portOf(t, a.Representor.Netdev, "tag"); tag != "300" || driverOf(t, a.Address) != "mlx5_core" {
			t.Errorf("released, its port has tag %s, and the VF the driver %s", tag, driverOf(t, a.Address))
		}
		expect(t, exitDone, "plan", "-p", profile)
	})

	t.Run("a process that ends", func(t *testing.T) {
		cmd := startSleep(t)
		a := leased(t, "--network", "tenants", "--name", "short", "--pid", itoa(cmd.Process.Pid))
		if s := states(t)[a.Address]; s.State != "leased" || s.PID != cmd.Process.Pid {
			t.Errorf("it is listed as %+v", s)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if s := states(t)[a.Address]; s.State != "stale" {
			t.Errorf("when the process has ended it is listed as %+v", s)
		}
		expect(t, exitDone, "vf", "release", "--stale")
		assertFree(t, a)
	})

	t.Run("none is free", func(t *testing.T) {
		var got []lease.Answer
		for range 6 {
			a := leased(t, "--network", "tenants")
			if slices.ContainsFunc(got, func(o lease.Answer) bool { return o.Address == a.Address || o.MAC == a.MAC || o.Name == a.Name }) {
				t.Errorf("%s (%s) was given out twice", a.Address, a.MAC)
			}
			got = append(got, a)
		}
		r := expect(t, exitError, "vf", "lease", "--network", "tenants")
		if !strings.Contains(r.stderr, "no free VF") || strings.Count(r.stderr, "leased as") != 6 {
			t.Errorf("it says %q", r.stderr)
		}
		for _, a := range got {
			expect(t, exitDone, "vf", "release", a.Name)
		}
		// Who has taken one without asking is seen.
		net := filepath.Base(netdevOf(t, got[0].Address))
		witness(t, "ip", "netns", "add", "tenant")
		witness(t, "ip", "link", "set", net, "netns", "tenant")
		if s := states(t)[got[0].Address]; s.State != "used" || len(s.HeldBy) != 1 || !strings.Contains(s.HeldBy[0], "tenant") {
			t.Errorf("it is listed as %+v", s)
		}
		if a := leased(t, "--network", "tenants", "--name", "next"); a.Address == got[0].Address {
			t.Errorf("%s was given out, and is in the network namespace tenant", a.Address)
		}
		expect(t, exitDone, "vf", "release", "next")
		witness(t, "ip", "-n", "tenant", "link", "set", net, "name", "back0") // the kernel may have given its name again
		witness(t, "ip", "-n", "tenant", "link", "set", "back0", "netns", "1")
		witness(t, "ip", "netns", "del", "tenant")
	})

	expect(t, exitDone, "plan", "-p", profile)
	remove(t, profile)
}

// rateGroupOf is what devlink says that the port of a representor is below, "" for nothing.
func rateGroupOf(t *testing.T, representor string) string {
	t.Helper()
	var ports struct {
		Port map[string]struct{ Netdev string }
	}
	witnessJSON(t, &ports, "devlink", "-j", "port", "show")
	var rates struct {
		Rate map[string]struct{ Parent string }
	}
	witnessJSON(t, &rates, "devlink", "-j", "port", "function", "rate", "show")
	for handle, p := range ports.Port {
		if p.Netdev == representor {
			return rates.Rate[handle].Parent
		}
	}
	t.Errorf("devlink has no port of %s", representor)
	return ""
}

// assertFree looks whether nothing of a lease is left on a VF that the profile gives no port.
func assertFree(t *testing.T, a lease.Answer) {
	t.Helper()
	v := vfByIP(t, a.Address)
	if v.mac() == a.MAC || v.Rate.Max != 0 || len(v.VLANs) > 0 && v.VLANs[0].VLAN != 0 {
		t.Errorf("released, ip says %+v", v)
	}
	if a.Representor != nil {
		if group := rateGroupOf(t, a.Representor.Netdev); group != "" {
			t.Errorf("released, devlink says that it is in the rate group %s", group)
		}
		if tag := portOf(t, a.Representor.Netdev, "tag"); tag != "" {
			t.Errorf("released, it still has a port, of tag %s", tag)
		}
	}
	if d := driverOf(t, a.Address); d != "mlx5_core" {
		t.Errorf("released, it has the driver %s", d)
	}
	if s := states(t)[a.Address]; s.State != "free" || s.Name != "" {
		t.Errorf("released, it is listed as %+v", s)
	}
}

func TestVFLeaseInLegacyMode(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "leases-legacy.yaml")
	expect(t, exitDone, "apply", "-p", profile)
	a := leased(t, "--network", "tenants", "--vm", "web1")
	v := vfByIP(t, a.Address)
	if v.mac() != a.MAC || len(v.VLANs) != 1 || v.VLANs[0].VLAN != 100 || v.VLANs[0].QoS != 3 || !v.SpoofChk || v.Rate.Max != 1000 || a.VLAN == nil || *a.VLAN != 100 {
		t.Errorf("ip says %+v, the answer is %+v", v, a)
	}
	if a.Representor != nil || a.Port != nil || a.EswitchMode != "legacy" {
		t.Errorf("in legacy mode the answer is %+v", a)
	}
	expect(t, exitDone, "plan", "-p", profile)
	expect(t, exitDone, "vf", "release", "web1")
	assertFree(t, a)
	if v := vfByIP(t, a.Address); v.SpoofChk {
		t.Errorf("released, ip says %+v", v)
	}
	rollback(t)
}
