// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/netdev"
)

// OpenFlow rules of a profile are in the bridge, and what they drop is dropped by the card; they outlast a change of ports, are
// mended, taken back, captured, and go with the profile; rules of others stay. ovs-ofctl, tc and ping say so.
func TestFlows(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "flows.yaml")
	apply := func(set ...string) result {
		t.Helper()
		return expect(t, exitDone, append([]string{"apply", "-p", profile}, set...)...)
	}
	apply()
	numbers := ofportsOf(t)
	r0, r1, r2, out := numbers["pf0vf0"], numbers["pf0vf1"], numbers["pf0vf2"], numbers["p0"]
	if r0 == "" || r1 == "" || r2 == "" || out == "" {
		t.Fatalf("the ports have the numbers %v", numbers)
	}
	want := []string{
		"table=0 priority=300 in_port=" + r0 + ",vlan_tci=0x1000/0x1000 drop", "table=0 priority=300 in_port=" + r1 + ",vlan_tci=0x1000/0x1000 drop",
		"table=0 priority=300 in_port=" + r2 + ",vlan_tci=0x1000/0x1000 drop", "table=0 priority=200 udp,in_port=" + r0 + ",tp_src=67 drop",
		"table=0 priority=200 udp,in_port=" + r1 + ",tp_src=67 drop", "table=0 priority=150 ip,nw_dst=198.51.100.0/24 goto_table:1",
		"table=0 priority=250 icmp,in_port=" + r0 + " NORMAL", "table=1 priority=5 in_port=LOCAL output:" + r0, "table=1 priority=0 drop",
	}
	const somebodys = "table=0 priority=7 dl_vlan=9 drop"
	assertRules := func(when string, want ...string) {
		t.Helper()
		slices.Sort(want)
		if d := cmp.Diff(want, rulesOf(t)); d != "" {
			t.Errorf("%s (-want +got):\n%s", when, d)
		}
	}
	assertRules("applied", want...)
	if r := apply(); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	if r := expect(t, exitDone, "show"); !strings.Contains(r.stdout, "rule priority=150,ip,nw_dst=198.51.100.0/24 actions=goto_table:1") {
		t.Errorf("show says nothing of the rules:\n%s", r.stdout)
	}
	assertCaptured(t)

	t.Run("what a rule drops, the card drops", func(t *testing.T) { testDroppedByTheCard(t, profile) })
	assertRules("rolled back", want...)

	t.Run("watch tells of one that is taken away", func(t *testing.T) {
		next := startWatch(t, "--every", "0")
		next("what is in force", func(w watched) bool { return w.Event == "watching" && w.Profile == "flows" })
		is := func(event string) func(watched) bool {
			return func(w watched) bool {
				return w.Event == event && strings.HasPrefix(w.Resource, "flow/br-flow/table=0,priority=150,") && w.Attribute == "actions"
			}
		}
		witness(t, "ovs-ofctl", "--strict", "del-flows", "br-flow", "priority=150,ip,nw_dst=198.51.100.0/24")
		next("the rule that is gone", is("began"))
		witness(t, "ovs-ofctl", "-OOpenFlow14", "add-flow", "br-flow", "cookie="+cookieOf(t)+",priority=150,ip,nw_dst=198.51.100.0/24,actions=goto_table:1")
		next("the rule that is back", is("ended"))
	})

	// Somebody's rule stays, and none takes its place.
	witness(t, "ovs-ofctl", "add-flow", "br-flow", "cookie=0x77,priority=7,dl_vlan=9,actions=drop")
	r := expect(t, exitError, "plan", "-p", profile, "--set", "ovs.bridges.br-flow.flows.ping.priority=7", "--set", "ovs.bridges.br-flow.flows.ping.match=dl_vlan=9")
	if !strings.Contains(r.stderr, "nicwright did not make") {
		t.Errorf("a rule in the place of somebody's is planned:\n%s", r.stderr)
	}
	// What is taken away, or is another one's now, is drift, and is mended.
	witness(t, "ovs-ofctl", "--strict", "del-flows", "br-flow", "table=1,priority=0")
	witness(t, "ovs-ofctl", "-OOpenFlow14", "add-flow", "br-flow", "cookie="+cookieOf(t)+",table=1,priority=5,in_port=LOCAL,actions=drop")
	if r := expect(t, exitSteps, "plan", "-p", profile); strings.Count(r.stdout, "actions:") != 2 {
		t.Errorf("the plan says:\n%s", r.stdout)
	}
	apply()
	assertRules("mended", append(slices.Clone(want), somebodys)...)

	// A bridge that speaks no OpenFlow 1.4 is told so before anything is done.
	witness(t, "ovs-vsctl", "set", "Bridge", "br-flow", "protocols=OpenFlow13")
	if r := expect(t, exitError, "plan", "-p", profile); !strings.Contains(r.stderr, "ovs-vsctl add bridge br-flow protocols OpenFlow14") {
		t.Errorf("the plan says:\n%s", r.stderr)
	}
	witness(t, "ovs-vsctl", "clear", "Bridge", "br-flow", "protocols")

	// A daemon that is killed forgets rules, and the next apply has them back.
	d := running(t, "ovs-vswitchd")
	d.kill(t)
	d.start(t)
	apply()
	assertRules("after the daemon was killed", want...)

	witness(t, "ovs-ofctl", "add-flow", "br-flow", "cookie=0x77,priority=7,dl_vlan=9,actions=drop")
	apply("--set", "ovs.bridges.br-flow.flows.no-tags=null", "--set", "ovs.bridges.br-flow.flows.straight.actions=drop")
	assertRules("with fewer", append(slices.DeleteFunc(slices.Clone(want), func(r string) bool { return strings.Contains(r, "vlan_tci") || strings.Contains(r, "LOCAL") }),
		somebodys, "table=1 priority=5 in_port=LOCAL drop")...)
	witness(t, "ovs-ofctl", "--strict", "del-flows", "br-flow", "priority=7,dl_vlan=9")
	remove(t, profile)
}

// testDroppedByTheCard pings between two VFs, with a rule that drops it: the representor's filter does, and is in the card.
func testDroppedByTheCard(t *testing.T, profile string) {
	dir := "/sys/bus/pci/devices/" + pfs[0]
	twoPlaces(t, []netdev.Link{{Name: netOf(t, dir+"/virtfn0")}, {Name: netOf(t, dir+"/virtfn1")}})
	ping := func() bool {
		return command(t, "nsenter", "--net=/run/netns/t0", "ping", "-c", "3", "-i", "0.3", "-W", "2", "-q", "10.9.0.11").code == 0
	}
	expect(t, exitDone, "apply", "-p", profile, "--set", "ovs.bridges.br-flow.flows.ping.actions=drop")
	witness(t, "ovs-appctl", "revalidator/wait") // no flow of before is left
	if ping() {
		t.Error("what a rule drops arrives")
	}
	dropped := regexp.MustCompile(`(?s)ip_proto icmp.*?action drop`)
	said := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && !dropped.MatchString(said); time.Sleep(time.Second / 5) {
		ping()
		said = witness(t, "tc", "filter", "show", "dev", ofportNames(t)["pf0vf0"], "ingress")
	}
	if i := strings.Index(said, "ip_proto icmp"); i < 0 || !dropped.MatchString(said) || !strings.Contains(strings.ReplaceAll(said[i:], "not_in_hw", ""), "in_hw") {
		t.Errorf("tc shows no filter of the card that drops it:\n%s", said)
	}
	rollbackOnly(t)
	witness(t, "ovs-appctl", "revalidator/wait")
	if !ping() {
		t.Error("after the rollback nothing arrives")
	}
}

// rulesOf are the rules of br-flow as ovs-ofctl says them, but for the bridge's own.
func rulesOf(t *testing.T) (all []string) {
	t.Helper()
	rule := regexp.MustCompile(`table=(\d+),.* (priority=\d+)(?:,(\S+))? actions=(\S+)`)
	for line := range strings.Lines(witness(t, "ovs-ofctl", "-OOpenFlow14", "--no-names", "dump-flows", "br-flow")) {
		m := rule.FindStringSubmatch(line)
		switch {
		case m == nil && strings.Contains(line, "actions="):
			t.Errorf("ovs-ofctl says %q", line)
		case m == nil, m[2] == "priority=0" && m[4] == "NORMAL":
		case m[3] == "":
			all = append(all, fmt.Sprintf("table=%s %s %s", m[1], m[2], m[4]))
		default:
			all = append(all, fmt.Sprintf("table=%s %s %s %s", m[1], m[2], m[3], m[4]))
		}
	}
	slices.Sort(all)
	return all
}

// cookieOf is that of the profile's rules.
func cookieOf(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`cookie=(0x6e696377[0-9a-f]{8})`).FindStringSubmatch(witness(t, "ovs-ofctl", "-OOpenFlow14", "dump-flows", "br-flow"))
	if m == nil {
		t.Fatal("no rule has a cookie of nicwright's")
	}
	return m[1]
}

// ofportNames are the ports of br-flow by the names of their ports in the eswitch (p0, pf0vf1).
func ofportNames(t *testing.T) map[string]string {
	t.Helper()
	var links []struct {
		Ifname       string
		PhysPortName string `json:"phys_port_name"`
	}
	witnessJSON(t, &links, "ip", "-j", "-d", "link", "show")
	ports := strings.Fields(witness(t, "ovs-vsctl", "list-ports", "br-flow"))
	all := map[string]string{}
	for _, l := range links {
		if l.PhysPortName != "" && slices.Contains(ports, l.Ifname) {
			all[l.PhysPortName] = l.Ifname
		}
	}
	return all
}

// ofportsOf are their OpenFlow numbers.
func ofportsOf(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for port, netdev := range ofportNames(t) {
		all[port] = strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Interface", netdev, "ofport"))
	}
	return all
}
