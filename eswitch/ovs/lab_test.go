// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

const (
	port0 = "0001:3b:00.0"
	pf0   = "pci/" + port0
)

// lab skips where there is no card, and has ovsdb-server and ovs-vswitchd run.
func lab(t *testing.T) context.Context {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	t.Cleanup(cancel)
	if exec.Command("ovs-vsctl", "--timeout=5", "show").Run() != nil {
		run(t, "/usr/share/openvswitch/scripts/ovs-ctl", "start", "--system-id=random", "--no-monitor", "--no-record-hostname")
	}
	t.Cleanup(func() {
		for _, br := range strings.Fields(output("ovs-vsctl", "--timeout=10", "list-br")) {
			if strings.HasPrefix(br, "nw") {
				_ = exec.Command("ovs-vsctl", "--timeout=10", "del-br", br).Run()
			}
		}
	})
	return ctx
}

func output(name string, args ...string) string {
	out, _ := exec.Command(name, args...).CombinedOutput()
	return string(out)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var said bytes.Buffer // apart: Open vSwitch's tools warn there of a slow machine
	c := exec.Command(name, args...)
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &said)
	}
	return strings.TrimSpace(string(out))
}

func vsctl(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, "ovs-vsctl", append([]string{"--timeout=60"}, args...)...)
}

// vfs has the first port in switchdev mode with two VFs, whatever it was before.
func vfs(t *testing.T) {
	t.Helper()
	run(t, "devlink", "dev", "eswitch", "set", pf0, "mode", "legacy")
	for _, n := range []string{"0", "2"} {
		if err := os.WriteFile("/sys/bus/pci/devices/"+port0+"/sriov_numvfs", []byte(n), 0); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "devlink", "dev", "eswitch", "set", pf0, "mode", "switchdev")
}

// representor finds it by what the devlink command says, without our own code.
func representor(t *testing.T, vf int) string {
	t.Helper()
	var ports struct {
		Port map[string]struct {
			Netdev  string `json:"netdev"`
			Flavour string `json:"flavour"`
			PFNum   int    `json:"pfnum"`
			VFNum   int    `json:"vfnum"`
		} `json:"port"`
	}
	if err := json.Unmarshal([]byte(run(t, "devlink", "-j", "port", "show")), &ports); err != nil {
		t.Fatal(err)
	}
	for name, p := range ports.Port {
		if strings.HasPrefix(name, pf0+"/") && p.Flavour == "pcivf" && p.VFNum == vf {
			return p.Netdev
		}
	}
	t.Fatalf("devlink knows no representor of VF %d", vf)
	return ""
}

// remade and letGo are effects of an eswitch's steps.
func remade(vf int) step.Effect {
	return step.Effect{Kind: step.Remade, On: resource.OfRepresentor(pci.VF(port0, vf)), For: step.Apply}
}

func letGo() step.Effect {
	return step.Effect{Kind: step.LetGo, On: resource.OfNetdev(pci.PF(port0))}
}

func awaitRepresentors(t *testing.T, ctx context.Context) {
	t.Helper()
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = await.Until(ctx, "the representors are there", events, func() (bool, error) {
		n, err := readNames(ctx)
		return n.netdevs[pf0+"/vf/0"] != "" && n.netdevs[pf0+"/vf/1"] != "", err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func look(t *testing.T, ctx context.Context) *State {
	t.Helper()
	s, err := snapshot.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return Observe(s)
}

var me = step.Options{Owner: "me"}

// apply is provision's road in small: it ends with an empty Diff.
func apply(t *testing.T, ctx context.Context, want *Spec, effects ...step.Effect) {
	t.Helper()
	r, err := Diff(look(t, ctx), want, effects, me)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // doing it again is harmless
		start := time.Now()
		do(t, ctx, r.Steps, step.Quiesce)
		do(t, ctx, r.Steps, step.Switch)
		t.Logf("%d steps: %v", len(r.Steps), time.Since(start).Round(time.Millisecond))
	}
	have := look(t, ctx)
	if r, err = Diff(have, want, nil, me); err != nil || len(r.Steps) != 0 {
		t.Fatalf("there is something left to do: %v, %v\nhave %+v", r.Steps, err, have)
	}
}

// do does the steps of one phase.
func do(t *testing.T, ctx context.Context, steps []step.Step, phase step.Phase) {
	t.Helper()
	var now []step.Step
	for _, s := range steps {
		if s.Phase == phase {
			t.Logf("%s: %s %s", s.Phase, s.Action.Glyph(), s)
			now = append(now, s)
		}
	}
	if len(now) == 0 {
		return
	}
	if err := NewDoer().Do(ctx, now); err != nil {
		t.Fatal(err)
	}
}

func TestLabSwitch(t *testing.T) {
	ctx := lab(t)
	vfs(t)
	awaitRepresentors(t, ctx)
	vsctl(t, "remove", "Open_vSwitch", ".", "other_config", "hw-offload")
	vsctl(t, "add-br", "nwother")
	r0, r1 := representor(t, 0), representor(t, 1)
	want := &Spec{HWOffload: ptr(true), Bridges: []Bridge{{Name: "nwbr0", Ports: []Port{
		{Name: "a", VF: pf0 + "/vf/0", Tag: ptr(100)},
		{Name: "b", VF: pf0 + "/vf/1", Tag: ptr(100)},
		{Name: "up", Uplink: pf0, Trunks: []int{200, 100}},
	}}}}
	apply(t, ctx, want)
	expect := func(what, want string, args ...string) {
		t.Helper()
		if got := vsctl(t, args...); got != want {
			t.Errorf("%s: ovs-vsctl says %q, want %q", what, got, want)
		}
	}
	expect("hw-offload", `"true"`, "get", "Open_vSwitch", ".", "other_config:hw-offload")
	expect("tag", "100", "get", "Port", r0, "tag")
	expect("mode", "access", "get", "Port", r0, "vlan_mode")
	expect("bridge", "nwbr0", "port-to-br", r1)
	expect("mark", `me`, "get", "Bridge", "nwbr0", "external_ids:nicwright")
	expect("identity", `"`+pf0+`/vf/1"`, "get", "Port", r1, "external_ids:nicwright-function")
	ports := strings.Fields(vsctl(t, "list-ports", "nwbr0"))
	if len(ports) != 3 {
		t.Errorf("ports: %v", ports)
	}
	for _, p := range ports {
		if n, err := strconv.Atoi(vsctl(t, "get", "Interface", p, "ofport")); err != nil || n <= 0 {
			t.Errorf("ofport of %s: %v %v", p, n, err)
		}
		if p != r0 && p != r1 {
			expect("trunks", "[100, 200]", "get", "Port", p, "trunks")
			expect("mode", "trunk", "get", "Port", p, "vlan_mode")
		}
	}

	// A port of somebody else on our bridge, and one of ours on another VLAN.
	vsctl(t, "add-port", "nwbr0", "nwforeign", "--", "set", "Interface", "nwforeign", "type=internal")
	vsctl(t, "set", "Port", r0, "tag=7")
	want.Bridges[0].Ports = []Port{{Name: "a", VF: pf0 + "/vf/0", Trunks: []int{300}}, {Name: "b", VF: pf0 + "/vf/1"}}
	apply(t, ctx, want)
	expect("trunks", "[300]", "get", "Port", r0, "trunks")
	expect("tag", "[]", "get", "Port", r0, "tag")
	expect("tag left alone", "100", "get", "Port", r1, "tag")
	if got := strings.Fields(vsctl(t, "list-ports", "nwbr0")); len(got) != 3 {
		t.Errorf("ports %v: want %s, %s and nwforeign", got, r0, r1)
	}

	// The VFs are made again: new netdevs, new ifindexes.
	before := run(t, "cat", "/sys/class/net/"+r0+"/ifindex")
	vfs(t)
	awaitRepresentors(t, ctx)
	r0, r1 = representor(t, 0), representor(t, 1)
	if run(t, "cat", "/sys/class/net/"+r0+"/ifindex") == before {
		t.Error("the test is void: the representor has the ifindex it had")
	}
	apply(t, ctx, want, remade(0), remade(1))
	expect("ifindex", run(t, "cat", "/sys/class/net/"+r0+"/ifindex"), "get", "Interface", r0, "ifindex")
	if dp := run(t, "ovs-appctl", "dpctl/show"); !strings.Contains(dp, ": "+r0) || !strings.Contains(dp, ": "+r1) {
		t.Errorf("the datapath lacks %s or %s:\n%s", r0, r1, dp)
	}

	// A representor is renamed, as udev does it.
	run(t, "ip", "link", "set", r1, "down")
	run(t, "ip", "link", "set", r1, "name", "nwrep1")
	apply(t, ctx, want)
	if got := vsctl(t, "list-ports", "nwbr0"); !strings.Contains(got, "nwrep1") || strings.Contains(got, r1+"\n") {
		t.Errorf("ports after the renaming: %q", got)
	}

	// Nothing of ours is wanted: the foreign port keeps its bridge, the foreign bridge stays.
	apply(t, ctx, &Spec{})
	if got := vsctl(t, "list-ports", "nwbr0"); got != "nwforeign" {
		t.Errorf("ports left: %q", got)
	}
	expect("mark", "{}", "get", "Bridge", "nwbr0", "external_ids")
	if got := vsctl(t, "list-br"); !strings.Contains(got, "nwother") {
		t.Errorf("bridges left: %q", got)
	}
}

// Whether the flows reach the card when hw-offload was set in the very
// transaction that made the bridge.
func TestLabOffloadInOneTransaction(t *testing.T) {
	ctx := lab(t)
	vfs(t)
	awaitRepresentors(t, ctx)
	run(t, "/usr/share/openvswitch/scripts/ovs-ctl", "restart", "--system-id=random", "--no-monitor", "--no-record-hostname")
	vsctl(t, "remove", "Open_vSwitch", ".", "other_config", "hw-offload")
	run(t, "/usr/share/openvswitch/scripts/ovs-ctl", "restart", "--system-id=random", "--no-monitor", "--no-record-hostname")
	for i, vf := range []string{"virtfn0", "virtfn1"} {
		ns, addr := "nwns"+strconv.Itoa(i), "10.99.0."+strconv.Itoa(i+1)+"/24"
		dev := run(t, "ls", "/sys/bus/pci/devices/"+port0+"/"+vf+"/net")
		run(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		run(t, "ip", "link", "set", dev, "netns", ns, "name", "vf0")
		run(t, "ip", "-n", ns, "addr", "add", addr, "dev", "vf0")
		run(t, "ip", "link", "set", representor(t, i), "up")
		run(t, "ip", "-n", ns, "link", "set", "vf0", "up")
	}
	want := &Spec{HWOffload: ptr(true), Bridges: []Bridge{{Name: "nwbr0", Ports: []Port{
		{Name: "a", VF: pf0 + "/vf/0"}, {Name: "b", VF: pf0 + "/vf/1"},
	}}}}
	r, err := Diff(look(t, ctx), want, nil, me)
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, r.Steps, step.Switch)
	if out, err := exec.Command("ip", "netns", "exec", "nwns0", "ping", "-c", "12", "-i", "0.3", "10.99.0.2").CombinedOutput(); err != nil {
		t.Errorf("no answer between the VFs: %s\n%s\n%s\n%s", out, output("ovs-appctl", "dpctl/dump-flows", "-m"),
			output("ip", "-n", "nwns0", "-s", "link", "show", "vf0"), output("ip", "-s", "link", "show", representor(t, 0)))
	}
	if flows := run(t, "ovs-appctl", "dpctl/dump-flows", "type=offloaded"); !strings.Contains(flows, "in_port") {
		t.Errorf("no flow is offloaded: %q; in software:\n%s", flows, output("ovs-appctl", "dpctl/dump-flows", "type=ovs"))
	} else {
		t.Log(flows)
	}
}

// A bond whose netdev is not there cannot be attached, and the user hears why.
func TestLabPortThatCannotBeAttached(t *testing.T) {
	ctx := lab(t)
	r, err := Diff(&State{Running: true}, &Spec{Bridges: []Bridge{{Name: "nwbr1", Ports: []Port{{Name: "x", Uplink: pf0}}}}}, nil, me)
	if err != nil {
		t.Fatal(err)
	}
	vsctl(t, "add-br", "nwbr2")
	n, err := readNames(ctx)
	if err != nil {
		t.Fatal(err)
	}
	vsctl(t, "add-port", "nwbr2", n.netdev(pf0))
	err = NewDoer().Do(ctx, r.Steps)
	if err == nil || !strings.Contains(err.Error(), "OVSDB") || !strings.Contains(err.Error(), n.netdev(pf0)) {
		t.Errorf("a netdev on two bridges: %v", err)
	}
	t.Log(err)
}
