// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"fmt"
	"io"

	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Print prints what samples say, for people.
func Print(w io.Writer, samples []sample.Sample) error {
	return rounds.Print(w, samples, func(c sample.Cell) string {
		return fmt.Sprintf("MTU %d, %d streams, %d bytes at a time", c.MTU, c.Clients, c.Size)
	}, name)
}

// offloadWords are the modes in words.
var offloadWords = map[sample.Mode]string{
	sample.Plain: "no IPsec", sample.IPsecSoft: "software", sample.IPsecCard: "crypto offload", sample.IPsecFull: "packet offload",
}

func name(c sample.Cell) string {
	s := offloadWords[c.Mode]
	if c.Mode != sample.Plain {
		s += fmt.Sprintf(", %s, %s, %d SAs", c.Encapsulation, c.Cipher, c.SAs)
	}
	if c.Variant != "" {
		s += ", " + c.Variant
	}
	return s
}
