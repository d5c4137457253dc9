// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/crypto"
)

func newPeer(a *app) *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "peer",
		Short: "Be the other end, on this host, of another host's proofs",
		Long: `peer answers the verify of another host, whose profile names this one in
verify.peers: it seals and opens TLS records in its own process, as the witness
for the other host's card. It needs no root, no card and no profile, and changes
nothing. Whoever reaches the port can have it work: run it while verify runs, on
an address of the network that is tested. It ends with SIGINT or SIGTERM.`,
		Example: `  nicwright peer --listen 192.0.2.20:4711`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("listening for the proofs of others: %w; --listen wants ADDRESS:PORT, an address of this host and a free port", err)
			}
			if _, err := fmt.Fprintf(a.out, "listening on %s\n", l.Addr()); err != nil {
				return err
			}
			return crypto.ServePeer(cmd.Context(), l, func(s crypto.Served) {
				what := "nothing that was understood"
				if s.Version != "" {
					what = fmt.Sprintf("%s %s %s, %d bytes", s.Version, s.Cipher, s.Direction, s.Bytes)
				}
				how := "equal"
				if s.Err != nil {
					how = s.Err.Error()
				} else if s.Direction == crypto.Rx {
					how = "sent"
				}
				_, _ = fmt.Fprintf(a.out, "%s: %s: %s\n", s.From, what, how)
			})
		},
	}
	c.Flags().StringVar(&listen, "listen", ":4711", "`address:port` to listen on")
	return c
}
