// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/proof"
)

func whole() Bond {
	return Bond{
		Name: "bond0", Mode: "802.3ad", XmitHashPolicy: "layer3+4",
		LACP:    &LACP{Aggregator: 1, Ports: 2, PartnerMAC: "02:00:00:00:00:99"},
		LAG:     LAG{State: LAGActive, Type: "switchdev", PortSelMode: "hash"},
		Members: []Member{{ID: "0001:3b:00.0", Netdev: "p0", Up: true, Carrier: true, MIIStatus: "up", Aggregator: 1}, {ID: "0001:3b:00.1", Netdev: "p1", Up: true, Carrier: true, MIIStatus: "up", Aggregator: 1}},
	}
}

func TestProvePartner(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(*Bond)
		reason string // "": it holds
	}{
		{"whole", func(*Bond) {}, ""},
		{"active-backup has no partner", func(s *Bond) { s.Mode, s.LACP = "active-backup", nil }, ""},
		{"a link is down", func(s *Bond) { s.Members[1].MIIStatus = "down" }, `p1 (0001:3b:00.1) has the link state "down"`},
		{"a cable is out", func(s *Bond) { s.Members[1].Carrier, s.Members[1].Aggregator = false, 2 }, "no link on p1 (0001:3b:00.1)"},
		{"all cables are out", func(s *Bond) { s.LACP, s.Members[0].Carrier, s.Members[1].Carrier = nil, false, false }, "no link on p0 (0001:3b:00.0)"},
		{"a member is down", func(s *Bond) { s.Members[0].Up, s.Members[0].Carrier = false, false }, "p0 (0001:3b:00.0) is administratively down"},
		{"no partner", func(s *Bond) { s.LACP.PartnerMAC = noMAC }, "no partner has answered"},
		{"no aggregator", func(s *Bond) { s.LACP = nil }, "no active aggregator"},
		{"two aggregators", func(s *Bond) { s.Members[1].Aggregator = 2 }, "p1 is in aggregator 2"},
		{"a member that does not send", func(s *Bond) { s.Members[1].Backup = true }, "p1 is in the active aggregator and does not send"},
		{"one waits in active-backup", func(s *Bond) { s.Mode, s.LACP, s.Members[1].Backup = "active-backup", nil, true }, ""},
		{"no members", func(s *Bond) { s.Members = nil }, "no members"},
	} {
		s := whole()
		c.spoil(&s)
		p := provePartner(s)
		if (c.reason == "") != (p.Verdict == proof.Holds) || !strings.Contains(p.Reason, c.reason) {
			t.Errorf("%s: %s (%s)", c.name, p.Verdict, p.Reason)
		}
	}
}

// Of a cable that is out nothing else is blamed, and no link is taken down besides.
func TestReasonsOfACableThatIsOut(t *testing.T) {
	s := whole()
	s.Members[1].Carrier, s.Members[1].Aggregator = false, 2
	partner, hash := provePartner(s), proveHash(t.Context(), s)
	for _, p := range []proof.Proof{partner, hash} {
		if p.Verdict != proof.Failed || !strings.HasPrefix(p.Reason, "no link on p1 (0001:3b:00.1)") || strings.Contains(p.Reason, "aggregator") || strings.Contains(p.Reason, "spread") {
			t.Errorf("%v: %s (%s)", p.Cell, p.Verdict, p.Reason)
		}
	}
	for _, m := range s.Members {
		if p := proveFailover(t.Context(), s, m); p.Verdict != proof.NotPossible || !strings.Contains(p.Reason, "no link on p1") {
			t.Errorf("%v: %s (%s)", p.Cell, p.Verdict, p.Reason)
		}
	}
}

func TestProveLAG(t *testing.T) {
	for state, want := range map[string]proof.Verdict{LAGActive: proof.Holds, LAGDisabled: proof.Failed, LAGUnknown: proof.NotPossible} {
		s := whole()
		s.LAG.State = state
		if p := proveLAG(s); p.Verdict != want {
			t.Errorf("%s: %s (%s)", state, p.Verdict, p.Reason)
		}
	}
}

func TestJudgeHash(t *testing.T) {
	for _, c := range []struct {
		name      string
		one, many []uint64
		err       error
		want      proof.Verdict
		reason    string
	}{
		{"as it shall be", []uint64{0, burst}, []uint64{120, burst - 120}, nil, proof.Holds, ""},
		{"with a few LACPDUs", []uint64{2, burst + 2}, []uint64{122, burst - 120}, nil, proof.Holds, ""},
		{"all flows on one link", []uint64{0, burst}, []uint64{0, burst}, nil, proof.Failed, "do not spread"},
		{"one flow on two links", []uint64{100, burst - 100}, []uint64{120, burst - 120}, nil, proof.Failed, "overtake"},
		{"frames are lost", []uint64{0, burst - 9}, []uint64{120, burst - 120}, nil, proof.Failed, "left"},
		{"others use the bond", []uint64{0, 9 * burst}, []uint64{120, burst - 120}, nil, proof.NotPossible, "others"},
		{"it broke", nil, nil, errors.New("no netdev"), proof.Failed, "no netdev"},
	} {
		var p proof.Proof
		judgeHash(&p, whole(), c.one, c.many, c.err)
		if p.Verdict != c.want || !strings.Contains(p.Reason, c.reason) {
			t.Errorf("%s: %s (%s)", c.name, p.Verdict, p.Reason)
		}
	}
}

func TestJudgeFailover(t *testing.T) {
	for _, c := range []struct {
		name string
		down []uint64
		err  error
		want proof.Verdict
		lost string
	}{
		{"all goes on", []uint64{0, burst}, nil, proof.Holds, "0 of 256"},
		{"some are lost", []uint64{0, burst - 20}, nil, proof.Holds, "20 of 256"},
		{"all are lost", []uint64{burst, 0}, nil, proof.Failed, "256 of 256"},
		{"it does not come back", nil, errors.New("not in the aggregator"), proof.Failed, ""},
	} {
		s := whole()
		var p proof.Proof
		judgeFailover(&p, s, s.Members[0], c.down, c.err)
		if p.Verdict != c.want || c.lost != "" && (len(p.Seen) == 0 || !strings.HasPrefix(p.Seen[0].Value, c.lost)) {
			t.Errorf("%s: %s (%s), %v", c.name, p.Verdict, p.Reason, p.Seen)
		}
	}
}

// An independent check of the header's checksum: the sum over it is 0xffff.
func TestDatagram(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	b := datagram(mac, 5001)
	if len(b) != 60 || !bytes.Equal(b[6:12], mac) {
		t.Fatalf("%x", b)
	}
	sum := 0
	for i := 14; i < 34; i += 2 {
		sum += int(b[i])<<8 | int(b[i+1])
	}
	if sum%0xffff != 0 {
		t.Errorf("the checksum is wrong: %x", b)
	}
}
