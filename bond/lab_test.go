// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/step"
)

const (
	port0 = "0001:3b:00.0"
	port1 = "0001:3b:00.1"
)

func lab(t *testing.T) context.Context {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func ptr[T any](v T) *T { return &v }

// apply is provision's road in small: it ends with an empty Diff.
func apply(t *testing.T, ctx context.Context, d Doer, want []Spec) error {
	t.Helper()
	have, err := Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := Diff(have, want, nil)
	if err != nil {
		t.Fatal(err)
	}
	for len(steps) > 0 {
		n := 1
		for steps[0].Group != "" && n < len(steps) && steps[n].Group == steps[0].Group {
			n++
		}
		start := time.Now()
		for range 2 { // doing a step again is harmless
			if err := d.Do(ctx, steps[:n]); err != nil {
				return err
			}
		}
		t.Logf("%v and %d more: %v", steps[0], n-1, time.Since(start).Round(time.Millisecond))
		steps = steps[n:]
	}
	if have, err = Observe(ctx); err != nil {
		t.Fatal(err)
	}
	if steps, err = Diff(have, want, nil); err != nil || len(steps) != 0 {
		t.Fatalf("there is something left to do: %v, %v\nhave %+v", steps, err, have)
	}
	return nil
}

// link is what ip says of a netdev.
type link struct {
	IfIndex   int      `json:"ifindex"`
	IfName    string   `json:"ifname"`
	Flags     []string `json:"flags"`
	MTU       int      `json:"mtu"`
	Master    string   `json:"master"`
	IfAlias   string   `json:"ifalias"`
	ParentDev string   `json:"parentdev"`
	LinkInfo  struct {
		Data struct {
			Mode     string `json:"mode"`
			Miimon   int    `json:"miimon"`
			Hash     string `json:"xmit_hash_policy"`
			LACPRate string `json:"ad_lacp_rate"`
		} `json:"info_data"`
	} `json:"linkinfo"`
}

func ipLink(t *testing.T, name string) link {
	t.Helper()
	var l []link
	if err := json.Unmarshal([]byte(run(t, "ip", "-j", "-d", "link", "show", name)), &l); err != nil || len(l) != 1 {
		t.Fatalf("ip link show %s: %v", name, err)
	}
	return l[0]
}

// uplink is the netdev of a PF, found in sysfs, without our own code.
func uplink(t *testing.T, pf string) string {
	t.Helper()
	for _, l := range strings.Fields(run(t, "ls", "/sys/bus/pci/devices/"+pf+"/net")) {
		name, err := os.ReadFile("/sys/class/net/" + l + "/phys_port_name")
		if err != nil || !strings.Contains(string(name), "vf") {
			return l
		}
	}
	t.Fatalf("%s has no netdev", pf)
	return ""
}

func switchdev(t *testing.T) {
	t.Helper()
	for _, pf := range []string{port0, port1} {
		if strings.Contains(run(t, "devlink", "dev", "eswitch", "show", "pci/"+pf), "switchdev") {
			continue
		}
		if err := os.WriteFile("/sys/bus/pci/devices/"+pf+"/sriov_numvfs", []byte("2"), 0); err != nil && !strings.Contains(err.Error(), "busy") {
			t.Fatal(err)
		}
		run(t, "devlink", "dev", "eswitch", "set", "pci/"+pf, "mode", "switchdev")
	}
}

func TestLabBondOfTheUplinks(t *testing.T) {
	ctx := lab(t)
	switchdev(t)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwbond").Run() })
	var d Doer
	want := Spec{
		Name: "nwbond", Mode: ptr("802.3ad"), XmitHashPolicy: ptr("layer3+4"), LACPRate: ptr("fast"), Miimon: ptr(100),
		MTU: ptr(2000), Up: ptr(true), Members: []string{port0, port1}, LAG: ptr(true),
	}
	// One of them is up already: a netdev has to be down to be enslaved.
	run(t, "ip", "link", "set", uplink(t, port0), "up")
	if err := apply(t, ctx, d, []Spec{want}); err != nil {
		t.Fatal(err)
	}
	b := ipLink(t, "nwbond")
	if i := b.LinkInfo.Data; i.Mode != "802.3ad" || i.Hash != "layer3+4" || i.LACPRate != "fast" || i.Miimon != 100 {
		t.Errorf("ip says: %+v", i)
	}
	if b.MTU != 2000 || !strings.Contains(strings.Join(b.Flags, " "), "UP") || b.IfAlias != Mark {
		t.Errorf("ip says: %+v", b)
	}
	for _, pf := range []string{port0, port1} {
		if l := ipLink(t, uplink(t, pf)); l.Master != "nwbond" || l.MTU != 2000 || !strings.Contains(strings.Join(l.Flags, " "), "UP") {
			t.Errorf("ip says of %s: %+v", pf, l)
		}
		if s := run(t, "cat", "/sys/kernel/debug/mlx5/"+pf+"/lag/state"); strings.TrimSpace(s) != "active" {
			t.Errorf("%s: debugfs says the LAG is %s", pf, s)
		}
	}
	proc := run(t, "cat", "/proc/net/bonding/nwbond")
	for _, w := range []string{
		"IEEE 802.3ad", "layer3+4", "LACP rate: fast", "MII Polling Interval (ms): 100",
		"Slave Interface: " + uplink(t, port0), "Slave Interface: " + uplink(t, port1),
	} {
		if !strings.Contains(proc, w) {
			t.Errorf("/proc/net/bonding/nwbond lacks %q:\n%s", w, proc)
		}
	}
	before := b.IfIndex

	// Options that need the bond down or empty: the same netdev, members back in it.
	want.LACPRate = ptr("slow")
	if err := apply(t, ctx, d, []Spec{want}); err != nil {
		t.Fatal(err)
	}
	want.Mode, want.LACPRate = ptr("active-backup"), nil
	if err := apply(t, ctx, d, []Spec{want}); err != nil {
		t.Fatal(err)
	}
	if b = ipLink(t, "nwbond"); b.LinkInfo.Data.Mode != "active-backup" || b.IfIndex != before {
		t.Errorf("ip says: %+v", b)
	}
	if l := ipLink(t, uplink(t, port1)); l.Master != "nwbond" {
		t.Errorf("%s left the bond: %+v", port1, l)
	}

	// Rollback: what was observed, after everything is gone.
	states, err := Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := apply(t, ctx, d, nil); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "link", "show", "nwbond").CombinedOutput(); err == nil {
		t.Errorf("the bond is still there: %s", out)
	}
	if l := ipLink(t, uplink(t, port0)); !strings.Contains(strings.Join(l.Flags, " "), "UP") {
		t.Errorf("the uplink was left down: %+v", l)
	}
	var specs []Spec
	for _, s := range states {
		specs = append(specs, s.Spec())
	}
	if err := apply(t, ctx, d, specs); err != nil {
		t.Fatal(err)
	}
	if b = ipLink(t, "nwbond"); b.LinkInfo.Data.Mode != "active-backup" || b.MTU != 2000 {
		t.Errorf("ip says: %+v", b)
	}
	start := time.Now()
	if _, err := Observe(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("Observe: %v", time.Since(start))
}

// A LAG that does not come is an error that says what the card reports.
func TestLabLAGThatDoesNotCome(t *testing.T) {
	ctx := lab(t)
	switchdev(t)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwbond").Run() })
	want := Spec{Name: "nwbond", Mode: ptr("802.3ad"), Members: []string{port0}, LAG: ptr(true)}
	err := apply(t, ctx, Doer{LAGTimeout: time.Second}, []Spec{want})
	if err == nil {
		t.Fatal("a bond of one port has a LAG?")
	}
	for _, w := range []string{"bond nwbond", port0 + " reports disabled", "1s are over", "exactly the card's ports"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
	t.Log(err)
}

// A bond of somebody else: its options follow the profile, it is never deleted.
func TestLabForeignBond(t *testing.T) {
	ctx := lab(t)
	run(t, "ip", "link", "add", "nwother", "type", "bond", "mode", "active-backup")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwother").Run() })
	run(t, "ip", "link", "set", "nwother", "up")
	if err := apply(t, ctx, Doer{}, []Spec{{Name: "nwother", Miimon: ptr(50)}}); err != nil {
		t.Fatal(err)
	}
	if err := apply(t, ctx, Doer{}, nil); err != nil {
		t.Fatal(err)
	}
	if b := ipLink(t, "nwother"); b.LinkInfo.Data.Miimon != 50 || b.IfAlias != "" {
		t.Errorf("ip says: %+v", b)
	}
	gone := step.Step{Phase: step.Bond, Resource: "bond/nwother", Attribute: attrBond, From: present}
	if err := (Doer{}).Do(ctx, []step.Step{gone}); err == nil || !strings.Contains(err.Error(), "nicwright did not make it") {
		t.Errorf("deleting it: %v", err)
	}
}

// The kernel's refusal reaches the user with errno and extended ack.
func TestLabRefusal(t *testing.T) {
	ctx := lab(t)
	err := (Doer{}).Do(ctx, []step.Step{newStep("lo", attrMode, "", "802.3ad")})
	if err == nil || !strings.Contains(err.Error(), "is no bond") {
		t.Errorf("lo as a bond: %v", err)
	}
	run(t, "ip", "link", "add", "nwbond", "type", "bond")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwbond").Run() })
	err = (Doer{}).Do(ctx, []step.Step{newStep("nwbond", attrMTU, "1500", fmt.Sprint(1<<20))})
	if err == nil || !strings.Contains(err.Error(), "invalid argument: mtu greater than device maximum") {
		t.Errorf("an MTU of 1 MiB: %v", err)
	}
}
