// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/rtlink"
)

// refused is an Add that must fail, say why, and leave nothing.
func refused(t *testing.T, e *endpoint, p Params, want error, words ...string) {
	t.Helper()
	p.Local, p.Remote, p.Keys = addresses(1)[0], addresses(2)[0], newKeys(t, 256)
	pair, err := e.add(p)
	if err == nil {
		t.Errorf("%v offload was accepted, want %v", p.Offload, want)
		if err := pair.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
	t.Log(err)
	e.gone()
}

func TestLabPacketOffloadIsDoneOrExplained(t *testing.T) {
	needLab(t)
	card := newEndpoint(t, "ipsec-card", pf(t).Name, 1)
	p := Params{Local: addresses(1)[0], Remote: addresses(2)[0], Offload: Packet, Netdev: card.index, ESN: true, Keys: newKeys(t, 256)}
	pair, err := card.add(p)
	if err != nil {
		refused(t, card, p, unix.EINVAL, "Packet offload is not supported", "dmfs", card.netdev)
		return
	}
	p.ReplayWindow = DefaultReplayWindow
	agrees(t, card, pair, p)
	if out := card.ip("-d", "xfrm", "policy"); strings.Count(out, "crypto offload parameters: dev "+card.netdev+" mode packet") != 2 {
		t.Errorf("the policies are not offloaded: %s", out)
	}
	if err := pair.Close(); err != nil {
		t.Error(err)
	}
	card.gone()
	refused(t, card, Params{Offload: Packet, Netdev: card.index, ESN: true, ReplayWindow: 100}, unix.EINVAL, "32, 64, 128 and 256")
	refused(t, card, Params{Offload: Packet, Netdev: card.index, Limits: Limits{HardPackets: 10}}, unix.EINVAL, "soft one below the hard one")
}

// netdevsim takes SAs with crypto offload and nothing else.
func TestLabNetdevsim(t *testing.T) {
	needLab(t)
	e := emptyEndpoint(t, "ipsec-sim", "")
	// It is made where the writing thread is.
	if err := e.ns.Do(func() error { return os.WriteFile("/sys/bus/netdevsim/new_device", []byte("11 1"), 0o200) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile("/sys/bus/netdevsim/del_device", []byte("11"), 0o200); err != nil {
			t.Error(err)
		}
	})
	var links []struct{ IfName string }
	if err := json.Unmarshal([]byte(e.ip("-j", "link")), &links); err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.IfName != "lo" {
			e.netdev = l.IfName
		}
	}
	e.findIndex()
	e.ip("link", "set", e.netdev, "up")

	p := Params{Local: addresses(1)[0], Remote: addresses(2)[0], Mode: Tunnel, Offload: Crypto, Netdev: e.index, ReplayWindow: 64, Keys: newKeys(t, 128)}
	pair, err := e.add(p)
	if err != nil {
		t.Fatal(err)
	}
	agrees(t, e, pair, p)
	// Another connection's policies are in the way of a second one for the same addresses.
	q := p
	q.Keys = newKeys(t, 128)
	if _, err := e.add(q); !errors.Is(err, unix.EEXIST) || !strings.Contains(err.Error(), "ip xfrm policy") {
		t.Errorf("a second connection: %v", err)
	}
	agrees(t, e, pair, p)
	// Nor do keys go twice to one end.
	if _, err := e.add(p); err == nil || !strings.Contains(err.Error(), "make new ones") {
		t.Errorf("the same keys again: %v", err)
	}
	if err := pair.Close(); err != nil {
		t.Error(err)
	}
	e.gone()
	refused(t, e, Params{Offload: Packet, Netdev: e.index}, unix.EINVAL, "Unsupported ipsec offload type", "crypto offload only", e.netdev)
	refused(t, e, Params{Offload: Crypto, Netdev: e.index, ESN: true}, unix.EINVAL, "switch ESN off")
}

// A netdev that does no IPsec: crypto offload is software without a word, and
// that is found; packet offload is refused.
func TestLabSoftwareIsFound(t *testing.T) {
	needLab(t)
	witness(t, "ip", "link", "add", "ipsec-v0", "type", "veth", "peer", "name", "ipsec-v1")
	witness(t, "ip", "link", "set", "ipsec-v1", "up")
	t.Cleanup(func() { witness(t, "ip", "link", "del", "ipsec-v1") })
	e := newEndpoint(t, "ipsec-veth", "ipsec-v0", 1)
	refused(t, e, Params{Offload: Crypto, Netdev: e.index}, ErrSoftware, e.netdev, "esp-hw-offload", "CONFIG_MLX5_EN_IPSEC")
	refused(t, e, Params{Offload: Packet, Netdev: e.index}, unix.EINVAL, "no packet offload")
	refused(t, e, Params{Offload: Crypto, Netdev: 1 << 20}, rtlink.ErrNone, "1048576")
}

// An 802.3ad bond is refused, whatever the kernel would say of it at the moment.
func TestLabBondOf8023ad(t *testing.T) {
	needLab(t)
	link := pf(t)
	e := emptyEndpoint(t, "ipsec-bond", "ipsec-bond0")
	witness(t, "ip", "link", "set", link.Name, "down")
	witness(t, "ip", "link", "set", link.Name, "netns", e.ns.Name())
	e.ip("link", "add", e.netdev, "type", "bond", "mode", "802.3ad")
	t.Cleanup(func() {
		e.ip("link", "del", e.netdev)
		e.ip("link", "set", link.Name, "netns", "1")
	})
	e.ip("link", "set", link.Name, "master", e.netdev)
	e.ip("link", "set", e.netdev, "up")
	e.findIndex()
	refused(t, e, Params{Offload: Crypto, Netdev: e.index}, ErrBond, "mode 802.3ad", "active-backup bond only", "ipsec-bond0")
	refused(t, e, Params{Offload: Packet, Netdev: e.index}, ErrBond, "mode 802.3ad", "active-backup bond only", "ipsec-bond0")
}

// This test binary is also the run that gets killed.
const killedEnv = "NICWRIGHT_TEST_IPSEC_TO_BE_KILLED"

func TestMain(m *testing.M) {
	if os.Getenv(killedEnv) == "" {
		os.Exit(m.Run())
	}
	keys, err := NewKeys(128)
	if err == nil {
		_, err = Add(context.Background(), Params{Local: addresses(1)[1], Remote: addresses(2)[1], Mode: Tunnel, Keys: keys})
	}
	fmt.Println("added:", err)
	select {}
}

// A killed run leaves its SAs and policies; Clean takes them, and nobody else's.
func TestLabCleanAfterAKill(t *testing.T) {
	needLab(t)
	e := emptyEndpoint(t, "ipsec-killed", "lo")
	e.ip("link", "set", "lo", "up")
	for _, a := range []netip.Addr{addresses(1)[0], addresses(1)[1]} {
		e.ip("addr", "add", a.String(), "dev", "lo")
	}
	key := "0x" + strings.Repeat("0f", 20)
	const src, dst = "10.9.0.1", "10.9.0.2"
	e.ip("xfrm", "state", "add", "src", src, "dst", dst, "proto", "esp", "spi", "0x100", "reqid", "1", "mode", "transport", "aead", aead, key, "128")
	e.ip("xfrm", "policy", "add", "src", src, "dst", dst, "dir", "out", "tmpl", "proto", "esp", "reqid", "1", "mode", "transport")
	e.ip("xfrm", "policy", "add", "src", src, "dst", dst, "dir", "in", "action", "block") // no template at all
	foreign := e.ip("xfrm", "state") + e.ip("xfrm", "policy")

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", e.ns.Name(), self)
	cmd.Env = append(os.Environ(), killedEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil || said != "added: <nil>\n" {
		t.Fatalf("%q, %v", said, err)
	}
	if left := e.ip("xfrm", "state"); strings.Count(left, "proto esp") != 3 {
		t.Fatalf("the kill left no two SAs: %s", left)
	}
	for range 2 { // the second time there is nothing to do
		if err := e.ns.Do(func() error { return Clean(t.Context()) }); err != nil {
			t.Fatal(err)
		}
		if now := e.ip("xfrm", "state") + e.ip("xfrm", "policy"); now != foreign {
			t.Errorf("after Clean:\n%s\nbefore:\n%s", now, foreign)
		}
	}
}

// Without the kernel's modules, and without modprobe, it is said which.
func TestLabModulesAreMissing(t *testing.T) {
	needLab(t)
	e := emptyEndpoint(t, "ipsec-modules", "lo")
	const modprobe = "/proc/sys/kernel/modprobe"
	was, err := os.ReadFile(modprobe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(modprobe, []byte("/bin/false"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(modprobe, was, 0o644); err != nil {
			t.Error(err)
		}
	})
	unload := func(module string) {
		if _, err := os.Stat("/sys/module/" + module); err == nil {
			witness(t, "modprobe", "-r", module)
		}
	}
	witness(t, "modprobe", "-a", "xfrm_user") // then what is looked at, too
	unload("esp4_offload")
	unload("esp4")
	refused(t, e, Params{}, unix.EPROTONOSUPPORT, "modprobe esp4")
	unload("xfrm_user")
	_, err = List(t.Context())
	if !errors.Is(err, unix.EPROTONOSUPPORT) || !strings.Contains(err.Error(), "modprobe -a xfrm_user") {
		t.Errorf("without xfrm_user: %v", err)
	}
	t.Log(err)
}
