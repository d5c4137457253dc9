// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var pfs = []string{"0001:3b:00.0", "0001:3b:00.1"}

type devlinkPorts struct {
	Port map[string]struct {
		Netdev, Flavour string
		VFNum           int `json:"vfnum"`
	}
}

// assertHost asks stock tools whether the host is as vm-host (with this many VFs a port and
// these access VLANs by VF) says.
func assertHost(t *testing.T, vfs int, tag func(vf int) string) {
	t.Helper()
	var ports devlinkPorts
	witnessJSON(t, &ports, "devlink", "-j", "port", "show")
	for _, pf := range pfs {
		var mode struct {
			Dev map[string]struct{ Mode string }
		}
		witnessJSON(t, &mode, "devlink", "-j", "dev", "eswitch", "show", "pci/"+pf)
		if got := mode.Dev["pci/"+pf].Mode; got != "switchdev" {
			t.Errorf("devlink: the eswitch of %s is in mode %q", pf, got)
		}
		reps := 0
		for name, p := range ports.Port {
			if !strings.HasPrefix(name, "pci/"+pf+"/") {
				continue
			}
			if p.Flavour != "pcivf" {
				continue
			}
			reps++
			var link []struct{ Flags []string }
			witnessJSON(t, &link, "ip", "-j", "link", "show", "dev", p.Netdev)
			if !slices.Contains(link[0].Flags, "UP") {
				t.Errorf("ip: the representor of VF %d of %s is not up", p.VFNum, pf)
			}
			if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Port", p.Netdev, "tag")); got != tag(p.VFNum) {
				t.Errorf("ovs-vsctl: VF %d of %s has the tag %s, want %s", p.VFNum, pf, got, tag(p.VFNum))
			}
			if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Interface", p.Netdev, "ofport")); strings.HasPrefix(got, "-") || got == "[]" {
				t.Errorf("ovs-vsctl: the representor of VF %d of %s has the ofport %s", p.VFNum, pf, got)
			}
		}
		if reps != vfs {
			t.Errorf("devlink: %s has %d representors, want %d", pf, reps, vfs)
		}
		if got := uplinkMaster(t, pf); got != "bond0" {
			t.Errorf("ip: the uplink of %s has the master %q", pf, got)
		}
		lag, err := os.ReadFile("/sys/kernel/debug/mlx5/" + pf + "/lag/state")
		if err != nil || strings.TrimSpace(string(lag)) != "active" {
			t.Errorf("debugfs: the LAG of %s is %q, %v", pf, lag, err)
		}
		vfDirs, err := filepath.Glob("/sys/bus/pci/devices/" + pf + "/virtfn*")
		if err != nil || len(vfDirs) != vfs {
			t.Errorf("sysfs: %s has %d VFs, want %d", pf, len(vfDirs), vfs)
		}
		for _, d := range vfDirs {
			nets, err := filepath.Glob(d + "/net/*")
			if err != nil || len(nets) != 1 {
				t.Errorf("sysfs: %s has the netdevs %v", d, nets)
				continue
			}
			if out := witness(t, "ethtool", "-k", filepath.Base(nets[0])); !strings.Contains(out, "tls-hw-tx-offload: on") {
				t.Errorf("ethtool: TLS TX is not on on %s", nets[0])
			}
		}
		if auto, err := os.ReadFile("/sys/bus/pci/devices/" + pf + "/sriov_drivers_autoprobe"); err != nil || strings.TrimSpace(string(auto)) != "1" {
			t.Errorf("sysfs: sriov_drivers_autoprobe of %s is %q, was 1 before nicwright", pf, auto)
		}
	}
	bonding, err := os.ReadFile("/proc/net/bonding/bond0")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"IEEE 802.3ad Dynamic link aggregation", "Transmit Hash Policy: layer3+4", "LACP rate: fast", "MII Polling Interval (ms): 100"} {
		if !strings.Contains(string(bonding), want) {
			t.Errorf("/proc/net/bonding/bond0 does not say %q:\n%s", want, bonding)
		}
	}
	if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Open_vSwitch", ".", "other_config:hw-offload")); got != `"true"` {
		t.Errorf("ovs-vsctl: hw-offload is %s", got)
	}
	if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Port", "bond0", "trunks")); got != "[100, 200]" {
		t.Errorf("ovs-vsctl: the bond's trunks are %s", got)
	}
}

// uplinkMaster is the master of the PF's netdev.
func uplinkMaster(t *testing.T, pf string) string {
	t.Helper()
	return uplinkLink(t, pf).Master
}

// uplink is the name of the PF's netdev.
func uplink(t *testing.T, pf string) string {
	t.Helper()
	return uplinkLink(t, pf).Name
}

type ipLink struct {
	Name, Master, ParentDev string
	PhysPortName            string `json:"phys_port_name"`
}

// uplinkLink is the PF's netdev, which the kernel names pN: the devlink port of an uplink hangs on an auxiliary device in
// 6.12, so `ip` is the shorter way.
func uplinkLink(t *testing.T, pf string) ipLink {
	t.Helper()
	var links []struct {
		ipLink
		IfName string `json:"ifname"`
	}
	witnessJSON(t, &links, "ip", "-d", "-j", "link", "show")
	for _, l := range links {
		if l.ParentDev == pf && physical.MatchString(l.PhysPortName) {
			l.Name = l.IfName
			return l.ipLink
		}
	}
	t.Fatalf("ip: %s has no uplink", pf)
	return ipLink{}
}

var physical = regexp.MustCompile(`^p[0-9]+$`)

func vmHostTag(vf int) string {
	if vf < 2 {
		return "100"
	}
	return "200"
}
