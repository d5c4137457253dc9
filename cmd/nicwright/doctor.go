// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/doctor"
)

func newDoctor(a *app) *cobra.Command {
	ask := crypto.Ask{}
	c := &cobra.Command{
		Use:   "doctor [NETDEV|ADDRESS]...",
		Short: "Say why TLS or IPsec is not offloaded",
		Long: `doctor walks, for each netdev of each card, the chain of what has to hold for
the card to do TLS (transmit, receive) and IPsec (crypto, packet): kernel,
driver, module, eswitch, card, checksums, switch, bond, interface and so on. It
stops at the first broken link and says what mends it. It changes nothing;
without root some links are unknown. verify is what proves that it works.

Verdicts: can offload; software (it works, the CPU does it); refused (packet
mode is never done in software); unknown (nothing is found against it, and not
all could be told). The exit status is 0 whatever they are.`,
		Example: `  nicwright doctor
  nicwright doctor ens7f0v0 --tls-version 1.3
  nicwright doctor 0000:3b:00.0 --ipsec-mode tunnel
  nicwright doctor --json | jq '.devices[] | {netdev, v: [.chains[]?.verdict]}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, f := range []struct {
				flag, value string
				allowed     []string
			}{
				{"tls-version", ask.TLSVersion, []string{"1.2", "1.3"}},
				{"cipher", ask.Cipher, []string{"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"}},
				{"ipsec-mode", ask.IPsecMode, []string{"transport", "tunnel"}},
			} {
				if !slices.Contains(f.allowed, f.value) {
					return exitStatus{exitUsage, fmt.Errorf("--%s %s: it is one of %s", f.flag, f.value, strings.Join(f.allowed, ", "))}
				}
			}
			host, look, err := provision.Observe(cmd.Context())
			if err != nil {
				return err
			}
			d, unmatched, err := doctor.Examine(provision.Known(cmd.Context(), host, look), ask, args...)
			if err != nil {
				return err
			}
			if len(unmatched) > 0 {
				return errors.New("no card here has " + strings.Join(unmatched, ", ") + ": name a netdev, a PCI address or a function as `nicwright show` prints them")
			}
			if a.json() {
				return a.printJSON(d)
			}
			return d.Print(a.out)
		},
	}
	c.Flags().StringVar(&ask.TLSVersion, "tls-version", "1.2", "the TLS `version` that is asked about: 1.2 or 1.3")
	c.Flags().StringVar(&ask.Cipher, "cipher", "AES-128-GCM", "the TLS `cipher`: AES-128-GCM, AES-256-GCM or ChaCha20-Poly1305")
	c.Flags().StringVar(&ask.IPsecMode, "ipsec-mode", "transport", "the IPsec `mode`: transport or tunnel")
	return c
}
