// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"fmt"
	"io"

	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Print prints what samples say, for people.
func Print(w io.Writer, samples []sample.Sample) error {
	return rounds.Print(w, samples, func(c sample.Cell) string {
		return fmt.Sprintf("%s %s, %d bytes at a time, %d jobs of depth %d", c.Pattern, c.Op, c.Block, c.Clients, c.Depth)
	}, name)
}

// modeWords are the modes in words.
var modeWords = map[sample.Mode]string{
	sample.Plain: "plain", sample.Kernel: "RPC-with-TLS", sample.CardTx: "RPC-with-TLS, sent by the card", sample.CardRx: "RPC-with-TLS, received by the card",
	sample.CardTxRx: "RPC-with-TLS, by the card", sample.IPsecSoft: "IPsec in software", sample.IPsecCard: "IPsec, crypto offload", sample.IPsecFull: "IPsec, packet offload",
}

func name(c sample.Cell) string {
	s := modeWords[c.Mode]
	for _, word := range []string{c.TLS, c.Encapsulation, c.Variant} {
		if word != "" {
			s += ", " + word
		}
	}
	// One connection is one link of a bond.
	return fmt.Sprintf("%s, nconnect %d", s, c.NConnect)
}
