// SPDX-License-Identifier: Apache-2.0

// Package https measures what TLS by a program, by the kernel and by the card costs a
// web server: nginx on one VF, the load of this tool on another, cell by cell in
// random order, turn by turn. A cell whose path was not the one that it names is a
// finding and no figure. What is made of the samples is for others.
package https

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/web"
)

// Axes are what is varied: the matrix is of all combinations that mean something.
type Axes struct {
	Modes      []sample.Mode
	Versions   []string // of TLS: 1.2, 1.3
	Ciphers    []string // of load.Ciphers
	Sizes      []uint64 // bytes
	Clients    []int
	KeepAlive  []bool
	Resumption []bool
	Sendfile   []bool
	Rates      []float64 // requests a second; 0: a closed loop
}

// Modes are all that can be measured.
var Modes = []sample.Mode{sample.Plain, sample.User, sample.Kernel, sample.CardTx, sample.CardRx, sample.CardTxRx}

// Full ends within 15 minutes, Quick within 2, on a card of silicon.
var (
	Full = Axes{
		Modes: []sample.Mode{sample.Plain, sample.User, sample.Kernel, sample.CardTx}, Versions: []string{"1.2", "1.3"}, Ciphers: []string{"AES-256-GCM"},
		Sizes: []uint64{1e3, 1e4, 1e5, 1e6, 1e7, 1e8}, Clients: []int{50}, KeepAlive: []bool{false}, Resumption: []bool{false}, Sendfile: []bool{true}, Rates: []float64{0},
	}
	Quick = Axes{
		Modes: []sample.Mode{sample.User, sample.Kernel, sample.CardTx}, Versions: []string{"1.2"}, Ciphers: []string{"AES-256-GCM"},
		Sizes: []uint64{1e4, 1e5, 1e6, 1e7}, Clients: []int{50}, KeepAlive: []bool{false}, Resumption: []bool{false}, Sendfile: []bool{true}, Rates: []float64{0},
	}
)

// maxCells bounds a matrix: a turn of so many takes more than half an hour.
const maxCells = 1000

// maxSize is that of a file, in bytes.
const maxSize = 1e10

// Check says what is wrong in the axes.
func (a Axes) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, m := range a.Modes {
		if !slices.Contains(Modes, m) {
			bad("the mode %q: it is one of %q", m, Modes)
		}
	}
	for _, v := range a.Versions {
		if v != "1.2" && v != "1.3" {
			bad("TLS %q: it is 1.2 or 1.3", v)
		}
	}
	for _, c := range a.Ciphers {
		if !slices.Contains(load.Ciphers, c) {
			bad("the cipher %q: it is one of %q", c, load.Ciphers)
		}
	}
	for _, s := range a.Sizes {
		if s < 1 || s > maxSize {
			bad("a file of %d bytes: it is 1 to %d", s, uint64(maxSize))
		}
	}
	for _, n := range a.Clients {
		if n < 1 || n > 10_000 {
			bad("%d clients: it is 1 to 10000", n)
		}
	}
	for _, r := range a.Rates {
		if !(r >= 0 && r <= 1e7) {
			bad("a rate of %v requests a second: it is 0 to 10000000", r)
		}
	}
	if len(errs) == 0 {
		switch n := len(a.Cells()); {
		case n == 0:
			bad("nothing is left to be measured: session resumption goes with TLS and with new connections")
		case n > maxCells:
			bad("%d cells: more than %d would not end in a day; vary fewer things", n, maxCells)
		}
	}
	return errors.Join(errs...)
}

// Cells are the matrix, without those that would be one another's twins or mean
// nothing: without TLS there is no cipher, the program's own TLS uses no sendfile, on a
// connection that is kept nothing is resumed.
func (a Axes) Cells() []sample.Cell {
	var cells []sample.Cell
	add := func(c sample.Cell) {
		if c.Mode == sample.Plain {
			c.TLS, c.Cipher = "", ""
		}
		if c.Mode == sample.User && len(a.Sendfile) > 1 {
			c.Sendfile = false
		}
		if c.Resumption && (c.TLS == "" || c.KeepAlive) && len(a.Resumption) > 1 {
			return // the one without is there as well
		}
		c.Resumption = c.Resumption && c.TLS != "" && !c.KeepAlive
		if !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	for _, mode := range a.Modes {
		for _, version := range a.Versions {
			for _, cipher := range a.Ciphers {
				for _, clients := range a.Clients {
					for _, keep := range a.KeepAlive {
						for _, resume := range a.Resumption {
							for _, sendfile := range a.Sendfile {
								for _, rate := range a.Rates {
									for _, size := range a.Sizes {
										add(sample.Cell{
											Mode: mode, TLS: version, Cipher: cipher, Size: size, Clients: clients,
											KeepAlive: keep, Resumption: resume, Sendfile: sendfile, Rate: rate,
										})
									}
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

// listener is the port of nginx that a cell asks.
func listener(c sample.Cell) web.Listener {
	return web.Listener{TLS: c.TLS, Cipher: c.Cipher, Kernel: c.TLS != "" && c.Mode != sample.User, Sendfile: c.Sendfile, Resumption: c.Resumption}
}

// listeners are those of all cells.
func listeners(cells []sample.Cell) []web.Listener {
	var all []web.Listener
	for _, c := range cells {
		if l := listener(c); !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// switches are TLS in the card, of the server's VF.
func switches(m sample.Mode) (tx, rx bool) {
	return m == sample.CardTx || m == sample.CardTxRx, m == sample.CardRx || m == sample.CardTxRx
}

const (
	// warm is how long a cell runs before it is measured, and every client has had an answer.
	warm = 300 * time.Millisecond
	// requests are measured at least: fewer would make an interval of chance.
	requests = 20
)
