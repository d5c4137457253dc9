// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/site"
)

const (
	// warmUp is how long the entries may take to come into the card: the driver puts them
	// there when the bridge has learned the addresses.
	warmUp = 20 * time.Second
	// warmBytes are sent at a time meanwhile.
	warmBytes = 256 << 10
)

// The counters of the card of what a VF's vport sends and receives (ethtool -S of its
// representor; m5/en_rep.c, vport_rep_stats_desc).
var vportPackets = []string{"vport_rx_packets", "vport_tx_packets"}

// entry is what the bridge knows of the address of a VF.
type entry struct {
	mac       string
	netdev    string // the representor
	vlan      int
	known     bool // there is one, at the representor
	offloaded bool // NTF_OFFLOADED: the card has it
}

func (e entry) text() string {
	switch {
	case !e.known:
		return "not known at " + e.netdev
	case !e.offloaded:
		return fmt.Sprintf("at %s, VLAN %d, not in the card", e.netdev, e.vlan)
	}
	return fmt.Sprintf("at %s, VLAN %d, offload", e.netdev, e.vlan)
}

// seen is what decides.
type seen struct {
	entries []entry
	cpu     uint64   // packets that the processor saw at the representors
	wire    uint64   // packets of the connection, both directions
	counted []uint64 // by how much the card's counters of each VF moved, in packets
	causes  []string // why entries are not in the card, as far as that is seen
}

// ProveFlows sends size bytes over TCP from one VF to another of a bridge of the
// kernel, and looks who forwarded them: the bridge's entries of both addresses have to
// be in the card, the processor must not have seen more of the packets at the
// representors than what teaches the bridge, and the card has to have counted them.
func ProveFlows(ctx context.Context, from, to *site.Place, size int64, rate func(int64, float64)) proof.Proof {
	p := proof.Proof{Kind: "flows", Cell: []proof.Field{{Name: "from", Value: from.Function.String()}, {Name: "to", Value: to.Function.String()}}}
	ctx, cancel := context.WithTimeout(ctx, site.Limit(size)+warmUp)
	defer cancel()
	reps, err := site.Representors(ctx, from, to)
	if err != nil {
		p.Impossible("%v: only in switchdev mode the card forwards for a bridge", err)
		return p
	}
	s, err := prove(ctx, []*site.Place{from, to}, reps, size, &p, rate)
	judge(&p, s, size, err)
	return p
}

func prove(ctx context.Context, places []*site.Place, reps []netdev.Link, size int64, p *proof.Proof, rate func(int64, float64)) (s seen, err error) {
	// First until the entries are in the card, then for the record.
	for end := time.Now().Add(warmUp); ; {
		var q proof.Proof
		if _, err := site.SendPlain(ctx, places[0], places[1], warmBytes, &q, func(int64, float64) {}); err != nil {
			return s, err
		}
		if s.entries, err = entries(places, reps); err != nil {
			return s, err
		}
		if s.inCard() || time.Now().After(end) {
			break
		}
	}
	before, err := count(reps)
	if err != nil {
		return s, err
	}
	if s.wire, err = site.SendPlain(ctx, places[0], places[1], size, p, rate); err != nil {
		return s, err
	}
	after, err := count(reps)
	if err != nil {
		return s, err
	}
	if s.entries, err = entries(places, reps); err != nil {
		return s, err
	}
	for i, r := range reps {
		moved := uint64(0)
		for j, c := range before[i] {
			c.After = after[i][j].Before
			p.Counters = append(p.Counters, c)
			if j == 0 {
				s.cpu += c.Delta()
				continue
			}
			moved += c.Delta()
		}
		s.counted = append(s.counted, moved)
		p.Seen = append(p.Seen, proof.Field{Name: "entry of " + s.entries[i].mac, Value: s.entries[i].text()},
			proof.Field{Name: "packets that the card counted at " + r.Name, Value: strconv.FormatUint(moved, 10)})
	}
	p.Seen = append(p.Seen, proof.Field{Name: "packets of the connection", Value: strconv.FormatUint(s.wire, 10)})
	if !s.inCard() {
		s.causes = causes(reps)
	}
	return s, nil
}

// count reads what the processor saw at the representors, first, and what the card
// counted for their VFs.
func count(reps []netdev.Link) ([][]proof.Counter, error) {
	var all [][]proof.Counter
	for _, r := range reps {
		cpu, err := rtlink.CPUHits(r.Index)
		if err != nil {
			return nil, err
		}
		one := []proof.Counter{{Where: "representor " + r.Name, Name: "cpu_hit packets", Before: cpu, After: cpu}}
		stats, err := ethtool.Statistics(r.Name)
		if err != nil {
			return nil, err
		}
		for _, name := range vportPackets {
			n, has := stats[name]
			if !has {
				return nil, fmt.Errorf("the representor %s has no counter %s: nothing tells what the card forwards for its VF", r.Name, name)
			}
			one = append(one, proof.Counter{Where: "representor " + r.Name, Name: name, Before: n, After: n})
		}
		all = append(all, one)
	}
	return all, nil
}

// entries are what the bridges know of the addresses of the places, each at its
// representor.
func entries(places []*site.Place, reps []netdev.Link) ([]entry, error) {
	var all []entry
	for i, p := range places {
		known, err := netlink.NeighList(reps[i].Index, unix.AF_BRIDGE)
		if err != nil {
			return nil, kernel.Wrap("listing the entries of its bridge (RTM_GETNEIGH)", reps[i].Name, err)
		}
		all = append(all, entryOf(p.MAC, reps[i].Name, known))
	}
	return all, nil
}

// entryOf is that of an address among those of a port; one in the card counts most.
func entryOf(mac net.HardwareAddr, netdev string, known []netlink.Neigh) entry {
	e := entry{mac: mac.String(), netdev: netdev}
	for _, n := range known {
		if n.HardwareAddr.String() != e.mac || n.MasterIndex == 0 || n.State&unix.NUD_PERMANENT != 0 {
			continue
		}
		if in := n.Flags&unix.NTF_OFFLOADED != 0; !e.known || in {
			e.known, e.offloaded, e.vlan = true, in, n.Vlan
		}
	}
	return e
}

// inCard tells whether the card forwards both directions.
func (s seen) inCard() bool {
	for _, e := range s.entries {
		if !e.offloaded {
			return false
		}
	}
	return len(s.entries) == 2
}

// causes looks for what keeps entries out of the card.
func causes(reps []netdev.Link) []string {
	var all []string
	master := 0
	for i, r := range reps {
		l, err := rtlink.ByIndex(r.Index)
		switch {
		case err != nil:
			all = append(all, "it cannot be told why: "+err.Error())
		case l.Master == 0:
			all = append(all, r.Name+" is a port of no bridge")
		case i > 0 && master != 0 && l.Master != master:
			all = append(all, "the representors are in different bridges")
		default:
			master = l.Master
		}
	}
	if a := kconfig.At("/").Ask().Option("MLX5_BRIDGE"); a.Denied() {
		all = append(all, "this kernel was built without CONFIG_MLX5_BRIDGE ("+a.Source+"): the driver leaves bridges to the processor")
	}
	return all
}

// judge gives the verdict.
func judge(p *proof.Proof, s seen, size int64, err error) {
	switch {
	case err != nil:
		p.Fail(err)
		return
	case p.Bytes != size:
		p.Fail(fmt.Errorf("%d bytes were sent, %d arrived", size, p.Bytes))
		return
	}
	var why []string
	for _, e := range s.entries {
		if !e.offloaded {
			why = append(why, fmt.Sprintf("the bridge's entry of %s is %s", e.mac, e.text()))
		}
	}
	switch {
	case s.inCard():
	case len(s.causes) > 0:
		why = append(why, s.causes...)
	default:
		why = append(why, "both representors are ports of one bridge: the kernel's log (dmesg | grep -i bridge) and bridge -d fdb show tell more")
	}
	// A part of them may belong to neighbours looking for one another, which the bridge floods.
	if most := s.wire/50 + 16; s.cpu > most {
		why = append(why, fmt.Sprintf("the processor saw %d packets at the representors, of %d that the connection took", s.cpu, s.wire))
	}
	if len(why) > 0 {
		p.Verdict, p.Reason = proof.Software, strings.Join(why, "; ")
		return
	}
	for i, n := range s.counted {
		if n < s.wire/2 {
			p.Fail(fmt.Errorf("the entries are in the card, says the bridge, and the card's counters of %s moved by %d packets, of %d that the connection took: nothing shows that the card forwarded them", s.entries[i].netdev, n, s.wire))
			return
		}
	}
	p.Verdict = proof.Offloaded
}
