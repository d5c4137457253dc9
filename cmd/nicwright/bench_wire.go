// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/spf13/pflag"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/bench/between"
	"github.com/nicwright/nicwright/provision/bench/https"
	"github.com/nicwright/nicwright/provision/report"
)

// wireFlags are of a client on the wire, in the place of a second VF.
type wireFlags struct {
	peer, address string
	at            netip.AddrPort
	as            netip.Prefix
}

func (w *wireFlags) define(n *pflag.FlagSet) {
	n.StringVar(&w.peer, "peer", "", fmt.Sprintf("the client is the host on the wire where nicwright peer --load listens at this `address[:port]` (port %d); --between names the server's VF alone", peerPort))
	n.StringVar(&w.address, "address", "", "with --peer, of the server's VF for the while, an `address` with the prefix length of its network, as 192.0.2.10/24 (default: what verify.peers of the profile says for that peer)")
}

// used tells whether the client is on the wire.
func (w *wireFlags) used() bool { return w != nil && w.peer != "" }

func (w *wireFlags) read(between int) (err error) {
	if !w.used() {
		if w.address != "" {
			return errors.New("--address goes with --peer: between two VFs the addresses are nicwright's own")
		}
		return nil
	}
	if w.at, err = addressPort(w.peer); err != nil {
		return fmt.Errorf("--peer %q: say where nicwright peer --load listens, ADDRESS or ADDRESS:PORT, as in 192.0.2.20:4711 or [2001:db8::20]:4711", w.peer)
	}
	if w.address != "" {
		if w.as, err = netip.ParsePrefix(w.address); err != nil {
			return fmt.Errorf("--address %q: it is an address with a prefix length, as 192.0.2.10/24", w.address)
		}
	}
	if between > 1 {
		return errors.New("--between names two VFs, and with --peer there is one: the server's")
	}
	return nil
}

// of is what https.Run is told; nil: the client is a VF of this host.
func (w *wireFlags) of() *https.Peer {
	if !w.used() {
		return nil
	}
	return &https.Peer{At: w.at, As: w.as}
}

// addressPort reads ADDRESS or ADDRESS:PORT.
func addressPort(text string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(text)
	if err == nil {
		return at, nil
	}
	address, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(address, peerPort), err
}

// placeWire finds the server's VF and its address.
func (f *roundsFlags) placeWire(ctx context.Context, road *provision.Road, have report.Host) error {
	w := f.wire
	want, err := f.want(ctx, road)
	if err != nil {
		return err
	}
	vf, why := "", "named by --between"
	if len(f.between) == 1 {
		vf = f.between[0]
	}
	if want.Verify != nil {
		for _, p := range want.Verify.Peers {
			_, at, err := p.Ends()
			if err != nil || at.Addr() != w.at.Addr() || vf != "" && vf != p.VF {
				continue
			}
			if vf == "" {
				vf, why = p.VF, "the profile names it with this peer (verify.peers)"
			}
			if w.address == "" {
				w.address = p.Address
			}
			break
		}
	}
	if vf == "" && want.Bench != nil && len(want.Bench.Between) == 2 {
		vf, why = want.Bench.Between[0], "the profile names it (bench.between)"
	}
	switch {
	case vf == "":
		return exitStatus{exitUsage, errors.New("which VF is the server's is not said: name it with --between pci/0000:3b:00.0/vf/0, or in verify.peers of the profile")}
	case w.address == "":
		return exitStatus{exitUsage, fmt.Errorf("which address %s is to have is not said: say --address, of the network of %s, or verify.peers in the profile", vf, w.at.Addr())}
	}
	if w.as, _, err = (profiles.PeerSpec{VF: vf, Address: w.address, Peer: w.at.String()}).Ends(); err != nil {
		return exitStatus{exitUsage, err}
	}
	if f.server, err = pci.ParseFunction(vf); err != nil {
		return exitStatus{exitUsage, fmt.Errorf("--between: %w", err)}
	}
	f.header = between.WireHeader(have, f.server, w.at)
	_, err = fmt.Fprintf(style.Plain(os.Stderr), "%s %s as %s (%s), %s %s, seed %d\n", f.roles[0], f.server, w.as, why, f.roles[1], w.at, f.seed)
	return err
}
