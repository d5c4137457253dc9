// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
)

const flowText = `ufid:91, skb_priority(0/0),skb_mark(0/0),in_port(enp59s0f0r0),packet_type(ns=0,id=0),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=0.0.0.0/0.0.0.0,frag=no), packets:1201, bytes:99, used:0.1s, offloaded:yes, dp:tc, actions:enp59s0f0r1
ufid:92, in_port(enp59s0f0r0),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0806), packets:2, bytes:84, used:3s, dp:ovs, actions:enp59s0f0r1
ufid:93, in_port(enp59s0f0r1),eth(src=02:00:00:00:00:02/ff:ff:ff:ff:ff:ff,dst=02:00:00:00:00:01/ff:ff:ff:ff:ff:ff),eth_type(0x0800), packets:600, bytes:9, used:0.1s, offloaded:partial, dp:tc, actions:enp59s0f0r0
recirc_id(0),in_port(3),eth_type(0x86dd), packets:5, actions:drop
`

func TestParseFlows(t *testing.T) {
	a, b := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	flows := parseFlows(flowText)
	if len(flows) != 3 {
		t.Fatalf("got %+v", flows)
	}
	there, ok := between(flows, a, b)
	if !ok || !there.inCard() || there.packets != 1201 {
		t.Errorf("there: %+v", there)
	}
	back, ok := between(flows, b, a)
	if !ok || back.inCard() || back.inPort != "enp59s0f0r1" {
		t.Errorf("back, partially offloaded: %+v", back)
	}
	if _, ok := between(flows, a, a); ok {
		t.Error("a flow from a VF to itself")
	}
}

func FuzzParseFlows(f *testing.F) {
	f.Add(flowText)
	f.Fuzz(func(t *testing.T, text string) {
		for _, fl := range parseFlows(text) {
			if len(fl.src) != 17 || len(fl.dst) != 17 {
				t.Errorf("%q has the addresses %q and %q", text, fl.src, fl.dst)
			}
		}
	})
}

func TestJudgeFlows(t *testing.T) {
	const size = 1 << 20
	good := func() seenFlows {
		f := flow{"02:00:00:00:00:01", "02:00:00:00:00:02", "x", 1000, "yes", "tc"}
		return seenFlows{flows: []flow{f, f}, cpu: 10, wire: 2000, counted: 1990}
	}
	for _, c := range []struct {
		name   string
		spoil  func(*seenFlows, *proof.Proof)
		err    error
		want   proof.Verdict
		reason string
	}{
		{"nothing is lacking", func(*seenFlows, *proof.Proof) {}, nil, proof.Offloaded, ""},
		{"one flow is in software", func(s *seenFlows, _ *proof.Proof) { s.flows[1].dp = "ovs" }, nil, proof.Software, "is not in the card"},
		{"nothing is seen that keeps it out", func(s *seenFlows, _ *proof.Proof) { s.flows[1].dp = "ovs" }, nil, proof.Software, "ovs-vswitchd.log tell more"},
		{"the qdisc is gone", func(s *seenFlows, _ *proof.Proof) { s.flows[1].dp, s.causes = "ovs", []string{noQdisc("r1")} }, nil, proof.Software, "is gone from r1"},
		{"one flow is there in part", func(s *seenFlows, _ *proof.Proof) { s.flows[0].offloaded = "partial" }, nil, proof.Software, "offloaded:partial"},
		{"one flow is missing", func(s *seenFlows, _ *proof.Proof) { s.flows = s.flows[:1] }, nil, proof.Software, "1 of the 2 flows"},
		{"the processor saw the packets", func(s *seenFlows, _ *proof.Proof) { s.cpu = 1900 }, nil, proof.Software, "1900 packets"},
		{"the card counts nothing", func(s *seenFlows, _ *proof.Proof) { s.counted = 12 }, nil, proof.Failed, "moved by 12 packets, of 2000"},
		{"bytes are lost", func(_ *seenFlows, p *proof.Proof) { p.Bytes-- }, nil, proof.Failed, "arrived"},
		{"it broke", func(*seenFlows, *proof.Proof) {}, errors.New("no route"), proof.Failed, "no route"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s := proof.Proof{Bytes: size}, good()
			c.spoil(&s, &p)
			judgeFlows(&p, s, size, c.err)
			if p.Verdict != c.want || !strings.Contains(p.Reason, c.reason) || c.reason == "" && p.Reason != "" {
				t.Errorf("got %s (%s)", p.Verdict, p.Reason)
			}
		})
	}
}

func TestFlowsThatMoved(t *testing.T) {
	there, back := flow{src: "a", dst: "b", packets: 100}, flow{src: "b", dst: "a", packets: 50}
	more := func(f flow, n uint64) flow { f.packets += n; return f }
	for _, tt := range []struct {
		before, after []flow
		want          uint64
	}{
		{[]flow{there, back}, []flow{more(there, 30), more(back, 7)}, 37},
		{[]flow{there, back}, []flow{there, back}, 0},
		{nil, []flow{there, back}, 150},
		{[]flow{there, back}, []flow{{src: "a", dst: "b", packets: 40}}, 40}, // made anew
	} {
		if got := moved(tt.before, tt.after); got != tt.want {
			t.Errorf("%v to %v: %d, want %d", tt.before, tt.after, got, tt.want)
		}
	}
}

func TestJudgeVLAN(t *testing.T) {
	shapes := []shape{{"broadcast", nil, 0}, {"unicast", nil, 0}}
	for _, c := range []struct {
		name         string
		got          arrived
		err          error
		reach, apart proof.Verdict
	}{
		{"all arrive", arrived{[]int{burst, burst}, burst, -1}, nil, proof.Holds, proof.Failed},
		{"none arrive", arrived{[]int{0, 0}, burst, -1}, nil, proof.Failed, proof.Holds},
		{"one sort arrives", arrived{[]int{0, burst}, burst, -1}, nil, proof.Failed, proof.Failed},
		{"a single frame arrives", arrived{[]int{0, 1}, burst, -1}, nil, proof.Failed, proof.Failed},
		{"not even those of the same VLAN arrive", arrived{[]int{0, 0}, 0, -1}, nil, proof.Failed, proof.NotPossible},
		{"the other heard its own VLAN", arrived{[]int{0, 0}, burst, burst}, nil, proof.Failed, proof.Holds},
		{"the other is deaf", arrived{[]int{0, 0}, burst, 0}, nil, proof.Failed, proof.NotPossible},
		{"it broke", arrived{}, errors.New("down"), proof.Failed, proof.Failed},
	} {
		var reach, apart proof.Proof
		judgeReach(&reach, shapes, c.got, c.err)
		judgeApart(&apart, shapes, c.got, c.err)
		if reach.Verdict != c.reach || apart.Verdict != c.apart {
			t.Errorf("%s: reaches %s (%s), apart %s (%s)", c.name, reach.Verdict, reach.Reason, apart.Verdict, apart.Reason)
		}
	}
}

func TestJudgeUplink(t *testing.T) {
	for _, c := range []struct {
		name         string
		carries      bool
		quiet, moved uint64
		err          error
		want         proof.Verdict
	}{
		{"carried", true, 1, burst, nil, proof.Holds},
		{"not carried, as it shall", false, 1, 2, nil, proof.Holds},
		{"not carried", true, 1, 2, nil, proof.Failed},
		{"carried, as it shall not", false, 1, burst, nil, proof.Failed},
		{"others use the port", false, 5000, 5000, nil, proof.NotPossible},
		{"it broke", true, 0, burst, errors.New("x"), proof.Failed},
	} {
		var p proof.Proof
		judgeUplink(&p, c.carries, c.quiet, c.moved, c.err)
		if p.Verdict != c.want {
			t.Errorf("%s: %s (%s)", c.name, p.Verdict, p.Reason)
		}
	}
	tag := 5
	for _, c := range []struct {
		u    Uplink
		vlan int
		want bool
	}{
		{Uplink{}, 100, true},
		{Uplink{Trunks: []int{100}}, 100, true},
		{Uplink{Trunks: []int{100}}, 200, false},
		{Uplink{Tag: &tag}, 5, true},
		{Uplink{Tag: &tag, Trunks: []int{6}}, 6, false},
		{Uplink{VLANMode: modeNativeUntagged, Tag: &tag, Trunks: []int{6}}, 6, true},
		{Uplink{VLANMode: modeNativeUntagged, Tag: &tag, Trunks: []int{6}}, 5, true},
		{Uplink{VLANMode: modeNativeTagged, Tag: &tag, Trunks: []int{6}}, 7, false},
		{Uplink{VLANMode: modeTunnel, Tag: &tag}, 5, true},
		{Uplink{VLANMode: modeTunnel, Tag: &tag, CVLANs: []int{6}}, 5, false},
		{Uplink{VLANMode: modeTunnel, Tag: &tag}, 6, false},
	} {
		if c.u.Carries(c.vlan) != c.want {
			t.Errorf("%+v carries %d: %t", c.u, c.vlan, !c.want)
		}
	}
}

func TestUplinkOf(t *testing.T) {
	members := []pci.Address{"0001:3b:00.0", "0001:3b:00.1"}
	for _, c := range []struct {
		port Port
		pfs  []pci.Address
	}{
		{Port{Bond: "bond0"}, members},
		{Port{Uplink: "pci/0001:3b:00.1"}, members[1:]},
		{Port{VF: "pci/0001:3b:00.1/vf/0"}, nil},
		{Port{Uplink: "nonsense"}, nil},
	} {
		u, ok := UplinkOf(c.port, members)
		if ok != (c.pfs != nil) || !slices.Equal(u.PFs, c.pfs) {
			t.Errorf("%+v: %+v, %t", c.port, u, ok)
		}
	}
	if p := ProveUplink(t.Context(), Member{Place: &site.Place{}}, Uplink{Name: "x"}); p.Verdict != proof.NotPossible {
		t.Errorf("without a port of a card: %+v", p)
	}
}
