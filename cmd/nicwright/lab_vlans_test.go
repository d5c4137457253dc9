// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// VLANs that a profile says are there, one of somebody's among them; they outlast a change of the eswitch and a driver that is loaded
// anew below them, become others, and go with the profile, but for somebody's, which is as before. ip says so.
func TestVLANs(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "vlans.yaml")
	uplink := filepath.Base(netdevOf(t, pfs[0]))
	ip := func(args ...string) { t.Helper(); witness(t, "ip", args...) }
	ip("link", "set", "dev", uplink, "up")
	ip("link", "add", "link", uplink, "name", "theirs", "address", "02:00:00:00:00:07", "type", "vlan", "id", "7", "egress-qos-map", "2:5")
	ip("link", "set", "dev", "theirs", "up")
	ip("address", "add", "172.16.7.7/24", "dev", "theirs")
	before := vlanOf(t, "theirs")

	expect(t, exitDone, "apply", "-p", profile)
	addresses, storage := []string{"192.0.2.10/24", "default via 192.0.2.1 metric 500 proto 110"}, []string{"2001:db8:a::10/64"}
	assertVLANs := func(when, id string) {
		t.Helper()
		for name, want := range map[string]string{
			"theirs":  "7 802.1Q on " + uplink + " mtu 1400 up 02:00:00:00:00:07 [{2 5}]",
			"mgmt":    id + " 802.1Q on " + uplink + " mtu 1500 up nicwright:vlans",
			"outer":   "100 802.1ad on " + uplink + " mtu 1500 nicwright:vlans",
			"storage": "200 802.1Q on bond0 mtu 1500 up nicwright:vlans",
		} {
			if got := vlanOf(t, name); got != want {
				t.Errorf("%s: %s is %q, want %q", when, name, got, want)
			}
		}
		assertOn(t, when, "theirs", []string{"172.16.7.7/24"})
		assertOn(t, when, "mgmt", addresses)
		assertOn(t, when, "storage", storage)
	}
	assertVLANs("applied", "100")
	if r := expect(t, exitDone, "apply", "-p", profile); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	r := expect(t, exitDone, "capture")
	for _, want := range []string{"name: mgmt", "name: theirs", "protocol: 802.1ad", "bond: bond0"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the captured profile has no %s:\n%s", want, r.stdout)
		}
	}

	expect(t, exitDone, "apply", "-p", profile, "--set", "cards.c.ports.a.eswitch-mode=switchdev", "--set", "cards.c.ports.a.vfs=1", cutMeOff)
	assertVLANs("in switchdev", "100")
	rollbackOnly(t)
	assertVLANs("back in legacy mode", "100")

	// The driver is loaded anew, and all VLANs of the port go with its netdev.
	expect(t, exitDone, "apply", "-p", profile, "--set", "cards.c.ports.a.params.io_eq_size=512", cutMeOff)
	uplink = filepath.Base(netdevOf(t, pfs[0]))
	assertVLANs("with a driver loaded anew", "100")

	if r := expect(t, exitError, "apply", "-p", profile, "--set", "vlans.mgmt.id=101"); !strings.Contains(r.stderr, "this may cut you off") {
		t.Errorf("a default route that goes with its VLAN is taken away with:\n%s%s", r.stdout, r.stderr)
	}
	expect(t, exitDone, "apply", "-p", profile, "--set", "vlans.mgmt.id=101", cutMeOff)
	assertVLANs("another id", "101")
	rollbackOnly(t)
	assertVLANs("the id of before", "100")

	// What somebody takes away is drift.
	ip("link", "del", "dev", "mgmt")
	if r := expect(t, exitSteps, "plan", "-p", profile); !strings.Contains(r.stdout, "192.0.2.10/24") {
		t.Errorf("the plan says nothing of it:\n%s", r.stdout)
	}
	expect(t, exitDone, "apply", "-p", profile, cutMeOff)
	assertVLANs("mended", "100")

	if r := expect(t, exitError, "plan", "-p", profile, "--set", "vlans.theirs.id=8"); !strings.Contains(r.stderr, "nicwright did not make") {
		t.Errorf("a VLAN of somebody's that is to be another is planned:\n%s", r.stderr)
	}
	expect(t, exitDone, "apply", "-p", profile, "--set", "vlans.outer=null", cutMeOff)
	if r := command(t, "ip", "link", "show", "dev", "outer"); r.code == 0 {
		t.Error("outer, which is in the profile no more, is still there")
	}
	expect(t, exitDone, "remove", "-p", profile, cutMeOff)
	for _, name := range []string{"mgmt", "storage"} {
		if r := command(t, "ip", "link", "show", "dev", name); r.code == 0 {
			t.Errorf("%s is still there", name)
		}
	}
	uplink = filepath.Base(netdevOf(t, pfs[0]))
	if got := vlanOf(t, "theirs"); got != before {
		t.Errorf("removed: theirs is %q, and was %q", got, before)
	}
	assertOn(t, "removed", "theirs", []string{"172.16.7.7/24"})
	assertBare(t)
	ip("link", "del", "dev", "theirs")
	ip("link", "set", "dev", uplink, "down")
}

// vlanOf is what ip says of a VLAN, with its MAC address where that is its own, and the map of priorities.
func vlanOf(t *testing.T, name string) string {
	t.Helper()
	var links []struct {
		Link, Ifalias, Address string
		MTU                    int
		Flags                  []string
		Linkinfo               struct {
			Data struct {
				Protocol string
				ID       int
				Egress   []struct{ From, To int } `json:"egress_qos"`
			} `json:"info_data"`
		}
	}
	witnessJSON(t, &links, "ip", "-d", "-j", "link", "show", "dev", name)
	if len(links) != 1 {
		t.Fatalf("ip shows %d links %s", len(links), name)
	}
	l := links[0]
	text := fmt.Sprintf("%d %s on %s mtu %d", l.Linkinfo.Data.ID, l.Linkinfo.Data.Protocol, l.Link, l.MTU)
	for _, f := range l.Flags {
		if f == "UP" {
			text += " up"
		}
	}
	if strings.HasPrefix(l.Address, "02:") {
		text += " " + l.Address
	}
	if l.Ifalias != "" {
		text += " " + l.Ifalias
	}
	if e := l.Linkinfo.Data.Egress; len(e) > 0 {
		text += fmt.Sprint(" ", e)
	}
	return text
}
