// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/internal/unixctl"
)

// flow is a line of dpctl/dump-flows -m (ovs-dpctl(8), lib/dpctl.c).
type flow struct {
	src, dst  string // MAC addresses
	inPort    string
	packets   uint64
	offloaded string // yes, partial, no
	dp        string // tc, ovs, dpdk
}

var flowFields = map[string]*regexp.Regexp{
	"eth":       regexp.MustCompile(`\beth\(src=([0-9a-f:]{17})(?:/[0-9a-f:]+)?,dst=([0-9a-f:]{17})(?:/[0-9a-f:]+)?\)`),
	"in_port":   regexp.MustCompile(`\bin_port\(([^)]*)\)`),
	"packets":   regexp.MustCompile(`\bpackets:([0-9]+)`),
	"offloaded": regexp.MustCompile(`\boffloaded:(\w+)`),
	"dp":        regexp.MustCompile(`\bdp:(\w+)`),
}

// parseFlows reads the lines that have both addresses; others (ARP, LLDP) are
// about nobody in particular.
func parseFlows(text string) []flow {
	var flows []flow
	for line := range strings.Lines(text) {
		get := func(name string) string {
			if m := flowFields[name].FindStringSubmatch(line); m != nil {
				return m[1]
			}
			return ""
		}
		eth := flowFields["eth"].FindStringSubmatch(line)
		if eth == nil {
			continue
		}
		n, _ := strconv.ParseUint(get("packets"), 10, 64) // digits, by the pattern; none is 0
		flows = append(flows, flow{eth[1], eth[2], get("in_port"), n, get("offloaded"), get("dp")})
	}
	return flows
}

// between is the flow from one address to another that has seen most packets.
func between(flows []flow, src, dst net.HardwareAddr) (best flow, ok bool) {
	for _, f := range flows {
		if f.src == src.String() && f.dst == dst.String() && (!ok || f.packets > best.packets) {
			best, ok = f, true
		}
	}
	return best, ok
}

// inCard tells whether the card forwards the flow.
func (f flow) inCard() bool { return f.offloaded == "yes" && f.dp == "tc" }

func (f flow) text() string {
	return fmt.Sprintf("in_port %s, %d packets, offloaded:%s, dp:%s", f.inPort, f.packets, f.offloaded, f.dp)
}

const (
	// warmUp is how long the flows may take to come into the card: ovs-vswitchd puts them
	// there after the first packets, one revalidation after the other.
	warmUp = 20 * time.Second
	// warmBytes are sent at a time meanwhile.
	warmBytes = 256 << 10
	// again is how long a flow that is being replaced may be away, and how long the card's counters of it may
	// take to be seen: mlx5 asks the card for them once a second (fs_counters.c, MLX5_FC_STATS_PERIOD).
	again = 4 * time.Second
)

// ProveFlows sends size bytes over TCP from one place to another and looks who
// forwarded them: OVS's flows between the two addresses have to be offloaded in
// both directions, and the processor must not have seen more of the packets at
// the representors than what sets flows up.
func ProveFlows(ctx context.Context, from, to *site.Place, size int64, rate func(int64, float64)) proof.Proof {
	p := proof.Proof{Kind: "flows", Cell: []proof.Field{{Name: "from", Value: from.Function.String()}, {Name: "to", Value: to.Function.String()}}}
	ctx, cancel := context.WithTimeout(ctx, 2*site.Limit(size)+warmUp)
	defer cancel()
	reps, err := site.Representors(ctx, from, to)
	if err != nil {
		p.Impossible("%v: only a switch in switchdev mode has flows", err)
		return p
	}
	seen, err := proveFlows(ctx, from, to, reps, size, &p, rate)
	judgeFlows(&p, seen, size, err)
	return p
}

// seenFlows is what decides.
type seenFlows struct {
	flows []flow // there and back; fewer when there is none
	cpu   uint64 // packets that the processor saw at the representors
	wire  uint64 // packets of the connection, both directions
	// counted is by how much the card's counters of the flows moved, in packets.
	counted uint64
	// causes are why flows are not in the card, as far as that is seen.
	causes []string
}

func proveFlows(ctx context.Context, from, to *site.Place, reps []netdev.Link, size int64, p *proof.Proof, rate func(int64, float64)) (seen seenFlows, err error) {
	// First until the flows are in the card, then for the record.
	end := time.Now().Add(warmUp)
	var warm seenFlows
	for {
		var q proof.Proof
		if _, err := site.SendPlain(ctx, from, to, warmBytes, &q, func(int64, float64) {}); err != nil {
			return seen, err
		}
		if warm.flows, err = dump(ctx, from, to); err != nil {
			return seen, err
		}
		if warm.inCard() || time.Now().After(end) {
			break
		}
	}
	// ovs-vswitchd replaces a flow by taking it out first, and one that no packet wants any more does not come back:
	// then it is sent once more.
	sent := *p
	for try := 1; ; try++ {
		*p = sent
		if seen, err = recorded(ctx, from, to, reps, size, p, rate, warm.flows); err != nil {
			return seen, err
		}
		if len(seen.flows) == 2 || len(warm.flows) < 2 || try == 2 {
			break
		}
	}
	if !seen.inCard() {
		seen.causes = causes(ctx, reps)
	}
	p.Seen = append(p.Seen, proof.Field{Name: "packets of the connection", Value: strconv.FormatUint(seen.wire, 10)},
		proof.Field{Name: "packets that the flows counted", Value: strconv.FormatUint(seen.counted, 10)})
	for _, f := range seen.flows {
		p.Seen = append(p.Seen, proof.Field{Name: "flow " + f.src + " to " + f.dst, Value: f.text()})
	}
	return seen, nil
}

// recorded sends size bytes, and looks at what the processor and the flows counted of them.
func recorded(ctx context.Context, from, to *site.Place, reps []netdev.Link, size int64, p *proof.Proof, rate func(int64, float64), warm []flow) (seen seenFlows, err error) {
	before := make([]uint64, len(reps))
	for i, r := range reps {
		if before[i], err = rtlink.CPUHits(r.Index); err != nil {
			return seen, err
		}
	}
	if seen.wire, err = site.SendPlain(ctx, from, to, size, p, rate); err != nil {
		return seen, err
	}
	for i, r := range reps {
		after, err := rtlink.CPUHits(r.Index)
		if err != nil {
			return seen, err
		}
		p.Counters = append(p.Counters, proof.Counter{Where: "representor " + r.Name, Name: "cpu_hit packets", Before: before[i], After: after})
		seen.cpu += after - before[i]
	}
	for end := time.Now().Add(again); ; {
		if seen.flows, err = dump(ctx, from, to); err != nil {
			return seen, err
		}
		seen.counted = moved(warm, seen.flows)
		if len(seen.flows) == 2 && (!seen.inCard() || seen.allCounted()) || time.Now().After(end) {
			break
		}
		if err := site.Settle(ctx, again/20); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// moved is by how many packets the flows' counters moved. One that was replaced meanwhile
// has begun anew.
func moved(before, after []flow) (n uint64) {
	for _, f := range after {
		n += f.packets
		for _, b := range before {
			if b.src == f.src && b.dst == f.dst && b.packets <= f.packets {
				n -= b.packets
			}
		}
	}
	return n
}

// allCounted tells whether the card's counters can account for the connection: the first
// of its packets may have made a flow that was replaced.
func (s seenFlows) allCounted() bool { return s.counted >= s.wire/2 }

// dump asks for the flows between two places, there and back.
func dump(ctx context.Context, from, to *site.Place) ([]flow, error) {
	text, err := unixctl.Call(ctx, "dpctl/dump-flows", "-m")
	if err != nil {
		return nil, err
	}
	all := parseFlows(text)
	var flows []flow
	for _, d := range [][2]net.HardwareAddr{{from.MAC, to.MAC}, {to.MAC, from.MAC}} {
		if f, ok := between(all, d[0], d[1]); ok {
			flows = append(flows, f)
		}
	}
	return flows, nil
}

// judgeFlows gives the verdict.
func judgeFlows(p *proof.Proof, seen seenFlows, size int64, err error) {
	switch {
	case err != nil:
		p.Fail(err)
		return
	case p.Bytes != size:
		p.Fail(fmt.Errorf("%d bytes were sent, %d arrived", size, p.Bytes))
		return
	}
	var why []string
	if len(seen.flows) < 2 {
		why = append(why, fmt.Sprintf("Open vSwitch shows %d of the 2 flows between the VFs", len(seen.flows)))
	}
	for _, f := range seen.flows {
		if !f.inCard() {
			why = append(why, fmt.Sprintf("the flow from %s to %s is not in the card (%s)", f.src, f.dst, f.text()))
		}
	}
	switch {
	case seen.inCard():
	case len(seen.causes) > 0:
		why = append(why, seen.causes...)
	default:
		why = append(why, "hw-offload of Open vSwitch is on, and so are hw-tc-offload and the ingress qdisc of both representors: ovs-appctl dpctl/dump-flows -m and /var/log/openvswitch/ovs-vswitchd.log tell more")
	}
	// A part of them may belong to neighbours looking for one another, and to what OVS takes out to look at.
	if most := seen.wire/50 + 16; seen.cpu > most {
		why = append(why, fmt.Sprintf("the processor saw %d packets at the representors, of %d that the connection took", seen.cpu, seen.wire))
	}
	switch {
	case len(why) > 0:
	case !seen.allCounted():
		p.Fail(fmt.Errorf("the flows are in the card, says Open vSwitch, and the counters of the flows moved by %d packets, of %d that the connection took: nothing shows that the card forwarded them", seen.counted, seen.wire))
		return
	default:
		p.Verdict = proof.Offloaded
		return
	}
	p.Verdict, p.Reason = proof.Software, strings.Join(why, "; ")
}
