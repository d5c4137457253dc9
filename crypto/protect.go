// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"net/netip"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/site"

	"golang.org/x/sys/unix"
)

// end makes one end of IPsec between two addresses.
func (c IPsecCell) end(ctx context.Context, at *site.Place, local, remote netip.Addr, keys ipsec.Keys, o ipsec.Offload) (pair *ipsec.Pair, err error) {
	params := ipsec.Params{Local: local, Remote: remote, Mode: modes[c.Mode], Offload: o, Netdev: at.Index, Keys: keys}
	if o == ipsec.Packet {
		// The driver wants limits, and none that a transfer of seconds could meet.
		params.Limits = ipsec.Limits{SoftPackets: 1 << 30, HardPackets: 1<<31 - 1}
	}
	err = at.NS.Do(func() error {
		pair, err = ipsec.Add(ctx, params)
		return err
	})
	return pair, err
}

// Protection is IPsec between two places, with a pair of SAs for each pair of their
// addresses. Unlike in a proof, both ends do it in the same way.
type Protection struct{ a, b []*ipsec.Pair }

// Protect makes IPsec between a and b, from each address of the one to that of the
// other in the same place of its list. c.Offload "" is the kernel alone; c.IP and
// c.Direction mean nothing here. errors.Is(err, [ipsec.ErrSoftware]) where a card does
// not do what it was asked for; nothing is left then. Close it: until then packets
// between these addresses pass protected or not at all.
func (c IPsecCell) Protect(ctx context.Context, a, b *site.Place, from, to []netip.Addr) (_ *Protection, err error) {
	p := &Protection{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	for i := range from {
		keys, err := ipsec.NewKeys(keyBits[c.Cipher])
		if err != nil {
			return nil, err
		}
		for _, e := range []struct {
			at            *site.Place
			local, remote netip.Addr
			to            *[]*ipsec.Pair
		}{{a, from[i], to[i], &p.a}, {b, to[i], from[i], &p.b}} {
			pair, err := c.end(ctx, e.at, e.local, e.remote, keys, offloads[c.Offload])
			if err != nil {
				return nil, err
			}
			*e.to = append(*e.to, pair)
		}
	}
	return p, nil
}

// Sent are the SAs by which a sends, as the kernel lists them.
func (p *Protection) Sent() ([]ipsec.State, error) {
	var all []ipsec.State
	for _, pair := range p.a {
		states, err := pair.States()
		if err != nil {
			return nil, err
		}
		if len(states) > 0 {
			all = append(all, states[0])
		}
	}
	return all, nil
}

// Close takes it away.
func (p *Protection) Close() error {
	var errs []error
	for _, pair := range append(p.a, p.b...) {
		errs = append(errs, pair.Close())
	}
	p.a, p.b = nil, nil
	return errors.Join(errs...)
}

// IPsecCounters are what a place counts of IPsec: its card (ipsec_tx_bytes and the
// other names of ethtool -S that a proof takes) and the kernel (those of
// /proc/net/xfrm_stat that no good transfer moves).
func IPsecCounters(p *site.Place) (all map[string]int64, err error) {
	all = map[string]int64{}
	err = p.NS.Do(func() error {
		stats, err := ethtool.Statistics(p.Netdev)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
		for _, dir := range Directions {
			for _, name := range ipsecCounters[dir] {
				if v, ok := stats[name]; ok {
					all[name] = int64(v)
				}
			}
		}
		stat, err := ipsec.Stat()
		for _, name := range xfrmErrors {
			all[name] = int64(stat[name])
		}
		return err
	})
	return all, err
}

// IPsecErrors are those counters of IPsecCounters that no good transfer moves.
func IPsecErrors() []string {
	return append([]string{"ipsec_tx_drop_pkts", "ipsec_rx_drop_pkts"}, xfrmErrors...)
}
