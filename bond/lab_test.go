// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/snapshot"
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
	var said bytes.Buffer // apart: Open vSwitch's tools warn there of a slow machine
	c := exec.Command(name, args...)
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &said)
	}
	return string(out)
}

func ptr[T any](v T) *T { return &v }

// look is the state, by as much of a look as bonds need.
func look(t *testing.T, ctx context.Context) State {
	t.Helper()
	have, _, err := now(ctx, snapshot.Debugfs)
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// apply is provision's road in small: it ends with an empty Diff.
func apply(t *testing.T, ctx context.Context, d *Doer, want []Spec) error {
	t.Helper()
	return applyAs(t, ctx, d, want, step.Options{Owner: "lab"})
}

func applyAs(t *testing.T, ctx context.Context, d *Doer, want []Spec, mine step.Options) error {
	t.Helper()
	have := look(t, ctx)
	before := Specs(have)
	r, err := Diff(have, Fill(want, before, nil), nil, mine)
	if err != nil {
		return err
	}
	for steps := r.Steps; len(steps) > 0; {
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
	have = look(t, ctx)
	if r, err = Diff(have, Fill(want, Specs(have), nil), nil, mine); err != nil || len(r.Steps) != 0 {
		t.Fatalf("there is something left to do: %v, %v\nhave %+v", r.Steps, err, have)
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
	Address   string   `json:"address"`
	IfAlias   string   `json:"ifalias"`
	ParentDev string   `json:"parentdev"`
	LinkInfo  struct {
		Data struct {
			Mode     string `json:"mode"`
			Miimon   int    `json:"miimon"`
			Hash     string `json:"xmit_hash_policy"`
			LACPRate string `json:"ad_lacp_rate"`
			// By ip's names, which are the kernel's but for ad_lacp_*.
			LACPActive     string `json:"ad_lacp_active"`
			ADSelect       string `json:"ad_select"`
			ADActorSysPrio int    `json:"ad_actor_sys_prio"`
			ADUserPortKey  int    `json:"ad_user_port_key"`
			MinLinks       int    `json:"min_links"`
			UpDelay        int    `json:"updelay"`
			DownDelay      int    `json:"downdelay"`
			PeerNotifDelay int    `json:"peer_notify_delay"`
			NumPeerNotif   int    `json:"num_peer_notif"`
			ResendIGMP     int    `json:"resend_igmp"`
			FailOverMAC    string `json:"fail_over_mac"`
			Primary        string `json:"primary"`
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
	d := NewDoer()
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
	if b.MTU != 2000 || !strings.Contains(strings.Join(b.Flags, " "), "UP") || b.IfAlias != "nicwright:lab" {
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
	// Provision's look, of everything, sees the same of the bond: judged between two looks that agree, for LACP goes on meanwhile.
	for alone := inJSON(t, look(t, ctx)); ; {
		whole, err := snapshot.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		again := inJSON(t, look(t, ctx))
		if again != alone {
			alone = again
			continue
		}
		if got := inJSON(t, Observe(whole)); got != alone {
			t.Errorf("the snapshot has\n%s\nand the bonds alone\n%s", got, alone)
		}
		break
	}

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
	specs := Specs(look(t, ctx))
	if err := apply(t, ctx, d, nil); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "link", "show", "nwbond").CombinedOutput(); err == nil {
		t.Errorf("the bond is still there: %s", out)
	}
	if l := ipLink(t, uplink(t, port0)); !strings.Contains(strings.Join(l.Flags, " "), "UP") {
		t.Errorf("the uplink was left down: %+v", l)
	}
	if err := apply(t, ctx, d, specs); err != nil {
		t.Fatal(err)
	}
	if b = ipLink(t, "nwbond"); b.LinkInfo.Data.Mode != "active-backup" || b.MTU != 2000 {
		t.Errorf("ip says: %+v", b)
	}
}

// A LAG that does not come is an error that says what the card reports.
func TestLabLAGThatDoesNotCome(t *testing.T) {
	ctx := lab(t)
	switchdev(t)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwbond").Run() })
	want := Spec{Name: "nwbond", Mode: ptr("802.3ad"), Members: []string{port0}, LAG: ptr(true)}
	err := apply(t, ctx, &Doer{LAGTimeout: time.Second}, []Spec{want})
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
	if err := apply(t, ctx, NewDoer(), []Spec{{Name: "nwother", Miimon: ptr(50)}}); err != nil {
		t.Fatal(err)
	}
	if err := apply(t, ctx, NewDoer(), nil); err != nil {
		t.Fatal(err)
	}
	if b := ipLink(t, "nwother"); b.LinkInfo.Data.Miimon != 50 || b.IfAlias != "" {
		t.Errorf("ip says: %+v", b)
	}
	gone := newStep("nwother", Present, step.Text(present), step.Absent())
	if err := NewDoer().Do(ctx, []step.Step{gone}); err == nil || !strings.Contains(err.Error(), "nicwright did not make it") {
		t.Errorf("deleting it: %v", err)
	}
}

// The kernel's refusal reaches the user with errno and extended ack.
func TestLabRefusal(t *testing.T) {
	ctx := lab(t)
	err := NewDoer().Do(ctx, []step.Step{newStep("lo", AttrMode, step.Absent(), step.Text("802.3ad"))})
	if err == nil || !strings.Contains(err.Error(), "is no bond") {
		t.Errorf("lo as a bond: %v", err)
	}
	run(t, "ip", "link", "add", "nwbond", "type", "bond")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "nwbond").Run() })
	err = NewDoer().Do(ctx, []step.Step{newStep("nwbond", attrMTU, step.Text("1500"), step.Text(fmt.Sprint(1<<20)))})
	if err == nil || !strings.Contains(err.Error(), "invalid argument") || !strings.Contains(err.Error(), "mtu greater than device maximum") {
		t.Errorf("an MTU of 1 MiB: %v", err)
	}
}
