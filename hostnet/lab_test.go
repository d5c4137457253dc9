// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

const (
	port0 = pci.Address("0001:3b:00.0")
	port1 = pci.Address("0001:3b:00.1")
)

func lab(t *testing.T) context.Context {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	sh(t, "modprobe bonding; modprobe 8021q; modprobe bridge")
	clean(t)
	t.Cleanup(func() { clean(t) })
	return ctx
}

// sh runs lines of a shell, with the uplinks as $A and $B.
func sh(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-ec", script)
	cmd.Env = append(os.Environ(), "A="+uplink(t, port0), "B="+uplink(t, port1))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// uplink is the netdev of a PF, found in sysfs, without our own code.
func uplink(t *testing.T, pf pci.Address) string {
	t.Helper()
	dirs, err := os.ReadDir("/sys/bus/pci/devices/" + string(pf) + "/net")
	if err != nil || len(dirs) != 1 {
		t.Fatalf("the netdev of %s: %v, %v", pf, dirs, err)
	}
	return dirs[0].Name()
}

func clean(t *testing.T) {
	t.Helper()
	sh(t, `for l in bond0.70 bond0 vmbr0; do ip link del $l 2>/dev/null || true; done
		ip rule del pref 500 2>/dev/null || true
		for l in $A $B; do ip link set $l nomaster down; ip addr flush dev $l; done`)
}

// witness is what stock tools say of what hangs on netdevs, a line each, without
// what is the link's own or changes by itself.
func witness(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, command := range []string{"ip -j addr", "ip -j route show table all", "ip -j -6 route show table all", "ip -j neigh show nud permanent", "ip -j neigh show proxy", "ip -j -6 neigh show proxy", "bridge -j fdb", "ip -j nexthop", "ip -j rule", "bridge -j vlan"} {
		var all []map[string]any
		if out := strings.TrimSpace(sh(t, command)); out != "" {
			if err := json.Unmarshal([]byte(out), &all); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
		}
		for _, o := range all {
			lines = append(lines, normal(t, command, o)...)
		}
	}
	slices.Sort(lines)
	return lines
}

func normal(t *testing.T, command string, o map[string]any) []string {
	t.Helper()
	line := func(o map[string]any) string {
		for _, k := range []string{"flags", "expires", "ifindex", "tentative"} {
			delete(o, k)
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return command + " " + string(b)
	}
	dst, _ := o["dst"].(string)
	switch {
	case command == "bridge -j fdb":
		if o["state"] != "static" { // learned, or a port's own
			return nil
		}
		return []string{fmt.Sprint(command, o["mac"], o["ifname"], o["vlan"], o["flags"])}
	case strings.HasPrefix(dst, "fe80:"), strings.HasPrefix(dst, "ff00:"), strings.HasPrefix(dst, "multicast"):
		return nil
	case command != "ip -j addr":
		return []string{line(o)}
	}
	var lines []string
	infos, _ := o["addr_info"].([]any)
	for _, i := range infos {
		if a, ok := i.(map[string]any); ok && a["scope"] == "global" {
			a["dev"] = o["ifname"]
			lines = append(lines, line(a))
		}
	}
	return append(lines, line(map[string]any{"dev": o["ifname"], "master": o["master"]}))
}

// same waits until the witness says what it said before: IPv6 takes its time.
func same(t *testing.T, before []string) {
	t.Helper()
	var d string
	for range 40 {
		if d = cmp.Diff(before, witness(t)); d == "" {
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
	t.Errorf("it is not as before (-before +now):\n%s", d)
}

func look1(ctx context.Context, t *testing.T) State {
	t.Helper()
	s, err := snapshot.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return Observe(s)
}

// do plans and does, twice, which is harmless.
func do(ctx context.Context, t *testing.T, have, want State, effects step.Effects) {
	t.Helper()
	r, err := Diff(have, want, effects, step.Options{})
	if err != nil || len(r.Steps) == 0 {
		t.Fatalf("%v, %v", r.Steps, err)
	}
	for _, s := range r.Steps {
		t.Log(s.Phase, s)
	}
	for range 2 {
		if err := NewDoer(want, have).Do(ctx, r.Steps); err != nil {
			t.Fatal(err)
		}
	}
}

// settled has nothing to do.
func settled(ctx context.Context, t *testing.T, want State) {
	t.Helper()
	if r, err := Diff(look1(ctx, t), want, nil, step.Options{}); err != nil || len(r.Steps) != 0 {
		t.Errorf("there is something left to do: %v, %v", r.Steps, err)
	}
}

// busy is a bond that a host lives on.
const busy = `
	ip link add bond0 type bond mode 802.3ad miimon 100
	for l in $A $B; do ip link set $l down; ip link set $l master bond0; done
	ip link set bond0 up
	ip link add link bond0 name bond0.70 type vlan id 70
	ip link set bond0.70 up` + "\n"

// hangs is what hangs on $N and $V.
const hangs = `
	ip addr add 198.51.100.10/24 brd + dev $N
	ip addr add 198.51.100.11/24 dev $N
	ip addr add 10.9.9.1 peer 10.9.9.2/32 dev $N
	ip -6 addr add 2001:db8:51::10/64 dev $N nodad
	ip -6 addr add 2001:db8:51::11/64 dev $N
	ip addr add 203.0.113.10/24 dev $V
	ip -6 addr add 2001:db8:70::10/64 dev $V nodad
	ip route add default via 198.51.100.1 dev $N proto static
	ip route add default via 198.51.100.2 dev $N metric 500
	ip route append 10.77.0.0/16 via 198.51.100.3 dev $N
	ip route append 10.77.0.0/16 via 198.51.100.4 dev $N
	ip route add default via 198.51.100.1 dev $N table 1000
	ip route add 10.1.0.0/16 via 192.0.2.77 dev $N onlink mtu lock 1400 src 198.51.100.11
	ip route add 10.2.0.0/16 nexthop via 198.51.100.3 weight 3 nexthop via 203.0.113.3
	ip route add 10.3.0.0/16 via 203.0.113.1
	ip route add 10.4.0.0/16 dev $V scope link
	ip route add 10.8.0.0/16 via 10.4.0.1
	ip rule add pref 500 from 198.51.100.0/24 lookup 1000
	ip -6 route add default via 2001:db8:51::1 dev $N
	ip -6 route add default via fe80::1 dev $N metric 2000 pref high
	ip -6 route add default via 2001:db8:51::1 dev $N table 1000
	ip -6 route add 2001:db8:a::/48 nexthop via 2001:db8:51::3 weight 2 nexthop via 2001:db8:70::3
	for n in $(seq 40); do ip -6 addr show dev $N tentative | grep -q inet6 || break; sleep 0.2; done
	ip -6 route add 2001:db8:b::/48 via 2001:db8:51::1 src 2001:db8:51::11
	ip -6 route add 2001:db8:c::/48 dev $V
	ip -6 route add 2001:db8:d::/48 via 2001:db8:51::1 expires 600
	ip neigh add 198.51.100.1 lladdr 02:00:00:00:00:01 dev $N nud permanent
	ip -6 neigh add fe80::1 lladdr 02:00:00:00:00:01 dev $N nud permanent router
	ip neigh add proxy 198.51.100.7 dev $N
	ip -6 neigh add proxy 2001:db8:51::7 dev $V
	ip nexthop add id 5 via 198.51.100.1 dev $N
	ip nexthop add id 6 via 203.0.113.1 dev $V
	ip nexthop add id 7 via 2001:db8:51::1 dev $N
	ip nexthop add id 4 group 5,2/6
	ip route add 10.5.0.0/16 nhid 5
	ip route add 10.6.0.0/16 nhid 4
	ip -6 route add 2001:db8:e::/48 nhid 7` + "\n"

func TestLabBondGoesDownAndUp(t *testing.T) {
	ctx := lab(t)
	sh(t, busy+"N=bond0 V=bond0.70"+hangs)
	before, said := look1(ctx, t), witness(t)
	settled(ctx, t, Fill(State{}, before, nil))
	for name, script := range map[string]string{"the bond": "ip link set bond0 down; ip link set bond0 up", "the VLAN": "ip link set bond0.70 down; ip link set bond0.70 up"} {
		t.Run(name, func(t *testing.T) {
			sh(t, script)
			now := look1(ctx, t)
			want := Fill(State{}, before, nil)
			do(ctx, t, now, want, nil)
			same(t, said)
			settled(ctx, t, want)
		})
	}
	t.Run("as planned", func(t *testing.T) { // the plan is made before it happens
		want := Fill(State{}, look1(ctx, t), nil)
		r, err := Diff(before, want, step.Effects{{Kind: step.Down, On: resource.OfBond("bond0"), For: step.Moment}}, step.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sh(t, "ip link set bond0 down; ip link set bond0 up")
		if err := NewDoer(want, before).Do(ctx, r.Steps); err != nil {
			t.Fatal(err)
		}
		same(t, said)
	})
}

func TestLabUplinkLeavesABridgeAndComesBack(t *testing.T) {
	ctx := lab(t)
	sh(t, `ip link add vmbr0 type bridge vlan_filtering 1
		ip link set vmbr0 up; ip addr add 198.51.100.10/24 dev vmbr0
		ip link set $A master vmbr0; ip link set $A up
		bridge vlan del vid 1 dev $A
		bridge vlan add vid 70 dev $A; bridge vlan add vid 71 pvid untagged dev $A; bridge vlan add vid 80-82 dev $A
		bridge fdb add 02:00:00:00:00:09 dev $A master static vlan 71; bridge fdb add 02:00:00:00:00:0a dev $A master static sticky vlan 80`)
	before, said := look1(ctx, t), witness(t)
	a := resource.OfNetdev(pci.PF(port0))
	settled(ctx, t, Keep(before, func(id resource.ID, _ string) bool { return id == a }))
	sh(t, "ip link set $A nomaster; ip link set $A down")
	want := Keep(before, func(id resource.ID, _ string) bool { return id == a })
	do(ctx, t, look1(ctx, t), want, nil)
	same(t, said)
	settled(ctx, t, want)
}

func TestLabWhatOneIsRefusedTheOthersGet(t *testing.T) {
	ctx := lab(t)
	sh(t, "ip link set $A up; ip addr add 198.51.100.10/24 dev $A; ip addr add 198.51.100.11/24 dev $A")
	before, said := look1(ctx, t), witness(t)
	a := resource.OfNetdev(pci.PF(port0))
	sh(t, "ip addr flush dev $A")
	want := Keep(before, func(id resource.ID, _ string) bool { return id == a })
	r, err := Diff(look1(ctx, t), want, nil, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	steps := append([]step.Step{{Resource: a, Attribute: attrMTU, To: step.Text("70000")}}, r.Steps...)
	if err := NewDoer(want, before).Do(ctx, steps); !errors.Is(err, unix.EINVAL) {
		t.Errorf("an MTU of 70000 is refused with %v", err)
	}
	same(t, said)
}

func TestLabAddressesGoToABondAndBack(t *testing.T) {
	ctx := lab(t)
	sh(t, `ip link set $A up
		ip link add link $A name bond0.70 type vlan id 70; ip link set bond0.70 up
		N=$A V=bond0.70`+hangs)
	a, bond := resource.OfNetdev(pci.PF(port0)), resource.OfBond("bond0")
	before, said := look1(ctx, t), witness(t)
	joins := step.Effects{{Kind: step.Joins, On: a, From: bond}}
	want := Fill(State{Move: map[resource.ID]resource.ID{a: bond}}, before, joins)
	r, err := Diff(before, want, joins, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := "ip link add bond0 type bond mode 802.3ad miimon 100; ip link set $A down; ip link set $A master bond0; ip link set bond0 up"
	sh(t, in)
	for range 2 {
		if err := NewDoer(want, before).Do(ctx, r.Steps); err != nil {
			t.Fatalf("%v\n%s", err, sh(t, "ip addr; ip route show table all"))
		}
	}
	settled(ctx, t, want)
	moved := make([]string, len(said))
	for n, s := range said { // all that is said of the uplink is said of the bond, by whose name its VLAN is
		moved[n] = strings.ReplaceAll(strings.ReplaceAll(s, `"`+uplink(t, port0)+`"`, `"bond0"`), `{"dev":"bond0","master":null}`, `{"dev":"`+uplink(t, port0)+`","master":"bond0"}`)
	}
	moved = append(moved, `ip -j addr {"dev":"bond0","master":null}`)
	slices.Sort(moved)
	same(t, moved)

	// And back.
	back := before.TakeBack(a, bond)
	now := look1(ctx, t)
	leaves := step.Effects{{Kind: step.Leaves, On: a, From: bond}, {Kind: step.Down, On: a, For: step.Moment}}
	if r, err = Diff(now, back, leaves, step.Options{}); err != nil {
		t.Fatal(err)
	}
	d := NewDoer(back, now)
	if err := d.Do(ctx, slices.DeleteFunc(slices.Clone(r.Steps), func(s step.Step) bool { return s.Phase != step.Quiesce })); err != nil {
		t.Fatal(err)
	}
	sh(t, "ip link set $A nomaster; ip link set $A up")
	if err := d.Do(ctx, slices.DeleteFunc(slices.Clone(r.Steps), func(s step.Step) bool { return s.Phase == step.Quiesce })); err != nil {
		t.Fatal(err)
	}
	sh(t, "ip link del bond0")
	same(t, said)
	settled(ctx, t, before)
}
