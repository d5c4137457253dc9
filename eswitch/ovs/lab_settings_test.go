// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Keys of other_config and the limit of a port are set, are in the card, survive new
// VFs, and go back; keys of others stay, and flows are offloaded beside the police rule.
func TestLabPortSettings(t *testing.T) {
	ctx := lab(t)
	vfs(t)
	awaitRepresentors(t, ctx)
	vsctl(t, "set", "Open_vSwitch", ".", "other_config:hw-offload=true")
	r0, r1 := representor(t, 0), representor(t, 1)
	vsctl(t, "add-br", "nwset", "--", "add-port", "nwset", r0, "--", "add-port", "nwset", r1,
		"--", "set", "Port", r0, "other_config:theirs=1", "other_config:transient=true", "--", "set", "Interface", r1, "ingress_policing_rate=70000")
	port, iface0, iface1 := toldOf(t, "Port", r0), toldOf(t, "Interface", r0), toldOf(t, "Interface", r1)
	had := look(t, ctx)
	want := &Spec{Bridges: []Bridge{{Name: "nwset", Ports: []Port{
		{Name: "a", VF: pf0 + "/vf/0", Settings: Settings{
			OtherConfig:         map[string]string{"priority-tags": "always", "transient": "", "never-there": ""},
			IngressPolicingRate: ptr(20000), IngressPolicingBurst: ptr(4000),
		}},
		{Name: "b", VF: pf0 + "/vf/1", Settings: Settings{IngressPolicingRate: ptr(0), IngressPolicingKpktsRate: ptr(50)}},
	}}}}
	r, err := Diff(had, want, nil, me)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, ctx, want)
	expect := func(want string, args ...string) {
		t.Helper()
		if got := vsctl(t, append([]string{"get"}, args...)...); got != want {
			t.Errorf("ovs-vsctl get %s says %q, want %q", strings.Join(args, " "), got, want)
		}
	}
	expect(`{priority-tags=always, theirs="1"}`, "Port", r0, "other_config")
	expect("20000", "Interface", r0, "ingress_policing_rate")
	expect("4000", "Interface", r0, "ingress_policing_burst")
	expect("0", "Interface", r1, "ingress_policing_rate")
	expect("50", "Interface", r1, "ingress_policing_kpkts_rate")
	// mlx5 says in_hw of a rate in packets as well, and gives the card a rate in bytes, which is none then (en_tc.c, apply_police_params).
	policed := func(netdev, what string) {
		t.Helper()
		said := run(t, "tc", "filter", "show", "dev", netdev, "ingress")
		i := strings.Index(said, "matchall")
		if i < 0 || !strings.Contains(said[i:], what) || !strings.Contains(strings.ReplaceAll(said[i:], "not_in_hw", ""), "in_hw") {
			t.Errorf("tc says of %s, which is to have a policer of %s in the card:\n%s", netdev, what, said)
		}
	}
	policed(r0, "rate 20Mbit")
	policed(r1, "pkts_rate 50000")
	pingVFs(t)
	if flows := run(t, "ovs-appctl", "dpctl/dump-flows", "type=offloaded"); !strings.Contains(flows, "in_port") {
		t.Errorf("no flow is offloaded beside the policer: %q", flows)
	}

	// The VFs are made again, as a change of the eswitch has it.
	again, err := Diff(look(t, ctx), want, step.Effects{letGo(), remade(0), remade(1)}, me)
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, again.Steps, step.Quiesce)
	vfs(t)
	awaitRepresentors(t, ctx)
	do(t, ctx, again.Steps, step.Switch)
	policed(representor(t, 0), "rate 20Mbit")

	// A rollback has what was there before, and leaves what somebody set since.
	touched := map[resource.ID][]string{}
	for _, s := range r.Steps {
		touched[s.Resource] = append(touched[s.Resource], s.Attribute)
		if column, _, key := strings.Cut(s.Attribute, " "); key {
			touched[s.Resource] = append(touched[s.Resource], column)
		}
	}
	has := func(id resource.ID, attribute string) bool { return slices.Contains(touched[id], attribute) }
	vsctl(t, "set", "Port", representor(t, 0), "tag=5")
	back := me
	back.Touched, back.Only = has, func(resource.ID) bool { return false }
	r, err = Diff(look(t, ctx), Keep(SpecOf(had), has), nil, back)
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, r.Steps, step.Switch)
	expect("5", "Port", representor(t, 0), "tag")
	vsctl(t, "clear", "Port", representor(t, 0), "tag")
	for _, c := range []struct{ table, name, was string }{{"Port", r0, port}, {"Interface", r0, iface0}, {"Interface", r1, iface1}} {
		if got := toldOf(t, c.table, c.name); got != c.was {
			t.Errorf("the row of %s was\n%s\nand is\n%s", c.table, c.was, got)
		}
	}
	if said := run(t, "tc", "filter", "show", "dev", r0, "ingress"); strings.Contains(said, "matchall") {
		t.Errorf("a policer is left:\n%s", said)
	}
	policed(r1, "rate 70Mbit")
}

// A bridge's own netdev gets its MTU and is up, of one that is there and of one that
// the same transaction makes; a rollback has them as they were.
func TestLabOwnNetdev(t *testing.T) {
	ctx := lab(t)
	vsctl(t, "add-br", "nwown")
	before := toldOf(t, "Interface", "nwown")
	had := look(t, ctx)
	want := &Spec{Bridges: []Bridge{{Name: "nwown", MTU: ptr(1400), Up: ptr(true)}, {Name: "nwnew", MTU: ptr(9000), Up: ptr(true)}}}
	r, err := Diff(had, want, nil, me)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, ctx, want)
	is := func(netdev string, mtu int, up bool) {
		t.Helper()
		var links []struct {
			MTU   int      `json:"mtu"`
			Flags []string `json:"flags"`
		}
		if err := json.Unmarshal([]byte(run(t, "ip", "-j", "link", "show", netdev)), &links); err != nil || len(links) != 1 {
			t.Fatalf("ip says of %s: %v, %v", netdev, links, err)
		}
		if l := links[0]; l.MTU != mtu || slices.Contains(l.Flags, "UP") != up {
			t.Errorf("ip says that %s has MTU %d and is %v", netdev, l.MTU, l.Flags)
		}
	}
	is("nwown", 1400, true)
	is("nwnew", 9000, true)
	if got := vsctl(t, "get", "Interface", "nwown", "mtu_request"); got != "1400" {
		t.Errorf("ovs-vsctl says that %s is asked for", got)
	}
	run(t, "ip", "link", "set", "nwown", "mtu", "1300") // somebody's hand: asked for is the same
	apply(t, ctx, want)
	is("nwown", 1400, true)
	has := func(id resource.ID, attribute string) bool {
		return slices.ContainsFunc(r.Steps, func(s step.Step) bool { return s.Resource == id && s.Attribute == attribute })
	}
	apply(t, ctx, Keep(SpecOf(had), has))
	is("nwown", 1500, false)
	got := toldOf(t, "Interface", "nwown")
	if got != before {
		t.Errorf("the row of its internal port was\n%s\nand is\n%s", before, got)
	}
	if got := vsctl(t, "list-br"); strings.Contains(got, "nwnew") {
		t.Errorf("bridges left: %s", got)
	}
}

// toldOf is what a row was told: its columns but for those in which ovs-vswitchd writes what it sees.
func toldOf(t *testing.T, table, name string) string {
	t.Helper()
	seen := []string{"admin_state", "bfd_status", "duplex", "error", "lacp_current", "link_speed", "link_state", "mac_in_use", "mtu", "ofport"}
	lines := strings.Split(columns(t, table, name), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		key, _, _ := strings.Cut(line, " ")
		return slices.Contains(seen, key) || strings.HasPrefix(key, "cfm_")
	}), "\n")
}
