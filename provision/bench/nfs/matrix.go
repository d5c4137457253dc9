// SPDX-License-Identifier: Apache-2.0

// Package nfs measures what protecting NFS costs: the kernel's NFS server on one VF and
// its client on another, plain, by RPC-with-TLS and through IPsec, cell by cell in random
// order, turn by turn. A cell whose path was not the one that it names is a finding and
// no figure. What is made of the samples is for others.
package nfs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Axes are what is varied: the matrix is of all combinations that mean something.
type Axes struct {
	Modes          []sample.Mode
	Encapsulations []string // of IPsec: transport, tunnel
	Ops            []string // read, write
	Patterns       []string // random, sequential
	Blocks         []uint64 // bytes of a request, a multiple of 4096
	Depths         []int    // requests on their way, of a job
	Jobs           []int
	NConnects      []int  // TCP connections of the mount, 1..16
	Size           uint64 // of the file, bytes: it is in memory at the server
}

// Modes are all that can be measured. Those of the card over TLS are findings on every
// kernel so far: tlshd speaks TLS 1.3, which no kernel gives to a card.
var Modes = []sample.Mode{sample.Plain, sample.Kernel, sample.CardTx, sample.CardRx, sample.CardTxRx, sample.IPsecSoft, sample.IPsecCard, sample.IPsecFull}

// Full ends within 15 minutes, Quick within 2, on a card of silicon.
var (
	Full = Axes{
		Modes: []sample.Mode{sample.Plain, sample.Kernel, sample.IPsecSoft, sample.IPsecCard, sample.IPsecFull}, Encapsulations: []string{"transport"},
		Ops: []string{"read", "write"}, Patterns: []string{"random", "sequential"}, Blocks: []uint64{64 << 10}, Depths: []int{16}, Jobs: []int{4},
		NConnects: []int{1, 8}, Size: 256 << 20,
	}
	Quick = Axes{
		Modes: []sample.Mode{sample.Plain, sample.Kernel, sample.IPsecSoft, sample.IPsecCard}, Encapsulations: []string{"transport"},
		Ops: []string{"read"}, Patterns: []string{"random"}, Blocks: []uint64{64 << 10}, Depths: []int{16}, Jobs: []int{4}, NConnects: []int{1, 8}, Size: 256 << 20,
	}
)

const (
	maxCells = 1000 // a turn of so many takes more than half an hour
	page     = 4096 // what O_DIRECT is aligned to
	esp      = "AES-256-GCM"
	version  = "1.3" // of TLS: the one that tlshd offers
)

// Check says what is wrong in the axes.
func (a Axes) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, m := range a.Modes {
		if !slices.Contains(Modes, m) {
			bad("the mode %q: it is one of %q", m, Modes)
		}
	}
	for _, words := range []struct {
		what         string
		are, allowed []string
	}{
		{"the encapsulation", a.Encapsulations, crypto.Modes}, {"the operation", a.Ops, []string{"read", "write"}}, {"the pattern", a.Patterns, []string{"random", "sequential"}},
	} {
		for _, w := range words.are {
			if !slices.Contains(words.allowed, w) {
				bad("%s %q: it is one of %q", words.what, w, words.allowed)
			}
		}
	}
	for _, n := range a.Blocks {
		if n < page || n > 16<<20 || n%page != 0 {
			bad("blocks of %d bytes: it is a multiple of %d, up to %d", n, page, 16<<20)
		}
	}
	for _, numbers := range []struct {
		what string
		are  []int
		most int
	}{{"a depth", a.Depths, 1024}, {"jobs", a.Jobs, 64}, {"nconnect", a.NConnects, 16}} {
		for _, n := range numbers.are {
			if n < 1 || n > numbers.most {
				bad("%s of %d: it is 1 to %d", numbers.what, n, numbers.most)
			}
		}
	}
	if len(errs) == 0 && len(a.Cells()) > 0 {
		// Each job has a part of the file, of a block at least for each request on its way.
		most := slices.Max(a.Blocks) * uint64(slices.Max(a.Jobs)) * uint64(slices.Max(a.Depths))
		if a.Size < most || a.Size > 1<<40 {
			bad("a file of %d bytes: it is %d, which blocks, jobs and depth need, to %d", a.Size, most, uint64(1<<40))
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

// overIPsec tells the modes in which NFS is plain and its packets are protected.
func overIPsec(m sample.Mode) bool {
	return m == sample.IPsecSoft || m == sample.IPsecCard || m == sample.IPsecFull
}

// overTLS tells the modes of RPC-with-TLS.
func overTLS(m sample.Mode) bool { return m != sample.Plain && !overIPsec(m) }

// Cells are the matrix, without those that would be one another's twins.
func (a Axes) Cells() []sample.Cell {
	var cells []sample.Cell
	add := func(c sample.Cell) {
		switch {
		case overIPsec(c.Mode):
			c.Security, c.Cipher, c.SAs = "ipsec", esp, 1
		case overTLS(c.Mode):
			c.Security, c.TLS, c.Encapsulation = "tls", version, ""
		default:
			c.Security, c.Encapsulation = "none", ""
		}
		if !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	for _, mode := range a.Modes {
		for _, e := range a.Encapsulations {
			for _, op := range a.Ops {
				for _, pattern := range a.Patterns {
					for _, block := range a.Blocks {
						for _, depth := range a.Depths {
							for _, jobs := range a.Jobs {
								for _, n := range a.NConnects {
									add(sample.Cell{
										Mode: mode, Encapsulation: e, Op: op, Pattern: pattern, Block: block, Depth: depth, Clients: jobs, NConnect: n, Size: a.Size,
									})
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

// control is the cell of the A/A control.
func control(cells []sample.Cell) sample.Cell {
	if i := slices.IndexFunc(cells, func(c sample.Cell) bool { return c.Mode == sample.Plain }); i >= 0 {
		return cells[i]
	}
	return cells[0]
}
