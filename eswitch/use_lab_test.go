// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// vfRecord is a VF as iproute2 shows it.
type vfRecord struct {
	VF       int
	Address  string
	VLANList []struct{ VLAN, QoS int } `json:"vlan_list"`
	Rate     struct {
		Max int `json:"max_tx"`
		Min int `json:"min_tx"`
	}
	SpoofChk, Trust bool
	LinkState       string `json:"link_state"`
}

func vfsOf(t *testing.T, netdev string) []vfRecord {
	t.Helper()
	var links []struct {
		VFs []vfRecord `json:"vfinfo_list"`
	}
	ask(t, &links, "ip", "-j", "link", "show", netdev)
	if len(links) != 1 {
		t.Fatalf("ip shows %d netdevs of the name %s", len(links), netdev)
	}
	return links[0].VFs
}

func portOf(ctx context.Context, t *testing.T, a pci.Address) Port {
	t.Helper()
	for _, p := range observeCard(ctx, t).Ports {
		if p.Address == a {
			return p
		}
	}
	t.Fatalf("no port %s", a)
	return Port{}
}

func driverOf(t *testing.T, pf pci.Address, n int) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/sys/bus/pci/devices/%s/virtfn%d/driver", pf, n))
	if err != nil {
		return "none"
	}
	return filepath.Base(link)
}

func TestVFAttributesOutliveANewCountAndSwitchdev(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	only := func(s PortSpec) map[pci.Address]PortSpec { return map[pci.Address]PortSpec{p.Address: s} }
	bring(ctx, t, only(PortSpec{VFs: ptr(2)}.Fill(p.Spec())))
	tool(t, "ip", "link", "set", p.Netdev, "vf", "0", "mac", "02:11:22:33:44:00", "vlan", "100", "spoofchk", "on", "trust", "on", "max_tx_rate", "1000")
	tool(t, "ip", "link", "set", p.Netdev, "vf", "1", "mac", "02:11:22:33:44:01", "vlan", "200", "qos", "3", "spoofchk", "on", "state", "enable", "min_tx_rate", "100")
	first := vfsOf(t, p.Netdev)
	if len(first) != 2 || first[0].VLANList[0].VLAN != 100 || first[1].Rate.Min != 100 {
		t.Fatalf("ip did not set what it was told to: %+v", first)
	}
	before := portOf(ctx, t, p.Address).Spec()

	for _, vfs := range []int{4, 2} {
		bring(ctx, t, only(PortSpec{VFs: &vfs}.Fill(portOf(ctx, t, p.Address).Spec())))
		if d := cmp.Diff(first, vfsOf(t, p.Netdev)[:2]); d != "" {
			t.Errorf("with %d VFs (-before +after):\n%s", vfs, d)
		}
	}
	var links []struct{ Address string }
	ask(t, &links, "ip", "-j", "link", "show", portOf(ctx, t, p.Address).VFs[0].Netdev)
	if links[0].Address != "02:11:22:33:44:00" {
		t.Errorf("the VF's netdev has the address %s", links[0].Address)
	}

	bring(ctx, t, only(PortSpec{Mode: ptr(switchdev), Functions: each(2, FunctionSpec{RepresentorUp: ptr(true)})}.Fill(before)))
	if got := vfsOf(t, p.Netdev); got[0].Address != "02:11:22:33:44:00" || got[0].Rate.Max != 1000 || got[1].Rate.Min != 100 {
		t.Errorf("in switchdev ip shows %+v", got)
	}
	bring(ctx, t, only(before)) // as a rollback does
	if d := cmp.Diff(first, vfsOf(t, p.Netdev)); d != "" {
		t.Errorf("after switchdev and back (-before +after):\n%s", d)
	}
}

// With an IPsec state in the card its mode cannot be changed: that is known before,
// and the kernel says so too.
func TestIPsecInTheCardIsSeenBefore(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	tool(t, "ip", "link", "set", p.Netdev, "up")
	tool(t, "ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x9", "reqid", "1", "mode", "transport",
		"aead", "rfc4106(gcm(aes))", "0x"+strings.Repeat("1", 40), "128", "offload", "packet", "dev", p.Netdev, "dir", "out")
	t.Cleanup(func() { _ = exec.Command("ip", "xfrm", "state", "flush").Run() })
	if _, err := Diff([]Card{observeCard(ctx, t)}, map[pci.Address]PortSpec{p.Address: {Mode: ptr(switchdev)}}, step.Options{}); err == nil || !strings.Contains(err.Error(), "an IPsec SA to 192.0.2.2") {
		t.Errorf("a mode change beside an offloaded SA: %v", err)
	}
	out, err := exec.Command("devlink", "dev", "eswitch", "set", "pci/"+string(p.Address), "mode", "switchdev").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "IPsec") {
		t.Errorf("the kernel: %v: %s", err, out)
	}
	tool(t, "ip", "xfrm", "state", "flush")
	if now := portOf(ctx, t, p.Address); now.IPsec != "" {
		t.Errorf("without it there is still %q", now.IPsec)
	}
}

func TestVFsInUseAreLeftAlone(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	only := func(s PortSpec) map[pci.Address]PortSpec { return map[pci.Address]PortSpec{p.Address: s} }
	bring(ctx, t, only(PortSpec{VFs: ptr(4)}.Fill(p.Spec())))
	now := portOf(ctx, t, p.Address)

	tool(t, "ip", "netns", "add", "pod1")
	t.Cleanup(func() { tool(t, "ip", "netns", "del", "pod1") })
	tool(t, "ip", "link", "set", now.VFs[0].Netdev, "netns", "pod1", "name", "net1")
	tool(t, "modprobe", "pci-stub")
	stub := string(now.VFs[1].Address)
	for _, w := range [][2]string{
		{"/sys/bus/pci/devices/" + stub + "/driver_override", "pci-stub"},
		{"/sys/bus/pci/devices/" + stub + "/driver/unbind", stub},
		{"/sys/bus/pci/drivers/pci-stub/bind", stub},
	} {
		if err := os.WriteFile(w[0], []byte(w[1]), 0); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "modprobe", "8021q")
	tool(t, "ip", "link", "add", "link", now.VFs[2].Netdev, "name", "onvf2", "type", "vlan", "id", "5")
	tool(t, "ip", "addr", "add", "192.0.2.1/24", "dev", now.VFs[3].Netdev)

	now = portOf(ctx, t, p.Address)
	want := [][]Use{
		{{Elsewhere, "the network namespace pod1"}}, {{UserSpace, "pci-stub"}}, {{Upper, "onvf2"}}, {{Addressed, "192.0.2.1/24"}},
	}
	for n, vf := range now.VFs {
		if d := cmp.Diff(want[n], vf.Uses); d != "" {
			t.Errorf("VF %d (-want +got):\n%s", n, d)
		}
	}
	for name, s := range map[string]PortSpec{"count": {VFs: ptr(3)}, "mode": {Mode: ptr(switchdev)}} {
		_, err := Diff([]Card{{Ports: []Port{now}}}, only(s.Fill(now.Spec())), step.Options{})
		for n := range now.VFs {
			id := resource.OfFunction(pci.VF(p.Address, n)).String()
			// A mode change does nothing to what pci-stub has, but it takes the others.
			if err == nil || !strings.Contains(err.Error(), id+" is in use (") || !strings.Contains(err.Error(), "--take "+id) {
				t.Errorf("%s: VF %d: %v", name, n, err)
			}
		}
	}
	r, err := Diff([]Card{{Ports: []Port{now}}}, only(PortSpec{Functions: each(4, FunctionSpec{Driver: ptr(mlx5)})}), step.Options{})
	if err != nil || len(r.Steps) != 0 || len(r.Left) != 1 || r.Left[0].Resource != resource.OfFunction(pci.VF(p.Address, 1)) {
		t.Errorf("a driver for all: %+v, %v", r, err)
	}
	// What does not touch the VFs goes on.
	bring(ctx, t, only(PortSpec{MTU: ptr(2000)}.Fill(now.Spec())))
	if got := driverOf(t, p.Address, 1); got != "pci-stub" {
		t.Errorf("VF 1 has the driver %s", got)
	}
	tool(t, "ip", "-n", "pod1", "link", "show", "net1")
}

func TestMixedDriversComeBack(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	only := func(s PortSpec) map[pci.Address]PortSpec { return map[pci.Address]PortSpec{p.Address: s} }
	tool(t, "modprobe", "pci-stub")
	drivers := []string{"none", "mlx5_core", "pci-stub"}
	mixed := map[int]FunctionSpec{}
	for n, d := range drivers {
		mixed[n] = FunctionSpec{Driver: &d}
	}
	bring(ctx, t, only(PortSpec{VFs: ptr(3), Functions: mixed}.Fill(p.Spec())))
	before := portOf(ctx, t, p.Address).Spec()
	check := func(when string) {
		t.Helper()
		for n, want := range drivers {
			if got := driverOf(t, p.Address, n); got != want {
				t.Errorf("%s VF %d has the driver %s, not %s", when, n, got, want)
			}
		}
	}
	check("at first")
	up := PortSpec{VFs: ptr(4), Mode: ptr(switchdev), Functions: mixed}.Fill(before)
	r, err := Diff([]Card{observeCard(ctx, t)}, only(up), step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := run(ctx, r.Steps); err != nil {
		t.Fatal(err)
	}
	check("with four")
	bring(ctx, t, only(before))
	check("afterwards")
	// Killed after quiesce: what was before has each one's own.
	r, err = Diff([]Card{observeCard(ctx, t)}, only(PortSpec{Mode: ptr(switchdev), Functions: mixed}.Fill(before)), step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for n < len(r.Steps) && r.Steps[n].Phase == step.Quiesce {
		n++
	}
	if err := run(ctx, r.Steps[:n]); err != nil || n == 0 {
		t.Fatalf("%d steps of quiesce: %v", n, err)
	}
	bring(ctx, t, only(before))
	check("after a kill")
}

func TestARuleOfSomebodyIsFoundBeforeTheModeIsChanged(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	only := func(s PortSpec) map[pci.Address]PortSpec { return map[pci.Address]PortSpec{p.Address: s} }
	bring(ctx, t, only(PortSpec{VFs: ptr(1), Mode: ptr(switchdev), Up: ptr(true)}.Fill(p.Spec())))
	now := portOf(ctx, t, p.Address)
	tool(t, "tc", "qdisc", "add", "dev", now.Netdev, "ingress")
	t.Cleanup(func() { tool(t, "tc", "qdisc", "del", "dev", now.Netdev, "ingress") })
	tool(t, "tc", "filter", "add", "dev", now.Netdev, "ingress", "protocol", "ip", "flower", "skip_sw", "ip_proto", "udp",
		"action", "mirred", "egress", "redirect", "dev", now.VFs[0].Representor.Netdev)
	now = portOf(ctx, t, p.Address)
	if now.Busy[resource.OfNetdev(pci.PF(p.Address))] == "" {
		t.Errorf("the rule is not seen: %+v", now.Busy)
	}
	if _, err := Diff([]Card{{Ports: []Port{now}}}, only(PortSpec{Mode: ptr(legacy)}), step.Options{}); err == nil || !strings.Contains(err.Error(), "a TC rule (flower") {
		t.Errorf("a change of the mode: %v", err)
	}
	tool(t, "tc", "filter", "del", "dev", now.Netdev, "ingress")
	bring(ctx, t, only(PortSpec{Mode: ptr(legacy)}))
}

func TestAPortElsewhereSaysSo(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[1]
	tool(t, "ip", "netns", "add", "tenant")
	t.Cleanup(func() {
		if _, err := exec.Command("ip", "netns", "exec", "tenant", "devlink", "dev", "reload", "pci/"+string(p.Address), "netns", "1").CombinedOutput(); err != nil {
			t.Log("back by the namespace's end")
		}
		tool(t, "ip", "netns", "del", "tenant")
	})
	tool(t, "ip", "link", "set", p.Netdev, "netns", "tenant")
	now := portOf(ctx, t, p.Address)
	if now.NetdevIn != "the network namespace tenant" || now.DevlinkIn != "" || now.Number != 1 {
		t.Errorf("with its netdev there: %+v", now)
	}
	tool(t, "ip", "-n", "tenant", "link", "set", p.Netdev, "netns", "1")
	tool(t, "devlink", "dev", "reload", "pci/"+string(p.Address), "netns", "tenant")
	now = portOf(ctx, t, p.Address)
	if now.NetdevIn != "the network namespace tenant" || now.DevlinkIn != "the network namespace tenant" {
		t.Errorf("with its devlink instance there: %+v", now)
	}
	_, err := Diff([]Card{{Ports: []Port{now}}}, map[pci.Address]PortSpec{p.Address: {Mode: ptr(switchdev)}}, step.Options{})
	if err == nil || !strings.Contains(err.Error(), "devlink instance is in the network namespace tenant") {
		t.Errorf("a mode: %v", err)
	}
}
