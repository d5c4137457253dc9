// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// uplink is the netdev of the first port, by what the devlink command says.
func uplink(t *testing.T) string {
	t.Helper()
	var ports struct {
		Port map[string]struct {
			Netdev  string `json:"netdev"`
			Flavour string `json:"flavour"`
			Number  int    `json:"port"`
		} `json:"port"`
	}
	if err := json.Unmarshal([]byte(run(t, "devlink", "-j", "port", "show")), &ports); err != nil {
		t.Fatal(err)
	}
	for name, p := range ports.Port {
		if p.Flavour == "physical" && p.Number == 0 && p.Netdev != "" {
			t.Logf("%s is %s", name, p.Netdev)
			return p.Netdev
		}
	}
	t.Fatal("devlink knows no uplink")
	return ""
}

// columns is what ovs-vsctl says of a row, but for what only tells which row it is.
func columns(t *testing.T, table, name string) string {
	t.Helper()
	var keep []string
	for _, line := range strings.Split(vsctl(t, "list", table, name), "\n") {
		key, _, _ := strings.Cut(line, " ")
		switch key {
		case "_uuid", "interfaces", "statistics", "ifindex", "link_resets", "status":
		default:
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "\n")
}

// pingVFs has traffic between the two VFs until flows of it are in the card.
func pingVFs(t *testing.T) {
	t.Helper()
	for i, vf := range []string{"virtfn0", "virtfn1"} {
		ns := "nwns" + strconv.Itoa(i)
		dev := run(t, "ls", "/sys/bus/pci/devices/"+port0+"/"+vf+"/net")
		run(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		run(t, "ip", "link", "set", dev, "netns", ns, "name", "vf0")
		run(t, "ip", "-n", ns, "addr", "add", "10.99.0."+strconv.Itoa(i+1)+"/24", "dev", "vf0")
		run(t, "ip", "link", "set", representor(t, i), "up")
		run(t, "ip", "-n", ns, "link", "set", "vf0", "up")
	}
	if out, err := exec.Command("ip", "netns", "exec", "nwns0", "ping", "-c", "8", "-i", "0.3", "10.99.0.2").CombinedOutput(); err != nil {
		t.Fatalf("no answer between the VFs: %s", out)
	}
	for i := range 2 {
		run(t, "ip", "netns", "del", "nwns"+strconv.Itoa(i))
	}
}

// Field case native-vlan: the uplink and the representors are ports of bridges of
// somebody else; the eswitch changes.
func TestLabForeignPortsAcrossAnEswitchChange(t *testing.T) {
	ctx := lab(t)
	vfs(t)
	awaitRepresentors(t, ctx)
	vsctl(t, "set", "Open_vSwitch", ".", "other_config:hw-offload=true")
	n := uplink(t)
	vsctl(t, "add-br", "nwex", "--", "add-port", "nwex", "nwfirst", "--", "set", "Interface", "nwfirst", "type=internal",
		"--", "add-port", "nwex", representor(t, 0), "--", "add-port", "nwex", representor(t, 1),
		"--", "add-port", "nwex", n, "tag=10", "vlan_mode=native-untagged", "trunks=10,100,200",
		"--", "set", "Port", n, "other_config:priority-tags=always", "external_ids:a=b", "--", "set", "Interface", n, "external_ids:c=d", "ingress_policing_rate=1000000",
		"--", "set", "Port", n, "qos=@q", "--", "--id=@q", "create", "QoS", "type=linux-noop")
	pingVFs(t)
	if out, err := exec.Command("devlink", "dev", "eswitch", "set", pf0, "mode", "legacy").CombinedOutput(); err == nil {
		t.Fatal("the test is void: the eswitch changes although flows are in the card")
	} else {
		t.Logf("before: %s", out)
	}
	port, iface := columns(t, "Port", n), columns(t, "Interface", n)
	have := look(t, ctx)
	r, err := Diff(have, nil, step.Effects{letGo(), remade(0), remade(1)}, me)
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, r.Steps, step.Quiesce)
	if got := vsctl(t, "list-ports", "nwex"); got != "nwfirst" {
		t.Errorf("ports while it changes: %q", got)
	}
	vfs(t) // to legacy and back: it fails while a TC rule is left
	awaitRepresentors(t, ctx)
	// A kill here: whoever looks next knows what was there.
	again, err := Diff(look(t, ctx), nil, nil, me)
	if err != nil || len(again.Steps) != 3 {
		t.Fatalf("after a kill: %v, %v", again.Steps, err)
	}
	do(t, ctx, again.Steps, step.Switch)
	do(t, ctx, r.Steps, step.Switch) // and once more
	if got := columns(t, "Port", n); got != port {
		t.Errorf("the port was\n%s\nand is\n%s", port, got)
	}
	if got := columns(t, "Interface", n); got != iface {
		t.Errorf("the interface was\n%s\nand is\n%s", iface, got)
	}
	if got := vsctl(t, "get", "Bridge", "nwex", "external_ids"); got != "{}" {
		t.Errorf("notes are left: %s", got)
	}
	pingVFs(t)
}

// Field cases C9c and C9d: a profile takes a foreign port over into a trunk; a
// rollback has its native VLAN, or its tunnel, again.
func TestLabVLANModesComeBack(t *testing.T) {
	ctx := lab(t)
	vfs(t)
	n := uplink(t)
	for _, mode := range []string{
		"vlan_mode=native-untagged tag=10 trunks=10,100,200", "vlan_mode=dot1q-tunnel tag=300 cvlans=100,200 other_config:qinq-ethtype=802.1q", "tag=7",
	} {
		vsctl(t, append([]string{"--if-exists", "del-br", "nwex", "--", "add-br", "nwex", "--", "add-port", "nwex", n}, strings.Fields(mode)...)...)
		before := columns(t, "Port", n)
		had := look(t, ctx)
		want := &Spec{Bridges: []Bridge{{Name: "nwex", Ports: []Port{{Name: "out", Uplink: pf0, Trunks: []int{100, 200}}}}}}
		r, err := Diff(had, want, nil, me)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, ctx, want)
		if vsctl(t, "get", "Port", n, "trunks") != "[100, 200]" {
			t.Error("it is no trunk")
		}
		touched := func(id resource.ID, attribute string) bool {
			for _, s := range r.Steps {
				if s.Resource == id && s.Attribute == attribute {
					return true
				}
			}
			return false
		}
		apply(t, ctx, Keep(SpecOf(had), touched))
		if got := columns(t, "Port", n); got != before {
			t.Errorf("the port was\n%s\nand is\n%s", before, got)
		}
	}
}

// Field case qdisc-gone.
func TestLabQdiscGone(t *testing.T) {
	ctx := lab(t)
	vfs(t)
	awaitRepresentors(t, ctx)
	run(t, "modprobe", "bonding")
	n := uplink(t)
	run(t, "ip", "link", "add", "nwbond", "type", "bond", "mode", "active-backup")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwbond").Run() })
	run(t, "ip", "link", "set", n, "down")
	run(t, "ip", "link", "set", n, "master", "nwbond")
	run(t, "ip", "link", "set", "nwbond", "up")
	want := &Spec{HWOffload: ptr(true), Bridges: []Bridge{{Name: "nwbr0", Ports: []Port{
		{Name: "out", Bond: "nwbond"}, {Name: "a", VF: pf0 + "/vf/0"}, {Name: "b", VF: pf0 + "/vf/1"},
	}}}}
	apply(t, ctx, want)
	ingress := func(dev string) bool { return strings.Contains(run(t, "tc", "qdisc", "show", "dev", dev), "ingress") }
	devices := []string{"nwbond", n, representor(t, 0)}
	for _, dev := range devices {
		if !ingress(dev) {
			t.Fatalf("the test is void: no ingress qdisc on %s", dev)
		}
		block := ""
		if _, rest, ok := strings.Cut(run(t, "tc", "qdisc", "show", "dev", dev), "ingress_block "); ok {
			block, _, _ = strings.Cut(rest, " ")
		}
		if block != "" {
			run(t, "tc", "qdisc", "del", "dev", dev, "ingress_block", block, "ingress")
		} else {
			run(t, "tc", "qdisc", "del", "dev", dev, "ingress")
		}
	}
	r, err := Diff(look(t, ctx), want, nil, me)
	if err != nil || len(r.Steps) == 0 {
		t.Fatalf("plan says %v, %v", r.Steps, err)
	}
	for _, dev := range []string{"nwbond", representor(t, 0)} {
		found := false
		for _, s := range r.Steps {
			found = found || strings.Contains(s.Reason, dev)
		}
		if !found {
			t.Errorf("no reason names %s: %v", dev, r.Steps)
		}
	}
	apply(t, ctx, want)
	for _, dev := range devices {
		if !ingress(dev) {
			t.Errorf("%s has no ingress qdisc again: %s", dev, output("tc", "qdisc", "show", "dev", dev))
		}
	}
}

// pid of a daemon of Open vSwitch.
func pid(t *testing.T, daemon string) int {
	t.Helper()
	b, err := os.ReadFile("/var/run/openvswitch/" + daemon + ".pid")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Field case ovs-stopped, and a database that does not answer: found by a look,
// in seconds.
func TestLabStoppedDaemons(t *testing.T) {
	ctx := lab(t)
	want := &Spec{Bridges: []Bridge{{Name: "nwbr3"}}}
	for daemon, says := range map[string]string{"ovs-vswitchd": "does not answer", "ovsdb-server": "does not answer at"} {
		p := pid(t, daemon)
		if err := syscall.Kill(p, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		have := look(t, ctx)
		took := time.Since(start)
		if err := syscall.Kill(p, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if took > 20*time.Second {
			t.Errorf("%s: the look took %v", daemon, took)
		}
		r, err := Diff(have, want, nil, me)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "openvswitch") {
			t.Errorf("%s is stopped: %v, %v", daemon, r.Steps, err)
		}
		t.Log(err)
	}
	// Doing it all the same ends in time, too.
	p := pid(t, "ovsdb-server")
	if err := syscall.Kill(p, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r, err := Diff(&State{Running: true}, want, nil, me)
	if err == nil {
		err = Doer{Timeout: 2 * time.Second}.Do(ctx, r.Steps)
	}
	if kerr := syscall.Kill(p, syscall.SIGCONT); kerr != nil {
		t.Fatal(kerr)
	}
	if err == nil || !strings.Contains(err.Error(), "db.sock") || !strings.Contains(err.Error(), "2s are over") {
		t.Errorf("a silent database: %v", err)
	}
	t.Log(err)
	apply(t, ctx, want)
}

// Field case uplink-in-bridge, C3c: the bond is in a bridge of the kernel.
func TestLabBondInKernelBridge(t *testing.T) {
	ctx := lab(t)
	for _, m := range []string{"bonding", "bridge"} {
		run(t, "modprobe", m)
	}
	run(t, "ip", "link", "add", "nwbond", "type", "bond", "mode", "active-backup")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwbond").Run() })
	run(t, "ip", "link", "add", "nwvmbr", "type", "bridge")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwvmbr").Run() })
	run(t, "ip", "link", "set", "nwbond", "master", "nwvmbr")
	want := &Spec{Bridges: []Bridge{{Name: "nwbr4", Ports: []Port{{Name: "out", Bond: "nwbond"}}}}}
	if r, err := Diff(look(t, ctx), want, nil, me); err == nil || !strings.Contains(err.Error(), "take-from: nwvmbr") {
		t.Fatalf("got %v, %v", r.Steps, err)
	}
	want.Bridges[0].Ports[0].TakeFrom = ptr("nwvmbr")
	apply(t, ctx, want)
	if got := run(t, "ip", "-o", "link", "show", "nwbond"); !strings.Contains(got, "master ovs-system") {
		t.Errorf("its master: %s", got)
	}
	if got := vsctl(t, "list-ports", "nwbr4"); got != "nwbond" {
		t.Errorf("ports: %s", got)
	}
}

// A port of another bridge is taken, and put back there whole.
func TestLabTakenAndPutBack(t *testing.T) {
	ctx := lab(t)
	vfs(t)
	n := uplink(t)
	vsctl(t, "add-br", "nwex", "--", "add-port", "nwex", n, "tag=10", "trunks=10,11", "vlan_mode=native-tagged", "external_ids:x=y",
		"--", "set", "Interface", n, "ofport_request=42")
	port, iface := columns(t, "Port", n), columns(t, "Interface", n)
	had := look(t, ctx)
	want := &Spec{Bridges: []Bridge{{Name: "nwbr5", Ports: []Port{{Name: "out", Uplink: pf0, Trunks: []int{}, TakeFrom: ptr("nwex")}}}}}
	r, err := Diff(had, want, nil, me)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, ctx, want)
	if got := vsctl(t, "port-to-br", n); got != "nwbr5" {
		t.Errorf("it is on %s", got)
	}
	back(t, ctx, had, r.Steps)
	if got := vsctl(t, "port-to-br", n); got != "nwex" {
		t.Errorf("it is on %s", got)
	}
	if got := columns(t, "Port", n); got != port {
		t.Errorf("the port was\n%s\nand is\n%s", port, got)
	}
	if got := columns(t, "Interface", n); got != iface {
		t.Errorf("the interface was\n%s\nand is\n%s", iface, got)
	}
	if got := vsctl(t, "list-br"); strings.Contains(got, "nwbr5") {
		t.Errorf("bridges left: %q", got)
	}
}

// back rolls steps back.
func back(t *testing.T, ctx context.Context, had *State, steps []step.Step) {
	t.Helper()
	opt := me
	is := func(id resource.ID, attribute string) bool {
		for _, s := range steps {
			if s.Resource == id && (attribute == "" || s.Attribute == attribute) {
				return true
			}
		}
		return false
	}
	opt.Only = func(id resource.ID) bool { return is(id, "") }
	r, err := Diff(look(t, ctx), Keep(SpecOf(had), is), nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, r.Steps, step.Quiesce)
	do(t, ctx, r.Steps, step.Switch)
}
