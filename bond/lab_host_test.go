// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// clean takes away what a test may have left, and what it made of the uplinks.
func clean(t *testing.T) {
	t.Helper()
	for _, name := range []string{"nwbond", "nwother", "nwbridge", "nwvlan"} {
		_ = exec.Command("ip", "link", "del", name).Run()
	}
	for _, pf := range []string{port0, port1} {
		run(t, "ip", "link", "set", uplink(t, pf), "down")
		run(t, "ip", "link", "set", uplink(t, pf), "mtu", "1500")
	}
}

func isUp(l link) bool { return slices.Contains(l.Flags, "UP") }

// Every option of the table, in the mode that has it, read by ip.
func TestLabOptions(t *testing.T) {
	ctx := lab(t)
	t.Cleanup(func() { clean(t) })
	clean(t)
	d := NewDoer()
	want := Spec{
		Name: "nwbond", Mode: ptr("802.3ad"), LACPActive: ptr("off"), ADSelect: ptr("bandwidth"), ADActorSysPrio: ptr(77), ADUserPortKey: ptr(5), MinLinks: ptr(2),
		Miimon: ptr(50), UpDelay: ptr(200), DownDelay: ptr(100), PeerNotifDelay: ptr(150), NumPeerNotif: ptr(4), ResendIGMP: ptr(9), Up: ptr(true), Members: []string{port0, port1},
	}
	if err := apply(t, ctx, d, []Spec{want}); err != nil {
		t.Fatal(err)
	}
	i := ipLink(t, "nwbond").LinkInfo.Data
	if i.LACPActive != "off" || i.ADSelect != "bandwidth" || i.ADActorSysPrio != 77 || i.ADUserPortKey != 5 || i.MinLinks != 2 ||
		i.UpDelay != 200 || i.DownDelay != 100 || i.PeerNotifDelay != 150 || i.NumPeerNotif != 4 || i.ResendIGMP != 9 {
		t.Errorf("made: ip says %+v", i)
	}
	before := ipLink(t, "nwbond")

	// Changed, one by one: the kernel takes each as the table says, members stay.
	for _, w := range []Spec{
		{LACPActive: ptr("on")},
		{ADSelect: ptr("count")},
		{ADActorSysPrio: ptr(78)},
		{ADUserPortKey: ptr(6)},
		{MinLinks: ptr(0)},
		{NumPeerNotif: ptr(1)},
		{ResendIGMP: ptr(1)},
		{UpDelay: ptr(0)},
	} {
		w.Name = "nwbond"
		if err := apply(t, ctx, d, []Spec{w}); err != nil {
			t.Fatal(err)
		}
	}
	// The kernel keeps delays as multiples of miimon: they stay what they were.
	if err := apply(t, ctx, d, []Spec{{Name: "nwbond", Miimon: ptr(25)}}); err != nil {
		t.Fatal(err)
	}
	i = ipLink(t, "nwbond").LinkInfo.Data
	if i.LACPActive != "on" || i.ADSelect != "count" || i.ADActorSysPrio != 78 || i.ADUserPortKey != 6 || i.MinLinks != 0 ||
		i.UpDelay != 0 || i.DownDelay != 100 || i.PeerNotifDelay != 150 || i.NumPeerNotif != 1 || i.ResendIGMP != 1 || i.Miimon != 25 {
		t.Errorf("changed: ip says %+v", i)
	}

	// Another mode with options of its own; the MAC address of the host stays.
	if err := apply(t, ctx, d, []Spec{{Name: "nwbond", Mode: ptr("active-backup"), FailOverMAC: ptr("none"), Primary: ptr(port1)}}); err != nil {
		t.Fatal(err)
	}
	b := ipLink(t, "nwbond")
	if i := b.LinkInfo.Data; i.Primary != uplink(t, port1) || i.Mode != "active-backup" || b.Address != before.Address || !isUp(b) {
		t.Errorf("another mode: ip says %+v, before %+v", b, before)
	}
	if err := apply(t, ctx, d, []Spec{{Name: "nwbond", FailOverMAC: ptr("active")}}); err != nil {
		t.Fatal(err)
	}
	if i := ipLink(t, "nwbond").LinkInfo.Data; i.FailOverMAC != "active" || i.Primary != uplink(t, port1) {
		t.Errorf("fail_over_mac: ip says %+v", i)
	}
	if err := apply(t, ctx, d, []Spec{{Name: "nwbond", Primary: ptr("")}}); err != nil {
		t.Fatal(err)
	}
	if i := ipLink(t, "nwbond").LinkInfo.Data; i.Primary != "" {
		t.Errorf("no primary: ip says %+v", i)
	}
}

// A new bond has its first member's MAC address from the beginning, and the kernel says that it was set: udev then
// leaves it. The member may come from another bond, whose address it has as long as it is in it.
func TestLabANewBondHasItsMembersAddress(t *testing.T) {
	ctx := lab(t)
	t.Cleanup(func() { clean(t) })
	clean(t)
	own := ipLink(t, uplink(t, port0)).Address
	want := []Spec{{Name: "nwbond", Mode: ptr("active-backup"), Members: []string{port0, port1}}}
	for _, other := range []bool{false, true} {
		if other {
			run(t, "ip", "link", "add", "nwother", "address", "02:00:00:00:51:07", "type", "bond")
			run(t, "ip", "link", "set", uplink(t, port0), "down")
			run(t, "ip", "link", "set", uplink(t, port0), "master", "nwother")
			if a := ipLink(t, uplink(t, port0)).Address; a != "02:00:00:00:51:07" {
				t.Fatalf("the member of the other bond has %s", a)
			}
			want[0].TakeFromOf = map[string]string{port0: "nwother"}
		}
		if err := apply(t, ctx, NewDoer(), want); err != nil {
			t.Fatal(err)
		}
		b, how := ipLink(t, "nwbond"), run(t, "cat", "/sys/class/net/nwbond/addr_assign_type")
		if b.Address != own || strings.TrimSpace(how) != "3" { // NET_ADDR_SET (include/uapi/linux/netdevice.h)
			t.Errorf("from another bond %t: the bond has %s, in the way %s, and its first member %s", other, b.Address, how, own)
		}
		// As when the driver is loaded anew.
		for _, p := range []string{port1, port0} {
			run(t, "ip", "link", "set", uplink(t, p), "nomaster")
		}
		if err := apply(t, ctx, NewDoer(), want); err != nil {
			t.Fatal(err)
		}
		b, how = ipLink(t, "nwbond"), run(t, "cat", "/sys/class/net/nwbond/addr_assign_type")
		if b.Address != own || strings.TrimSpace(how) != "3" {
			t.Errorf("emptied by others: the bond has %s, in the way %s, and its first member %s", b.Address, how, own)
		}
		run(t, "ip", "link", "del", "nwbond")
	}
}

// Somebody's bond with addresses and a VLAN: members come and go without it
// noticing, and members: [] empties it.
func TestLabMembersComeAndGo(t *testing.T) {
	ctx := lab(t)
	t.Cleanup(func() { clean(t) })
	clean(t)
	run(t, "modprobe", "8021q")
	run(t, "ip", "link", "add", "nwother", "type", "bond", "mode", "active-backup", "miimon", "100")
	run(t, "ip", "link", "set", uplink(t, port0), "master", "nwother")
	run(t, "ip", "link", "set", "nwother", "up")
	run(t, "ip", "addr", "add", "2001:db8:51::10/64", "dev", "nwother", "nodad")
	run(t, "ip", "-6", "route", "add", "2001:db8:52::/64", "via", "2001:db8:51::1", "dev", "nwother")
	run(t, "ip", "link", "add", "link", "nwother", "name", "nwvlan", "type", "vlan", "id", "70")
	run(t, "ip", "link", "set", "nwvlan", "up")
	run(t, "ip", "addr", "add", "203.0.113.10/24", "dev", "nwvlan")
	hangs := func() string {
		all := run(t, "ip", "-o", "addr", "show", "dev", "nwvlan", "scope", "global") + run(t, "ip", "-6", "-o", "addr", "show", "dev", "nwother", "scope", "global") +
			run(t, "ip", "-6", "route", "show", "dev", "nwother") + run(t, "ip", "route", "show", "dev", "nwvlan")
		return strings.ReplaceAll(all, " linkdown", "") // without members there is no link
	}
	before := hangs()
	d := NewDoer()
	for _, members := range [][]string{{port0, port1}, {port1}, {}} {
		// An uplink that leaves stays as it was in the bond, although bonding gives it its own MTU back.
		if err := apply(t, ctx, d, []Spec{{Name: "nwother", MTU: ptr(9000), Members: members}}); err != nil {
			t.Fatal(err)
		}
		for _, pf := range []string{port0, port1} {
			l := ipLink(t, uplink(t, pf))
			if in := slices.Contains(members, pf); (l.Master == "nwother") != in || l.MTU != 9000 || !isUp(l) {
				t.Errorf("members %v: ip says of %s: %+v", members, pf, l)
			}
		}
		if now := hangs(); now != before {
			t.Errorf("members %v: there was\n%s\nand is\n%s", members, before, now)
		}
	}
	if b := ipLink(t, "nwother"); b.IfAlias != "" {
		t.Errorf("somebody's bond is marked: %+v", b)
	}
}

// Field cases mtu-jumbo and bond-unset: members follow their bond in one apply.
func TestLabMembersFollowTheBond(t *testing.T) {
	ctx := lab(t)
	t.Cleanup(func() { clean(t) })
	p0, p1 := uplink(t, port0), uplink(t, port1)
	members := []string{port0, port1}
	for _, c := range []struct {
		name string
		host func()
		want Spec
		mtu  int
	}{
		{"ports are down", func() {}, Spec{Up: ptr(true)}, 1500},
		{"ports have 9000", func() { run(t, "ip", "link", "set", p0, "mtu", "9000"); run(t, "ip", "link", "set", p1, "mtu", "9000") }, Spec{Up: ptr(true)}, 9000},
		{"the bond says 9000", func() {}, Spec{Up: ptr(true), MTU: ptr(9000)}, 9000},
	} {
		clean(t)
		c.host()
		c.want.Name, c.want.Mode, c.want.Members = "nwbond", ptr("802.3ad"), members
		if err := apply(t, ctx, NewDoer(), []Spec{c.want}); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, name := range []string{"nwbond", p0, p1} {
			if l := ipLink(t, name); l.MTU != c.mtu || !isUp(l) {
				t.Errorf("%s: ip says of %s: %+v", c.name, name, l)
			}
		}
	}
	// Somebody sets members otherwise: they follow again.
	run(t, "ip", "link", "set", p0, "down")
	run(t, "ip", "link", "set", p1, "mtu", "1400")
	if err := apply(t, ctx, NewDoer(), []Spec{{Name: "nwbond", Up: ptr(true), Members: members}}); err != nil {
		t.Fatal(err)
	}
	if a, b := ipLink(t, p0), ipLink(t, p1); !isUp(a) || b.MTU != 9000 {
		t.Errorf("ip says %+v and %+v", a, b)
	}
	// Ports of two MTUs are the profile's to decide.
	clean(t)
	run(t, "ip", "link", "set", p1, "mtu", "9000")
	err := apply(t, ctx, NewDoer(), []Spec{{Name: "nwbond", Mode: ptr("802.3ad"), Members: members}})
	if err == nil || !strings.Contains(err.Error(), "say mtu at the bond") {
		t.Errorf("ports of two MTUs: %v", err)
	}
}

// Field case uplink-in-bridge: taken only where the profile says so.
func TestLabUplinkInABridge(t *testing.T) {
	ctx := lab(t)
	t.Cleanup(func() { clean(t) })
	clean(t)
	run(t, "modprobe", "bridge")
	p0 := uplink(t, port0)
	run(t, "ip", "link", "add", "nwbridge", "type", "bridge")
	run(t, "ip", "link", "set", p0, "master", "nwbridge")
	run(t, "ip", "link", "set", p0, "up")
	want := Spec{Name: "nwbond", Mode: ptr("802.3ad"), Members: []string{port0, port1}}
	err := apply(t, ctx, NewDoer(), []Spec{want})
	if err == nil || !strings.Contains(err.Error(), "is a port of the bridge nwbridge") || !strings.Contains(err.Error(), "take-from: nwbridge") {
		t.Errorf("got %v", err)
	}
	if l := ipLink(t, p0); l.Master != "nwbridge" {
		t.Errorf("ip says: %+v", l)
	}
	want.TakeFromOf = map[string]string{port0: "nwbridge"}
	if err := apply(t, ctx, NewDoer(), []Spec{want}); err != nil {
		t.Fatal(err)
	}
	if l := ipLink(t, p0); l.Master != "nwbond" {
		t.Errorf("ip says: %+v", l)
	}

	// And of somebody's bond.
	clean(t)
	run(t, "ip", "link", "add", "nwother", "type", "bond", "mode", "active-backup", "miimon", "100")
	run(t, "ip", "link", "set", p0, "master", "nwother")
	want.TakeFromOf = nil
	if err = apply(t, ctx, NewDoer(), []Spec{want}); err == nil || !strings.Contains(err.Error(), "take-from: nwother") {
		t.Errorf("got %v", err)
	}
	want.TakeFromOf = map[string]string{port0: "nwother"}
	before := Specs(look(t, ctx))
	if err := apply(t, ctx, NewDoer(), []Spec{want}); err != nil {
		t.Fatal(err)
	}
	if l := ipLink(t, p0); l.Master != "nwbond" {
		t.Errorf("ip says: %+v", l)
	}
	all := step.Options{Owner: "lab", Only: func(resource.ID) bool { return true }}
	if err := applyAs(t, ctx, NewDoer(), before, all); err != nil {
		t.Fatal(err)
	}
	if l, b := ipLink(t, p0), ipLink(t, "nwother"); l.Master != "nwother" || b.IfAlias != "" {
		t.Errorf("after the rollback ip says: %+v and %+v", l, b)
	}
}
