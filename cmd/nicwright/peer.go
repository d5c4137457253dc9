// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/provision/bench/load"
)

// peerPort is where a peer listens if it is not told.
const peerPort = 4711

func newPeer(a *app) *cobra.Command {
	var listen string
	var loads bool
	c := &cobra.Command{
		Use:   "peer --listen ADDRESS[:PORT]",
		Short: "Be the other end, on this host, of another host's proofs or measurements",
		Long: `peer answers the verify of another host, whose profile names this one in
verify.peers: it seals and opens TLS records in its own process, as the witness
for the other host's card. It needs no root, no card and no profile, and changes
nothing. Whoever reaches the port can have it work: run it while verify runs, on
the address of the network that is tested, which --listen has to name. It ends
with SIGINT or SIGTERM.

With --load it is the client of another host's nicwright bench https --peer in that
place, and answers no verify: it makes requests to the host that asks for them, and
to no other, one measurement at a time.`,
		Example: `  nicwright peer --listen 192.0.2.20:4711
  nicwright peer --listen 192.0.2.20:4711 --load`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := listenAt(cmd.Context(), listen)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.out, "listening on %s\n", l.Addr()); err != nil {
				return errors.Join(fmt.Errorf("printing: %w", err), l.Close())
			}
			if loads {
				return load.Serve(cmd.Context(), l, func(s load.Served) {
					_, _ = fmt.Fprintln(a.out, s)
				})
			}
			return crypto.ServePeer(cmd.Context(), l, func(s crypto.Served) {
				_, _ = fmt.Fprintln(a.out, s)
			})
		},
	}
	c.Flags().BoolVar(&loads, "load", false, "be the client of bench https of other hosts, and of no verify")
	c.Flags().StringVar(&listen, "listen", "", fmt.Sprintf("`address[:port]` of this host to listen on, and on no other; the port is %d if it is not said", peerPort))
	return c
}

// listenAt listens on the one address that is named, of the one family that it
// has: Go would take 0.0.0.0, and no address, for all of both.
func listenAt(ctx context.Context, text string) (net.Listener, error) {
	at, err := addressPort(text)
	if err != nil {
		return nil, exitStatus{exitUsage, fmt.Errorf("--listen %q: say on which address of this host to listen, ADDRESS or ADDRESS:PORT, as in 192.0.2.20:4711 or [2001:db8::20]:4711; 0.0.0.0 is all of IPv4, [::] all of IPv6", text)}
	}
	network := "tcp4"
	if at.Addr().Is6() {
		network = "tcp6"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, network, at.String())
	if err != nil {
		return nil, fmt.Errorf("listening for other hosts: %w; --listen wants an address of this host and a free port", err)
	}
	return l, nil
}
