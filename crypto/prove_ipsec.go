// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
)

// What a profile names of IPsec.
var (
	Offloads = []string{"crypto", "packet"}
	Modes    = []string{"transport", "tunnel"}
	ESPs     = []string{"AES-128-GCM", "AES-256-GCM"}
	IPs      = []string{"ipv4", "ipv6"}
)

var (
	offloads = map[string]ipsec.Offload{"crypto": ipsec.Crypto, "packet": ipsec.Packet}
	modes    = map[string]ipsec.Mode{"transport": ipsec.Transport, "tunnel": ipsec.Tunnel}
	keyBits  = map[string]int{"AES-128-GCM": 128, "AES-256-GCM": 256}
)

// IPsecCell is one cell of the matrix of IPsec.
type IPsecCell struct {
	Offload   string // of Offloads
	Mode      string // of Modes
	Cipher    string // of ESPs
	IP        string // of IPs
	Direction string // Tx or Rx
}

// Fields are the cell's name.
func (c IPsecCell) Fields(from, to string) []proof.Field {
	return []proof.Field{
		{Name: "offload", Value: c.Offload},
		{Name: "mode", Value: c.Mode},
		{Name: "cipher", Value: c.Cipher},
		{Name: "ip", Value: c.IP},
		{Name: "direction", Value: c.Direction},
		{Name: "from", Value: from},
		{Name: "to", Value: to},
	}
}

// ipsecCounters are the device's, by direction: bytes, packets, and what else is
// evidence (ethtool -S).
var ipsecCounters = map[string][]string{
	Tx: {"ipsec_tx_bytes", "ipsec_tx_pkts", "ipsec_tx_drop_pkts"},
	Rx: {"ipsec_rx_bytes", "ipsec_rx_pkts", "ipsec_rx_drop_pkts"},
}

// xfrmErrors are those of /proc/net/xfrm_stat that a good transfer does not move.
var xfrmErrors = []string{"XfrmInStateProtoError", "XfrmInStateSeqError", "XfrmInNoStates", "XfrmInTmplMismatch", "XfrmInNoPols"}

// Granted tells what a VF's port function allows it, by devlink's names of the
// attributes (ipsec_crypto, ipsec_packet); nil where that is not known, as in legacy
// mode. A nil Granted knows nothing.
type Granted func(pci.Function) map[string]bool

// ProveIPsec sends size bytes over TCP from one place to another through ESP. At
// the end that the direction names the SAs are offloaded, and its card is judged
// by its counters; at the other end the kernel does ESP in software, as a
// witness.
func ProveIPsec(ctx context.Context, c IPsecCell, from, to *site.Place, size int64, granted Granted, rate func(int64, float64)) proof.Proof {
	p := proof.Proof{Kind: "ipsec", Cell: c.Fields(from.Function.String(), to.Function.String())}
	ctx, cancel := context.WithTimeout(ctx, site.Limit(size))
	defer cancel()
	seen, err := c.transfer(ctx, from, to, size, &p, rate)
	judged := from
	if c.Direction == Rx {
		judged = to
	}
	seen.withheld = c.withheld(judged.Function, granted)
	judgeIPsec(&p, c, seen, size, err)
	return p
}

// withheld says that the judged VF is not allowed what it is to do, and how to
// mend that; "" where it is, or that is not known.
func (c IPsecCell) withheld(f pci.Function, granted Granted) string {
	if granted == nil || !f.IsVF() {
		return ""
	}
	name := "ipsec_" + c.Offload
	if on, known := granted(f)[name]; on || !known {
		return ""
	}
	return fmt.Sprintf("%s of the port function of %s is off, so the card has no IPsec for this VF: set vf: {%s: true} at the port in the profile and apply, "+
		"or unbind the VF, devlink port function set PORT %s enable, and bind it", name, f, name, name)
}

// seenIPsec is what decides, besides the counters.
type seenIPsec struct {
	refused  error  // the kernel or driver does not take the offloaded SAs
	software error  // it took them without the offload
	withheld string // why the card could not, known beforehand
	wire     uint64 // bytes that the socket sent or received
}

func (c IPsecCell) transfer(ctx context.Context, from, to *site.Place, size int64, p *proof.Proof, rate func(int64, float64)) (seen seenIPsec, err error) {
	judged, other := from, to
	if c.Direction == Rx {
		judged, other = to, from
	}
	keys, err := ipsec.NewKeys(keyBits[c.Cipher])
	if err != nil {
		return seen, err
	}
	here, err := c.add(ctx, judged, other, keys, offloads[c.Offload])
	switch {
	case errors.Is(err, ipsec.ErrSoftware):
		seen.software = err
		// Keys that an end has had are not used again.
		if keys, err = ipsec.NewKeys(keyBits[c.Cipher]); err != nil {
			return seen, err
		}
		here, err = c.add(ctx, judged, other, keys, ipsec.None)
	case err != nil:
		seen.refused = err
		return seen, nil
	}
	if err != nil {
		return seen, err
	}
	defer func() { err = errors.Join(err, here.Close()) }()
	there, err := c.add(ctx, other, judged, keys, ipsec.None)
	if err != nil {
		return seen, err
	}
	defer func() { err = errors.Join(err, there.Close()) }()
	read := func() error {
		return errors.Join(judged.NS.Do(func() error {
			stats, err := ethtool.Statistics(judged.Netdev)
			if err != nil {
				return err
			}
			p.Counters = take(p.Counters, judged.String(), stats, ipsecCounters[c.Direction]...)
			return xfrmStat(p, judged)
		}), other.NS.Do(func() error { return xfrmStat(p, other) }))
	}
	if err := read(); err != nil {
		return seen, err
	}
	client, server, err := site.Connect(ctx, from, to, c.IP == "ipv6")
	if err == nil {
		defer client.Close()
		defer server.Close()
		err = site.Pump(ctx, client, server, size, p, rate)
	}
	if err != nil {
		return seen, errors.Join(err, read()) // why nothing came is in the counters
	}
	end := client
	if c.Direction == Rx {
		end = server
	}
	if seen.wire, err = wireBytes(end, c.Direction); err != nil {
		return seen, err
	}
	states, err := here.States()
	if err != nil {
		return seen, err
	}
	for i, name := range []string{"SA out", "SA in"} {
		if i < len(states) {
			p.Seen = append(p.Seen, proof.Field{Name: name, Value: fmt.Sprintf("offload %s, %d packets", states[i].Offload.Mode, states[i].Packets)})
		}
	}
	return seen, read()
}

// add makes one end.
func (c IPsecCell) add(ctx context.Context, at, peer *site.Place, keys ipsec.Keys, o ipsec.Offload) (*ipsec.Pair, error) {
	local, remote := at.V4.Addr(), peer.V4.Addr()
	if c.IP == "ipv6" {
		local, remote = at.V6.Addr(), peer.V6.Addr()
	}
	return c.end(ctx, at, local, remote, keys, o)
}

func xfrmStat(p *proof.Proof, at *site.Place) error {
	stat, err := ipsec.Stat()
	if err != nil {
		return err
	}
	p.Counters = take(p.Counters, "/proc/net/xfrm_stat of "+at.Function.String(), stat, xfrmErrors...)
	return nil
}

// judgeIPsec gives the verdict. "Offloaded" needs all of: the bytes arrived and
// are equal, the kernel lists the SAs as offloaded as was asked for, the
// device's counter moved by at least what was sent and by no more than this
// connection can have moved it, and no packet was found bad by the witness.
func judgeIPsec(p *proof.Proof, c IPsecCell, seen seenIPsec, size int64, err error) {
	bad := badPackets(p.Counters)
	switch {
	case seen.refused != nil && seen.withheld != "":
		p.Impossible("%s: %v", seen.withheld, seen.refused)
		return
	case seen.refused != nil:
		p.Impossible("%v", seen.refused)
		return
	case err != nil:
		if bad != "" {
			err = fmt.Errorf("%w; %s", err, bad)
		}
		p.Fail(err)
		return
	case p.Bytes != size:
		p.Fail(fmt.Errorf("%d bytes were sent, %d arrived", size, p.Bytes))
		return
	case bad != "":
		p.Fail(errors.New(bad))
		return
	case seen.software != nil && seen.withheld != "":
		// The kernel's own guesses (a driver without IPsec, a feature that is off) are beside the cause.
		p.Verdict, p.Reason = proof.Software, seen.withheld+": "+ipsec.ErrSoftware.Error()
		return
	case seen.software != nil:
		p.Verdict, p.Reason = proof.Software, seen.software.Error()
		return
	}
	names := ipsecCounters[c.Direction]
	if !has(p.Counters, names[0]) {
		p.Impossible("the SAs are offloaded by what the kernel says, and the bytes arrived, but the driver has no counter %s to show that the card did it: it is there from Linux 6.2 on", names[0])
		return
	}
	moved, packets := delta(p.Counters, names[0]), delta(p.Counters, names[1])
	// Headers are counted, and what is sent or arrives twice.
	switch most := 2*seen.wire + 256*packets; {
	case moved < uint64(size):
		p.Verdict, p.Reason = proof.Software, fmt.Sprintf("the card's %s moved by %d, less than the %d bytes sent", names[0], moved, size)
	case moved > most:
		p.Verdict, p.Reason = proof.Software, fmt.Sprintf("the card's %s moved by %d, more than the %d that this connection can account for: somebody else uses the VF, and the counter proves nothing", names[0], moved, most)
	default:
		p.Verdict = proof.Offloaded
	}
}

// badPackets says what the kernel found wrong with packets, "" for nothing.
func badPackets(counters []proof.Counter) string {
	var bad []string
	for _, n := range xfrmErrors {
		var sum uint64
		for _, c := range counters {
			if c.Name == n {
				sum += c.Delta()
			}
		}
		if sum > 0 {
			bad = append(bad, fmt.Sprintf("%s moved by %d", n, sum))
		}
	}
	if bad == nil {
		return ""
	}
	return "packets were not accepted: " + strings.Join(bad, ", ")
}

func has(counters []proof.Counter, name string) bool {
	for _, c := range counters {
		if c.Name == name {
			return true
		}
	}
	return false
}
