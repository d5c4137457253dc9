// SPDX-License-Identifier: Apache-2.0

// Package ipsec measures what IPsec by the kernel and by the card costs: streams from
// one VF to another over ESP with one pair of SAs or many, cell by cell in random
// order, turn by turn. A cell whose path was not the one that it names is a finding and
// no figure. What is made of the samples is for others.
package ipsec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/stream"
)

// Axes are what is varied: the matrix is of all combinations that mean something.
type Axes struct {
	Modes          []sample.Mode // of Modes
	Encapsulations []string      // transport, tunnel
	Ciphers        []string      // of crypto.ESPs
	SAs            []int         // pairs of security associations, 1..MaxSAs
	MTUs           []int         // of both VFs, bytes
	Streams        []int         // TCP connections; at least one for each pair of SAs
	Sizes          []uint64      // bytes that are written at a time
}

// Modes are all that can be measured.
var Modes = []sample.Mode{sample.Plain, sample.IPsecSoft, sample.IPsecCard, sample.IPsecFull}

// MaxSAs bounds the pairs of security associations.
const MaxSAs = 64

// Full ends within 15 minutes, Quick within 2, on a card of silicon.
var (
	Full = Axes{
		Modes: Modes, Encapsulations: crypto.Modes, Ciphers: []string{"AES-256-GCM"},
		SAs: []int{1, 8, 64}, MTUs: []int{1500, 9000}, Streams: []int{8}, Sizes: []uint64{128 << 10},
	}
	Quick = Axes{
		Modes: Modes, Encapsulations: []string{"transport"}, Ciphers: []string{"AES-256-GCM"},
		SAs: []int{1, 8}, MTUs: []int{1500}, Streams: []int{8}, Sizes: []uint64{128 << 10},
	}
)

// maxCells bounds a matrix: a turn of so many takes more than half an hour.
const maxCells = 1000

// Check says what is wrong in the axes.
func (a Axes) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, m := range a.Modes {
		if !slices.Contains(Modes, m) {
			bad("the mode %q: it is one of %q", m, Modes)
		}
	}
	for _, e := range a.Encapsulations {
		if !slices.Contains(crypto.Modes, e) {
			bad("the encapsulation %q: it is one of %q", e, crypto.Modes)
		}
	}
	for _, c := range a.Ciphers {
		if !slices.Contains(crypto.ESPs, c) {
			bad("the cipher %q: it is one of %q", c, crypto.ESPs)
		}
	}
	for _, n := range a.SAs {
		if n < 1 || n > MaxSAs {
			bad("%d pairs of SAs: it is 1 to %d", n, MaxSAs)
		}
	}
	for _, n := range a.MTUs {
		if n < 1280 || n > 9978 {
			bad("an MTU of %d: it is 1280 to 9978", n)
		}
	}
	for _, n := range a.Streams {
		if n < 1 || n > stream.MaxStreams {
			bad("%d streams: it is 1 to %d", n, stream.MaxStreams)
		}
	}
	for _, n := range a.Sizes {
		if n < 1 || n > stream.MaxSize {
			bad("%d bytes at a time: it is 1 to %d", n, stream.MaxSize)
		}
	}
	if len(errs) == 0 {
		switch n := len(a.Cells()); {
		case n == 0:
			bad("nothing is left to be measured: an axis is empty")
		case n > maxCells:
			bad("%d cells: more than %d would not end in a day; vary fewer things", n, maxCells)
		}
	}
	return errors.Join(errs...)
}

// Cells are the matrix, without those that would be one another's twins: without IPsec
// there is no encapsulation and no cipher, and of SAs only the streams that they make
// necessary.
func (a Axes) Cells() []sample.Cell {
	var cells []sample.Cell
	for _, mtu := range a.MTUs {
		for _, mode := range a.Modes {
			for _, e := range a.Encapsulations {
				for _, cipher := range a.Ciphers {
					for _, sas := range a.SAs {
						for _, streams := range a.Streams {
							for _, size := range a.Sizes {
								c := sample.Cell{Mode: mode, Encapsulation: e, Cipher: cipher, SAs: sas, MTU: mtu, Clients: max(streams, sas), Size: size}
								if mode == sample.Plain {
									c.Encapsulation, c.Cipher, c.SAs = "", "", 0
								}
								if !slices.Contains(cells, c) {
									cells = append(cells, c)
								}
							}
						}
					}
				}
			}
		}
	}
	return cells
}

// control is the cell of the A/A control: the one with the least that can differ.
func control(cells []sample.Cell) sample.Cell {
	for _, mode := range []sample.Mode{sample.Plain, sample.IPsecSoft} {
		if i := slices.IndexFunc(cells, func(c sample.Cell) bool { return c.Mode == mode }); i >= 0 {
			return cells[i]
		}
	}
	return cells[0]
}

// protection is the IPsec of a cell.
func protection(c sample.Cell) crypto.IPsecCell {
	offload := map[sample.Mode]string{sample.IPsecCard: "crypto", sample.IPsecFull: "packet"}
	return crypto.IPsecCell{Offload: offload[c.Mode], Mode: c.Encapsulation, Cipher: c.Cipher}
}
