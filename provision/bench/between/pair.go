// SPDX-License-Identifier: Apache-2.0

// Package between is the ground of a bench that measures between two VFs of this host,
// or between one and a host on the wire: each VF in a network namespace, with a cgroup
// for what runs there, and all put back in the end. What runs there, and what is
// measured of it, is for others.
package between

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Pair are the two VFs. Server is who sends, where there is no server. Client is nil, and
// has no group, where it is on the wire.
type Pair struct {
	*site.Site
	Server, Client           *site.Place
	ServerGroup, ClientGroup cgroup.Group
	set                      *[2]bool // TLS of the server's VF: Tx, Rx; nil: not known
}

// Enter takes two free VFs and waits until they reach one another. What it took goes
// back by Leave, or by the next bench, verify or apply (site.Clean); with an error it
// has. errors.Is(err, [cgroup.ErrNone]).
func Enter(ctx context.Context, server, client pci.Function) (*Pair, error) {
	s, err := site.Enter(ctx, false, server, client)
	if err != nil {
		return nil, err
	}
	p := &Pair{Site: s, Server: s.Places[0], Client: s.Places[1]}
	return p, p.settle(ctx, func(ctx context.Context) error {
		c, accepted, err := site.Connect(ctx, p.Client, p.Server, false)
		if err != nil {
			return err
		}
		return errors.Join(c.Close(), accepted.Close())
	})
}

// EnterWire is Enter of one free VF that gets an address for the while, and of a host on
// the wire that listens at peer.
func EnterWire(ctx context.Context, server pci.Function, address netip.Prefix, peer netip.AddrPort) (*Pair, error) {
	s, err := site.EnterAt(ctx, false, server, address)
	if err != nil {
		return nil, err
	}
	p := &Pair{Site: s, Server: s.Places[0]}
	return p, p.settle(ctx, func(ctx context.Context) error {
		c, err := site.Dial(ctx, p.Server, peer)
		if err != nil {
			return fmt.Errorf("connecting from %s to the peer %s: %w; is `nicwright peer --load` running there, and may the VF's VLAN leave the uplink?", p.Server, peer, err)
		}
		return c.Close()
	})
}

// settle waits until there is a way, and makes the groups; with an error all is put back.
func (p *Pair) settle(ctx context.Context, connect func(context.Context) error) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Leave(ctx))
		}
	}()
	if err := p.Keep(ctx, crypto.TLSFeatures...); err != nil {
		return err
	}
	if err := site.Reach(ctx, connect); err != nil {
		return err
	}
	cage, err := site.Cage()
	if err != nil {
		return err
	}
	if p.ServerGroup, err = cage.Sub("server"); err != nil || p.Client == nil {
		return err
	}
	p.ClientGroup, err = cage.Sub("client")
	return err
}

// patience is how long putting back may take, also where the run was stopped.
const patience = time.Minute

// Leave puts the VFs back, whether or not ctx has ended.
func (p *Pair) Leave(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	if err := p.Site.Leave(ctx); err != nil {
		return fmt.Errorf("putting the VFs of a bench back: %w; the next bench, verify or apply tries it again", err)
	}
	return nil
}

// SwitchTLS turns TLS in the card of the server's VF on or off.
func (p *Pair) SwitchTLS(ctx context.Context, tx, rx bool) error {
	want := [2]bool{tx, rx}
	if p.set != nil && *p.set == want {
		return nil
	}
	p.set = nil
	if err := crypto.SetTLS(ctx, p.Server, tx, rx); err != nil {
		return err
	}
	p.set = &want
	return nil
}

// Counters reads counters of the places; their names begin with "server." and "client.".
func (p *Pair) Counters(readers ...func(*site.Place) (map[string]int64, error)) (map[string]int64, error) {
	all := map[string]int64{}
	for _, read := range readers {
		for side, place := range map[string]*site.Place{"server.": p.Server, "client.": p.Client} {
			if place == nil {
				continue
			}
			counted, err := read(place)
			if err != nil {
				return nil, err
			}
			for name, v := range counted {
				all[side+name] = v
			}
		}
	}
	return all, nil
}

// Write writes the header, with what is known only now, and gives what writes each
// sample and tells of it.
func (p *Pair) Write(out io.Writer, h sample.Header, seed uint64, told func(sample.Sample)) (func(sample.Sample) error, error) {
	h.Seed, h.Started = seed, time.Now().UTC()
	if h.Card != nil {
		h.Card.Netdev = p.Server.Netdev
	}
	w, err := sample.NewWriter(out, h)
	if err != nil {
		return nil, err
	}
	return func(s sample.Sample) error {
		if err := w.Write(s); err != nil {
			return err
		}
		told(s)
		return nil
	}, nil
}
