// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/internal/snapshot"
)

const (
	// txPackets is the packets that a port has put on its cable (ethtool -S).
	txPackets = "tx_packets_phy"
	// burst is how many frames are sent at a time.
	burst = 256
	// settle is how long frames may take from the bond to the cable's counter.
	settle = time.Second
	// rejoin is how long a member may take to be in the aggregator again: LACP's slow
	// time-out, and as much again for the driver.
	rejoin = 3 * time.Minute
	// negotiation is how long LACP may take on a link that is up: it sends once a second meanwhile.
	negotiation = 10 * time.Second
)

// noMulti is said with every verdict on the hash.
const noMulti = "one TCP connection stays on one link, whatever the bond's width: its frames all hash alike"

// Prove tries the bond of the name: its partner, its LAG in the card, how it
// spreads flows and, with failover, whether traffic goes on when a link goes
// down. lag: the profile asks for a VF LAG.
func Prove(ctx context.Context, name string, lag, failover bool) []proof.Proof {
	have, _, err := now(ctx, snapshot.Debugfs)
	if err == nil && !have.Has(name) {
		err = rtlink.ErrNone
	}
	if err != nil {
		p := cell(name, "is there")
		p.Fail(fmt.Errorf("reading the bond %s: %w", name, err))
		return []proof.Proof{p}
	}
	s := *have.bond(name)
	if negotiates(s) { // as after a link has just come up
		settled, cancel := context.WithTimeout(ctx, negotiation)
		if later, err := awaitBond(settled, name, "every member sends", nil, func(b Bond) bool { return !negotiates(b) }); err == nil {
			s = later
		}
		cancel()
	}
	proofs := []proof.Proof{provePartner(s)}
	if lag {
		proofs = append(proofs, proveLAG(s))
	}
	if slices.Contains(hashed, s.Mode) && len(s.Members) > 1 {
		proofs = append(proofs, proveHash(ctx, s))
	}
	if failover {
		for _, m := range s.Members {
			proofs = append(proofs, proveFailover(ctx, s, m))
		}
	}
	return proofs
}

func cell(bond, claim string) proof.Proof {
	return proof.Proof{Kind: "bond", Cell: []proof.Field{{Name: "bond", Value: bond}, {Name: "claim", Value: claim}}}
}

// noLink says that a member has no link, "" where it has one.
func noLink(m Member) string {
	where := m.Netdev + " (" + m.ID + ")"
	switch {
	case !m.Up:
		return where + " is administratively down: ip link set " + m.Netdev + " up"
	case !m.Carrier:
		return "no link on " + where + ": is its cable in, and the port at its other end up?"
	case m.MIIStatus != "up":
		return fmt.Sprintf("%s has the link state %q", where, m.MIIStatus)
	}
	return ""
}

// withoutLink says which members have none, but for one of the ID, "" for none.
func withoutLink(s Bond, but string) string {
	var why []string
	for _, m := range s.Members {
		if w := noLink(m); w != "" && m.ID != but {
			why = append(why, w)
		}
	}
	return strings.Join(why, "; ")
}

const noMAC = "00:00:00:00:00:00"

// provePartner: every member has a link and is in the one aggregator that a
// partner has answered.
func provePartner(s Bond) proof.Proof {
	p := cell(s.Name, "every member is in use")
	var why []string
	for _, m := range s.Members {
		p.Seen = append(p.Seen, proof.Field{Name: m.Netdev, Value: fmt.Sprintf("link %s, aggregator %d", m.MIIStatus, m.Aggregator)})
		if w := noLink(m); w != "" {
			why = append(why, w)
		}
	}
	if len(s.Members) == 0 {
		why = append(why, "it has no members")
	}
	if s.Mode == mode8023ad {
		why = append(why, partnerMissing(s)...)
		if s.LACP != nil {
			p.Seen = append(p.Seen, proof.Field{Name: "partner", Value: s.LACP.PartnerMAC})
		}
	}
	if len(why) > 0 {
		p.Fail(errors.New(strings.Join(why, "; ")))
		return p
	}
	p.Verdict = proof.Holds
	return p
}

// negotiates tells a member that is in the active aggregator and does not send yet.
func negotiates(s Bond) bool {
	return s.Mode == mode8023ad && s.LACP != nil && slices.ContainsFunc(s.Members, func(m Member) bool {
		return m.Backup && noLink(m) == "" && m.Aggregator == s.LACP.Aggregator
	})
}

func partnerMissing(s Bond) (why []string) {
	linked := slices.DeleteFunc(slices.Clone(s.Members), func(m Member) bool { return noLink(m) != "" })
	switch {
	case len(linked) == 0:
		return nil // of what has no link there is nothing else to be said
	case s.LACP == nil:
		return []string{"it has no active aggregator"}
	}
	if s.LACP.PartnerMAC == noMAC || s.LACP.PartnerMAC == "" {
		return []string{"no partner has answered its LACPDUs: are the switch's ports in one LACP group?"}
	}
	for _, m := range linked {
		switch {
		case m.Aggregator == s.LACP.Aggregator && m.Backup:
			why = append(why, m.Netdev+" is in the active aggregator and does not send: its partner has not said that it collects; is the switch's port in the LACP group, and not suspended?")
		case m.Aggregator != s.LACP.Aggregator:
			why = append(why, fmt.Sprintf("%s is in aggregator %d, and the active one is %d: its cable goes to another partner, or another group of it", m.Netdev, m.Aggregator, s.LACP.Aggregator))
		}
	}
	return why
}

func proveLAG(s Bond) proof.Proof {
	p := cell(s.Name, "the card has a VF LAG")
	p.Seen = []proof.Field{{Name: "state", Value: s.LAG.State}, {Name: "type", Value: s.LAG.Type}, {Name: "port_sel_mode", Value: s.LAG.PortSelMode}}
	switch {
	case s.LAG.VF():
		p.Verdict = proof.Holds
	case s.LAG.State == LAGUnknown:
		p.Impossible("%s", s.LAG.Reason)
	default:
		p.Fail(fmt.Errorf("the card's LAG is %s; %s", s.LAG.State, lagConditions))
	}
	return p
}

// hashed are the modes in which a hash chooses the member.
var hashed = []string{balanceXOR, mode8023ad}

// proveHash sends frames of one flow and of many through the bond, and looks by
// the counters of the card's ports where they leave.
func proveHash(ctx context.Context, s Bond) proof.Proof {
	p := cell(s.Name, "flows spread over the members, one flow does not")
	if why := withoutLink(s, ""); why != "" {
		p.Fail(errors.New(why))
		return p
	}
	one, err := sendThrough(ctx, s, func(int) uint16 { return 5001 })
	var many []uint64
	if err == nil {
		many, err = sendThrough(ctx, s, func(i int) uint16 { return uint16(5001 + i) })
	}
	judgeHash(&p, s, one, many, err)
	return p
}

func judgeHash(p *proof.Proof, s Bond, one, many []uint64, err error) {
	if err != nil {
		p.Fail(err)
		return
	}
	for i, m := range s.Members {
		p.Seen = append(p.Seen, proof.Field{Name: m.Netdev, Value: fmt.Sprintf("%d frames of one flow, %d of %d flows", one[i], many[i], burst)})
	}
	sum := func(n []uint64) (t uint64) {
		for _, v := range n {
			t += v
		}
		return t
	}
	switch {
	case sum(one) < burst || sum(many) < burst:
		p.Fail(fmt.Errorf("%d frames were sent twice; %d and %d left", burst, sum(one), sum(many)))
	case sum(one) > burst+burst/4 || sum(many) > burst+burst/4:
		p.Impossible("others use the bond: %d and %d frames left where %d were sent", sum(one), sum(many), burst)
	case slices.Max(one) < burst:
		p.Fail(errors.New("the frames of one flow left by several members: they can overtake one another"))
	case slices.Min(many) < burst/8:
		p.Fail(fmt.Errorf("of %d flows %d left by %s: with xmit_hash_policy %s the flows do not spread; layer3+4 looks at ports",
			burst, slices.Min(many), s.Members[slices.Index(many, slices.Min(many))].Netdev, s.XmitHashPolicy))
	default:
		p.Verdict = proof.Holds
		p.Seen = append(p.Seen, proof.Field{Name: "note", Value: noMulti})
	}
}

// sendThrough sends a burst through the bond's netdev and gives the packets that
// left by each member.
func sendThrough(ctx context.Context, s Bond, port func(i int) uint16) ([]uint64, error) {
	l, err := netlink.LinkByName(s.Name)
	if err != nil {
		return nil, fmt.Errorf("reading the bond %s: %w", s.Name, err)
	}
	raw, err := site.OpenRaw(l.Attrs().Index)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	before, err := left(s)
	if err != nil {
		return nil, err
	}
	for i := range burst {
		if err := raw.Send(datagram(l.Attrs().HardwareAddr, port(i))); err != nil {
			return nil, err
		}
	}
	if err := site.Settle(ctx, settle); err != nil {
		return nil, err
	}
	after, err := left(s)
	for i := range after {
		after[i] -= before[i]
	}
	return after, err
}

func left(s Bond) ([]uint64, error) {
	var all []uint64
	for _, m := range s.Members {
		stats, err := ethtool.Statistics(m.Netdev)
		if err != nil {
			return nil, err
		}
		n, ok := stats[txPackets]
		if !ok {
			return nil, fmt.Errorf("%s has no counter %s", m.Netdev, txPackets)
		}
		all = append(all, n)
	}
	return all, nil
}

// datagram is UDP between documentation addresses (RFC 5737) to a locally
// administered address that nobody has: a switch floods it, and nobody answers.
func datagram(from net.HardwareAddr, port uint16) []byte {
	b := append([]byte{0x02, 0x6e, 0x69, 0x63, 0x77, 0x72}, from...)
	b = append(b, 0x08, 0x00)
	ip := []byte{0x45, 0, 0, 46, 0, 0, 0x40, 0, 1, 17, 0, 0}
	ip = append(ip, netip.MustParseAddr("192.0.2.1").AsSlice()...)
	ip = append(ip, netip.MustParseAddr("198.51.100.1").AsSlice()...)
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum&0xffff+sum>>16))
	b = append(b, ip...)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, 9) // discard
	b = binary.BigEndian.AppendUint16(b, 26)
	return append(b, make([]byte, 60-len(b))...)
}

// proveFailover takes one member's link down, looks whether all that is sent
// leaves by the others, and takes it up again.
func proveFailover(ctx context.Context, s Bond, m Member) proof.Proof {
	p := cell(s.Name, "traffic goes on without "+m.Netdev)
	if strings.HasPrefix(m.ID, netdevPrefix) {
		p.Impossible("%s is no port of a card", m.Netdev)
		return p
	}
	if why := noLink(m); why != "" {
		p.Impossible("%s", why)
		return p
	}
	if why := withoutLink(s, m.ID); why != "" {
		p.Impossible("%s: %s is not taken down besides", why, m.Netdev)
		return p
	}
	ctx, cancel := context.WithTimeoutCause(ctx, rejoin, fmt.Errorf("%v are over", rejoin))
	defer cancel()
	down, err := failover(ctx, s, m, &p)
	judgeFailover(&p, s, m, down, err)
	return p
}

func failover(ctx context.Context, s Bond, m Member, p *proof.Proof) (down []uint64, err error) {
	// A kill meanwhile leaves the link down: the next run takes it up.
	if err := site.Remember(ctx, pci.PF(pci.Address(m.ID))); err != nil {
		return nil, err
	}
	l, err := netlink.LinkByName(m.Netdev)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.Netdev, err)
	}
	wait, stop := context.WithCancel(ctx)
	defer stop()
	events, err := await.Links(wait) // before the link goes down
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := netlink.LinkSetDown(l); err != nil {
		return nil, errors.Join(fmt.Errorf("taking %s down: %w", m.Netdev, err), site.Clean(ctx))
	}
	down, err = sendThrough(ctx, s, func(i int) uint16 { return uint16(5001 + i) })
	// The link comes back also when the context has ended.
	if upErr := site.Clean(context.WithoutCancel(ctx)); upErr != nil {
		return nil, errors.Join(err, upErr)
	}
	if err != nil {
		return nil, err
	}
	_, err = awaitBond(ctx, s.Name, fmt.Sprintf("%s is in %s's aggregator again, and sends", m.Netdev, s.Name), events,
		func(b Bond) bool { return provePartner(b).Verdict == proof.Holds })
	p.Seen = append(p.Seen, proof.Field{Name: "whole again after", Value: strconv.FormatFloat(time.Since(start).Seconds(), 'f', 1, 64) + " s"})
	return down, err
}

// awaitBond waits until a bond is so, by the link events that were subscribed to, or
// by its own.
func awaitBond(ctx context.Context, name, what string, events <-chan struct{}, so func(Bond) bool) (s Bond, err error) {
	if events == nil {
		wait, stop := context.WithCancel(ctx)
		defer stop()
		if events, err = await.Links(wait); err != nil {
			return s, err
		}
	}
	return s, await.Until(ctx, what, events, func() (bool, error) {
		have, _, err := now(ctx, snapshot.Debugfs)
		if err != nil {
			return false, err
		}
		if !have.Has(name) {
			return false, rtlink.ErrNone
		}
		s = *have.bond(name)
		return so(s), nil
	})
}

func judgeFailover(p *proof.Proof, s Bond, m Member, down []uint64, err error) {
	if err != nil {
		p.Fail(err)
		return
	}
	var others uint64
	for i, o := range s.Members {
		if o.ID != m.ID {
			others += down[i]
		}
	}
	lost := 0
	if others < burst {
		lost = int(burst - others)
	}
	p.Seen = append(p.Seen, proof.Field{Name: "lost", Value: fmt.Sprintf("%d of %d frames", lost, burst)})
	if lost > burst/2 {
		p.Fail(fmt.Errorf("with %s down %d of %d frames are lost", m.Netdev, lost, burst))
		return
	}
	p.Verdict = proof.Holds
}
