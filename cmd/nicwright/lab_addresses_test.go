// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Addresses and routes that a profile says are there, with what others put there; what it says no more goes, and
// nothing else; they outlast a change of the eswitch, go over to a bond, are captured, and go with the profile. A plan
// that takes them away is one that may cut the operator off. ip says so.
func TestAddresses(t *testing.T) {
	needLab(t)
	profile, bonded := filepath.Join("testdata", "addresses.yaml"), filepath.Join("testdata", "addresses-bond.yaml")
	uplink := filepath.Base(netdevOf(t, pfs[0]))
	ip := func(args ...string) { t.Helper(); witness(t, "ip", args...) }
	// Somebody's: a network, a route by it, and an address of the profile's network that is not the profile's.
	ip("link", "set", "dev", uplink, "up")
	ip("address", "add", "172.16.5.7/24", "dev", uplink)
	ip("address", "add", "2001:db8:f::7/64", "nodad", "dev", uplink)
	ip("route", "add", "10.50.0.0/16", "via", "172.16.5.1", "dev", uplink, "mtu", "1300")
	theirs := onNetdev(t, uplink)

	expect(t, exitDone, "apply", "-p", profile)
	said := append(slices.Clone(theirs), "192.0.2.10/24", "2001:db8:a::10/64", "default via 192.0.2.1 metric 500 proto 110",
		"198.51.100.0/24 via 192.0.2.2 table 70 proto 110 mtu 1400", "2001:db8:b::/48 via 2001:db8:a::1 metric 1024 proto 110")
	assertOn(t, "after the apply", uplink, said)
	bridge := []string{"203.0.113.10/24", "10.20.0.0/16 via 203.0.113.1 proto 110"}
	assertOn(t, "after the apply", "nwbr0", bridge)
	if r := expect(t, exitDone, "apply", "-p", profile); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	r := expect(t, exitDone, "capture")
	for _, want := range []string{"- 192.0.2.10/24", "- 172.16.5.7/24", "to: 10.50.0.0/16", "metric: 500", "table: 70", "mtu: 1400"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the captured profile has no %s:\n%s", want, r.stdout)
		}
	}

	// What somebody takes away or changes is drift, and is mended.
	ip("address", "del", "2001:db8:a::10/64", "dev", uplink)
	ip("route", "change", "198.51.100.0/24", "via", "192.0.2.2", "dev", uplink, "table", "70", "proto", "110", "mtu", "lock", "1200")
	if r := expect(t, exitSteps, "plan", "-p", profile); !strings.Contains(r.stdout, "address 2001:db8:a::10/64") || !strings.Contains(r.stdout, "mtu 1400") {
		t.Errorf("the plan says nothing of it:\n%s", r.stdout)
	}
	expect(t, exitDone, "apply", "-p", profile, cutMeOff) // a route goes for a moment
	assertOn(t, "mended", uplink, said)

	// A change of the eswitch and an uplink that goes down and up leave what is said, and what is somebody's.
	expect(t, exitDone, "apply", "-p", profile, "--set", "cards.c.ports.a.eswitch-mode=switchdev", "--set", "cards.c.ports.a.vfs=1", cutMeOff)
	assertOn(t, "in switchdev", uplink, said)
	rollbackOnly(t)
	assertOn(t, "back in legacy mode", uplink, said)

	// The operator comes by the route that goes.
	other := []string{"apply", "-p", profile, "--set", "cards.c.ports.a.addresses=[192.0.2.11/24]", "--set", "cards.c.ports.a.routes=[{to: 198.51.100.0/24, via: 192.0.2.2, table: 70, mtu: 9000}]"}
	if r := expect(t, exitError, other...); !strings.Contains(r.stderr, "this may cut you off") || !strings.Contains(r.stderr, "default via 192.0.2.1 metric 500") {
		t.Errorf("a default route that goes is taken away with:\n%s%s", r.stdout, r.stderr)
	}
	assertOn(t, "refused", uplink, said)
	ip("address", "add", "192.0.2.77/24", "dev", uplink) // a secondary one beside the profile's
	expect(t, exitDone, append(other, cutMeOff)...)
	changed := append(slices.Clone(theirs), "192.0.2.77/24", "192.0.2.11/24", "198.51.100.0/24 via 192.0.2.2 table 70 proto 110 mtu 9000")
	assertOn(t, "changed", uplink, changed)
	rollbackOnly(t)
	assertOn(t, "taken back", uplink, append(slices.Clone(said), "192.0.2.77/24"))
	// It is the first of its network now: with it the kernel takes the others (net/ipv4/devinet.c, __inet_del_ifa).
	ip("address", "del", "192.0.2.77/24", "dev", uplink)
	expect(t, exitDone, "apply", "-p", profile, cutMeOff)
	assertOn(t, "mended again", uplink, said)

	// The same on a bond, which the uplink's go to: the profile's win.
	expect(t, exitDone, "apply", "-p", bonded, cutMeOff)
	assertOn(t, "in the bond", "bond0", []string{
		"172.16.5.7/24", "2001:db8:f::7/64", "192.0.2.10/24", "2001:db8:a::10/64", "default via 192.0.2.1 metric 500 proto 110", "10.50.0.0/16 via 192.0.2.9 proto 110",
	})
	assertOn(t, "in the bond", uplink, nil)
	if r := command(t, "ip", "link", "show", "dev", "nwbr0"); r.code == 0 {
		t.Error("the bridge, which is in the profile no more, is still there")
	}
	if r := expect(t, exitDone, "apply", "-p", bonded); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply of the bond printed:\n%s", r.stdout)
	}
	rollbackOnly(t)
	assertOn(t, "out of the bond", uplink, said)
	assertOn(t, "out of the bond", "nwbr0", bridge)

	expect(t, exitDone, "remove", "-p", profile, cutMeOff)
	assertOn(t, "removed", uplink, theirs)
	assertBare(t)

	// Where another route leads to the same place, the kernel would take one of them.
	ip("route", "add", "198.51.100.0/24", "via", "172.16.5.1", "dev", uplink, "table", "70")
	if r := expect(t, exitError, "plan", "-p", profile); !strings.Contains(r.stderr, "say another metric") {
		t.Errorf("a route beside another of the same metric is planned:\n%s", r.stderr)
	}
	ip("route", "flush", "table", "70")
	ip("address", "flush", "dev", uplink)
	ip("link", "set", "dev", uplink, "down")
}

// rollbackOnly takes the last operation back.
func rollbackOnly(t *testing.T) {
	t.Helper()
	expect(t, exitDone, "rollback", cutMeOff)
}

// onNetdev is what ip shows of a netdev: its addresses but for the link's own, and its routes but for the kernel's.
func onNetdev(t *testing.T, netdev string) []string {
	t.Helper()
	var links []struct {
		Addresses []struct {
			Local, Scope string
			Prefixlen    int
		} `json:"addr_info"`
	}
	witnessJSON(t, &links, "ip", "-j", "address", "show", "dev", netdev)
	all := []string{}
	for _, l := range links {
		for _, a := range l.Addresses {
			if a.Scope == "global" {
				all = append(all, fmt.Sprintf("%s/%d", a.Local, a.Prefixlen))
			}
		}
	}
	for _, family := range []string{"-4", "-6"} {
		var routes []struct {
			Dst, Gateway, Protocol string
			Table                  any
			Metric                 int
			Metrics                []struct{ MTU int }
		}
		out := witness(t, "ip", "-j", family, "route", "show", "table", "all", "dev", netdev)
		if strings.TrimSpace(out) == "" {
			continue
		}
		witnessJSON(t, &routes, "ip", "-j", family, "route", "show", "table", "all", "dev", netdev)
		for _, r := range routes {
			if r.Protocol == "kernel" {
				continue
			}
			text := r.Dst + " via " + r.Gateway
			if r.Metric != 0 {
				text += fmt.Sprintf(" metric %d", r.Metric)
			}
			if r.Table != nil && r.Table != "main" {
				text += fmt.Sprintf(" table %v", r.Table)
			}
			if r.Protocol != "boot" {
				text += " proto " + r.Protocol
			}
			for _, m := range r.Metrics {
				if m.MTU > 0 {
					text += fmt.Sprintf(" mtu %d", m.MTU)
				}
			}
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

// assertOn asks ip whether a netdev has exactly this.
func assertOn(t *testing.T, when, netdev string, want []string) {
	t.Helper()
	want = append([]string{}, want...)
	slices.Sort(want)
	if d := cmp.Diff(want, onNetdev(t, netdev)); d != "" {
		t.Errorf("%s: on %s (-want +is):\n%s", when, netdev, d)
	}
}
