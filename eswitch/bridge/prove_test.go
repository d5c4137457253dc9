// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/proof"
)

func TestJudge(t *testing.T) {
	const size = 16 << 20
	good := func() seen {
		return seen{
			entries: []entry{{mac: "a", netdev: "r0", vlan: 100, known: true, offloaded: true}, {mac: "b", netdev: "r1", vlan: 100, known: true, offloaded: true}},
			cpu:     7, wire: 2000, counted: []uint64{1990, 2010},
		}
	}
	for _, c := range []struct {
		name   string
		spoil  func(*seen, *proof.Proof)
		err    error
		want   proof.Verdict
		reason string
	}{
		{"nothing is lacking", func(*seen, *proof.Proof) {}, nil, proof.Offloaded, ""},
		{"one entry is in software", func(s *seen, _ *proof.Proof) { s.entries[1].offloaded = false }, nil, proof.Software, "entry of b is at r1, VLAN 100, not in the card"},
		{"one is not known", func(s *seen, _ *proof.Proof) { s.entries[0] = entry{mac: "a", netdev: "r0"} }, nil, proof.Software, "not known at r0"},
		{"nothing is seen that keeps it out", func(s *seen, _ *proof.Proof) { s.entries[1].offloaded = false }, nil, proof.Software, "dmesg"},
		{"the kernel cannot", func(s *seen, _ *proof.Proof) {
			s.entries[1].offloaded, s.causes = false, []string{"without CONFIG_MLX5_BRIDGE"}
		}, nil, proof.Software, "CONFIG_MLX5_BRIDGE"},
		{"the processor saw the packets", func(s *seen, _ *proof.Proof) { s.cpu = 1900 }, nil, proof.Software, "1900 packets"},
		{"the card counts nothing", func(s *seen, _ *proof.Proof) { s.counted[1] = 12 }, nil, proof.Failed, "r1 moved by 12 packets, of 2000"},
		{"bytes are lost", func(_ *seen, p *proof.Proof) { p.Bytes-- }, nil, proof.Failed, "arrived"},
		{"it broke", func(*seen, *proof.Proof) {}, errors.New("no route"), proof.Failed, "no route"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s := proof.Proof{Bytes: size}, good()
			c.spoil(&s, &p)
			judge(&p, s, size, c.err)
			if p.Verdict != c.want || !strings.Contains(p.Reason, c.reason) || c.reason == "" && p.Reason != "" {
				t.Errorf("got %s (%s)", p.Verdict, p.Reason)
			}
		})
	}
}

func TestEntryOf(t *testing.T) {
	mac, other := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	learned := netlink.Neigh{HardwareAddr: mac, MasterIndex: 9, Vlan: 100, State: unix.NUD_REACHABLE}
	in := learned
	in.Flags, in.Vlan = unix.NTF_OFFLOADED|unix.NTF_EXT_LEARNED, 110
	own, self := learned, learned
	own.State, self.MasterIndex = unix.NUD_PERMANENT, 0
	elsewhere := in
	elsewhere.HardwareAddr = other
	for name, c := range map[string]struct {
		known []netlink.Neigh
		want  entry
	}{
		"none":                         {[]netlink.Neigh{elsewhere}, entry{mac: mac.String(), netdev: "r0"}},
		"the netdev's own are none":    {[]netlink.Neigh{own, self}, entry{mac: mac.String(), netdev: "r0"}},
		"learned":                      {[]netlink.Neigh{learned}, entry{mac: mac.String(), netdev: "r0", vlan: 100, known: true}},
		"in the card, whatever comes":  {[]netlink.Neigh{in, learned}, entry{mac: mac.String(), netdev: "r0", vlan: 110, known: true, offloaded: true}},
		"in the card, whatever is too": {[]netlink.Neigh{learned, in}, entry{mac: mac.String(), netdev: "r0", vlan: 110, known: true, offloaded: true}},
	} {
		if got := entryOf(mac, "r0", c.known); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
