// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime/debug"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/top"
)

// mostListed is how many sessions, and how many states, a terminal is given.
const mostListed = 500

func newTop(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "top",
		Short: "Show the TLS and IPsec connections, which are in the card, and why others are not",
		Long: `top shows the kernel TLS sessions and IPsec states of this network namespace:
those that are in a card and those that are in software, with the reason, in the
doctor's words for the session's own version, cipher and netdev; and what the
cards count. On a terminal it goes on, every two seconds, until q is typed, with
rates; else it prints what is there once. It changes nothing. Without root the
kernel shows neither sessions nor states: it says so.`,
		Example: `  nicwright top
  nicwright top | cat                         once, all of it
  nicwright top --json | jq '.tls[] | select(.tx.by == "software") | {remote, why: .tx.why.text}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if a.json() {
				return a.printJSON(top.New(0).Frame(ctx))
			}
			if a.raw != os.Stdout || !term.IsTerminal(os.Stdout.Fd()) || os.Getenv("TERM") == "dumb" {
				var b strings.Builder
				b.WriteString(top.Screen(top.New(0).Frame(ctx), 0, 0))
				return style.Flush(a.out, &b)
			}
			debug.SetGCPercent(100) // it runs for hours
			return top.Run(ctx, top.New(mostListed).Frame)
		},
	}
}
