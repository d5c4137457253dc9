// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
)

const (
	// burst is how many frames of each shape are sent.
	burst = 64
	// window is how long frames may take to arrive, and how long nobody may see one that
	// is not for him.
	window = 2 * time.Second
)

// Member is a VF behind an access port.
type Member struct {
	Place *site.Place
	VLAN  int // 0: untagged
}

// ProveVLANs looks whether frames go where VLANs let them, and nowhere else: the
// first two members are in one VLAN, the third is in another, and so is the
// fourth, from which it has to hear; the last two may be missing. Frames are
// broadcast, sent to the very address, and tagged with the other's VLAN.
func ProveVLANs(ctx context.Context, members ...Member) []proof.Proof {
	a, b := members[0], members[1]
	reach := proof.Proof{Kind: "vlan", Cell: vlanCell("reaches", a, b)}
	shapes := []shape{{"broadcast", site.Broadcast, 0}, {"unicast", b.Place.MAC, 0}}
	got, err := exchange(ctx, a, b, shapes)
	judgeReach(&reach, shapes, got, err)
	if len(members) < 3 {
		return []proof.Proof{reach}
	}
	other := members[2]
	apart := proof.Proof{Kind: "vlan", Cell: vlanCell("does not reach", a, other)}
	// The tagged ones are what a guest would send that wants to be elsewhere.
	shapes = []shape{
		{"broadcast", site.Broadcast, 0},
		{"unicast", other.Place.MAC, 0},
		{fmt.Sprintf("broadcast tagged %d", other.VLAN), site.Broadcast, other.VLAN},
		{fmt.Sprintf("unicast tagged %d", other.VLAN), other.Place.MAC, other.VLAN},
	}
	got, err = exchange(ctx, a, other, shapes)
	if err == nil {
		got.control, err = broadcast(ctx, a, b)
	}
	if err == nil && len(members) > 3 {
		got.heard, err = broadcast(ctx, members[3], other)
	}
	judgeApart(&apart, shapes, got, err)
	return []proof.Proof{reach, apart}
}

func vlanCell(claim string, a, b Member) []proof.Field {
	return []proof.Field{
		{Name: "from", Value: fmt.Sprintf("%s in VLAN %d", a.Place.Function, a.VLAN)},
		{Name: "claim", Value: claim},
		{Name: "to", Value: fmt.Sprintf("%s in VLAN %d", b.Place.Function, b.VLAN)},
	}
}

// shape is a way to send a frame.
type shape struct {
	name string
	to   net.HardwareAddr
	vlan int
}

// arrived is how many frames of each shape came. control is how many of a's came
// to b, which has to get them, and heard how many came to the other of its own
// VLAN; -1: nobody tried.
type arrived struct {
	frames         []int
	control, heard int
}

// exchange sends a burst of each shape from one place and counts at another.
func exchange(ctx context.Context, from, to Member, shapes []shape) (arrived, error) {
	got := arrived{control: -1, heard: -1}
	out, err := open(from.Place)
	if err != nil {
		return got, err
	}
	defer out.Close()
	for _, s := range shapes {
		n, err := one(ctx, out, from, to, s.to, s.vlan)
		if err != nil {
			return got, err
		}
		got.frames = append(got.frames, n)
	}
	return got, nil
}

func broadcast(ctx context.Context, from, to Member) (int, error) {
	got, err := exchange(ctx, from, to, []shape{{"broadcast", site.Broadcast, 0}})
	if err != nil {
		return -1, err
	}
	return got.frames[0], nil
}

func one(ctx context.Context, out *site.Raw, from, to Member, mac net.HardwareAddr, vlan int) (int, error) {
	in, err := open(to.Place)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	token, err := site.NewToken()
	if err != nil {
		return 0, err
	}
	deadline := time.Now().Add(window)
	type count struct {
		n   int
		err error
	}
	counted := make(chan count, 1)
	go func() {
		n, err := in.Count(ctx, token, burst, deadline)
		counted <- count{n, err}
	}()
	for i := range uint32(burst) {
		if err := out.Send(site.Frame(mac, from.Place.MAC, vlan, token, i)); err != nil {
			return 0, err
		}
	}
	c := <-counted
	return c.n, c.err
}

func open(p *site.Place) (raw *site.Raw, err error) {
	err = p.NS.Do(func() error {
		raw, err = site.OpenRaw(p.Index)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return raw, nil
}

func (got arrived) say(p *proof.Proof, shapes []shape) {
	for i, n := range got.frames {
		p.Seen = append(p.Seen, proof.Field{Name: shapes[i].name, Value: fmt.Sprintf("%d of %d arrived", n, burst)})
	}
	if got.control >= 0 {
		p.Seen = append(p.Seen, proof.Field{Name: "to the VF of the same VLAN, thereafter", Value: fmt.Sprintf("%d of %d arrived", got.control, burst)})
	}
	if got.heard >= 0 {
		p.Seen = append(p.Seen, proof.Field{Name: "to the other from its own VLAN", Value: fmt.Sprintf("%d of %d arrived", got.heard, burst)})
	}
}

func judgeReach(p *proof.Proof, shapes []shape, got arrived, err error) {
	if err != nil {
		p.Fail(err)
		return
	}
	got.say(p, shapes)
	for i, n := range got.frames {
		// The first packets of a flow may be dropped while Open vSwitch looks at them; most are not.
		if n < burst/2 {
			p.Fail(fmt.Errorf("%s: %d of %d frames arrived, in %v; are both ports of the bridge up, and in that VLAN?", shapes[i].name, n, burst, window))
			return
		}
	}
	p.Verdict = proof.Holds
}

func judgeApart(p *proof.Proof, shapes []shape, got arrived, err error) {
	if err != nil {
		p.Fail(err)
		return
	}
	got.say(p, shapes)
	var leaks []string
	for i, n := range got.frames {
		if n > 0 {
			leaks = append(leaks, fmt.Sprintf("%s: %d of %d", shapes[i].name, n, burst))
		}
	}
	switch {
	case len(leaks) > 0:
		p.Fail(fmt.Errorf("frames arrive in another VLAN: %s", strings.Join(leaks, ", ")))
	case got.control < burst/2:
		p.Impossible("no frame arrived in the other VLAN, but only %d of %d in the same: it shows nothing", got.control, burst)
	case got.heard >= 0 && got.heard < burst/2:
		p.Impossible("no frame arrived in the other VLAN, but from its own VLAN the VF there heard only %d of %d: it shows nothing", got.heard, burst)
	default:
		p.Verdict = proof.Holds
	}
}

// Uplink is what a bridge's uplink port may carry, and the ports of the card
// behind it: one, or those in the bond.
type Uplink struct {
	Name     string // of the port
	VLANMode string // as Port has it
	Tag      *int
	Trunks   []int
	CVLANs   []int
	PFs      []pci.Address
}

// UplinkOf is the uplink that a port of a profile makes, with the members of its
// bond where it is one; false for a VF's.
func UplinkOf(p Port, members []pci.Address) (Uplink, bool) {
	u := Uplink{Name: p.Name, VLANMode: p.VLANMode, Tag: p.Tag, Trunks: p.Trunks, CVLANs: p.CVLANs}
	switch {
	case p.Bond != "":
		u.PFs = members
	case p.Uplink != "":
		f, err := pci.ParseFunction(p.Uplink)
		if err != nil {
			return u, false
		}
		u.PFs = []pci.Address{f.PF}
	}
	return u, len(u.PFs) > 0
}

// Carries tells whether the port lets a VLAN out (ofproto/ofproto-dpif-xlate.c,
// xbundle_includes_vlan).
func (u Uplink) Carries(vlan int) bool {
	native := u.Tag != nil && vlan == *u.Tag
	inTrunk := len(u.Trunks) == 0 || slices.Contains(u.Trunks, vlan)
	switch u.VLANMode {
	case modeNativeTagged, modeNativeUntagged:
		return native || inTrunk
	case modeTunnel: // frames of a VF have no second tag
		return native && (len(u.CVLANs) == 0 || slices.Contains(u.CVLANs, 0))
	case modeTrunk:
		return inTrunk
	}
	if u.Tag != nil {
		return native
	}
	return inTrunk
}

// txPackets is the packets that a port of the card has put on its cable
// (ethtool -S, PPCNT's IEEE 802.3 group).
const txPackets = "tx_packets_phy"

// ProveUplink broadcasts frames from a VF and looks by the counters of the
// card's ports whether they go out, as the uplink's VLANs say.
func ProveUplink(ctx context.Context, from Member, u Uplink) proof.Proof {
	claim := "leaves by"
	if !u.Carries(from.VLAN) {
		claim = "does not leave by"
	}
	p := proof.Proof{Kind: "vlan", Cell: []proof.Field{
		{Name: "from", Value: fmt.Sprintf("%s in VLAN %d", from.Place.Function, from.VLAN)},
		{Name: "claim", Value: claim},
		{Name: "to", Value: u.Name},
	}}
	if len(u.PFs) == 0 {
		p.Impossible("no port of a card is behind %s: there is no counter to look at", u.Name)
		return p
	}
	quiet, moved, err := countOut(ctx, from, u, &p)
	judgeUplink(&p, u.Carries(from.VLAN), quiet, moved, err)
	return p
}

// countOut gives how many packets left in a window without ours, and with.
func countOut(ctx context.Context, from Member, u Uplink, p *proof.Proof) (quiet, moved uint64, err error) {
	var names []string
	for _, pf := range u.PFs {
		l, err := netdev.OfFunction(ctx, pci.PF(pf))
		if err != nil {
			return 0, 0, err
		}
		names = append(names, l.Name)
	}
	read := func() (sum uint64, all []proof.Counter, err error) {
		for _, n := range names {
			stats, err := ethtool.Statistics(n)
			if err != nil {
				return 0, nil, err
			}
			v, ok := stats[txPackets]
			if !ok {
				return 0, nil, fmt.Errorf("%s has no counter %s", n, txPackets)
			}
			sum += v
			all = append(all, proof.Counter{Where: n, Name: txPackets, Before: v, After: v})
		}
		return sum, all, nil
	}
	first, _, err := read()
	if err != nil {
		return 0, 0, err
	}
	// The same window twice: what leaves anyhow, then what leaves with ours.
	out, err := open(from.Place)
	if err != nil {
		return 0, 0, err
	}
	defer out.Close()
	token, err := site.NewToken()
	if err != nil {
		return 0, 0, err
	}
	if err := site.Settle(ctx, window); err != nil {
		return 0, 0, err
	}
	before, counters, err := read()
	if err != nil {
		return 0, 0, err
	}
	for i := range uint32(burst) {
		if err := out.Send(site.Frame(site.Broadcast, from.Place.MAC, 0, token, i)); err != nil {
			return 0, 0, err
		}
	}
	if err := site.Settle(ctx, window); err != nil {
		return 0, 0, err
	}
	after, now, err := read()
	if err != nil {
		return 0, 0, err
	}
	for i := range counters {
		counters[i].After = now[i].After
	}
	p.Counters = counters
	p.Seen = []proof.Field{
		{Name: "frames sent", Value: strconv.Itoa(burst)},
		{Name: "packets that left anyhow, before", Value: strconv.FormatUint(before-first, 10)},
	}
	return before - first, after - before, nil
}

func judgeUplink(p *proof.Proof, carries bool, quiet, moved uint64, err error) {
	switch {
	case err != nil:
		p.Fail(err)
	case quiet > burst/4:
		p.Impossible("%d packets of others leave in %v: the port's counter cannot tell %d of ours from them", quiet, window, burst)
	case carries && moved < burst/2:
		p.Fail(fmt.Errorf("%d frames were sent and only %d packets left: the uplink does not carry the VLAN", burst, moved))
	case !carries && moved >= burst/2:
		p.Fail(fmt.Errorf("%d frames were sent and %d packets left: the uplink carries a VLAN that it shall not", burst, moved))
	default:
		p.Verdict = proof.Holds
	}
}
