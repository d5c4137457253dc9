// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"

	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
)

// liveProgress is a verify.Progress that somebody may be watching.
type liveProgress interface {
	verify.Progress
	stop() // takes away what shows that something is running
}

// newProgress shows progress on out if that is a terminal that can rewrite a
// line, and else nothing.
func newProgress(out *os.File) liveProgress {
	if !term.IsTerminal(out.Fd()) || os.Getenv("TERM") == "dumb" {
		return quiet{}
	}
	return &statusLine{out: colorprofile.NewWriter(out, os.Environ()), width: func() int {
		w, _, err := term.GetSize(out.Fd())
		if err != nil || w <= 0 {
			return 80
		}
		return w
	}}
}

type quiet struct{}

func (quiet) Plan(int)            {}
func (quiet) Start(string)        {}
func (quiet) Rate(int64, float64) {}
func (quiet) End(report.Judged)   {}
func (quiet) stop()               {}

// statusLine rewrites one line of a terminal with what is running, and leaves a
// line of each cell that ended.
type statusLine struct {
	out   io.Writer
	width func() int // columns, at the moment

	cells   int
	ended   int
	name    string // of what runs, "" for nothing
	rate    string
	bytes   int64 // that had arrived when the rate was last made
	seconds float64
}

// rateWindow is how many seconds a throughput is of: shorter ones flicker.
const rateWindow = 0.25

func (s *statusLine) Plan(cells int) {
	s.cells = cells
}

func (s *statusLine) Start(name string) {
	s.name, s.rate, s.bytes, s.seconds = name, "", 0, 0
	s.draw()
}

func (s *statusLine) Rate(bytes int64, seconds float64) {
	took := seconds - s.seconds
	if took < rateWindow {
		return
	}
	s.rate = fmt.Sprintf("%.1f Mbit/s  ", float64(bytes-s.bytes)*8/1e6/took)
	s.bytes, s.seconds = bytes, seconds
	s.draw()
}

func (s *statusLine) End(j report.Judged) {
	s.ended++
	s.name = ""
	s.print(ansi.EraseEntireLine + "\r" + j.Mark() + "  " + j.Name() + ": " + j.Judgement() + "\n")
}

func (s *statusLine) stop() {
	if s.name != "" {
		s.name = ""
		s.print(ansi.EraseEntireLine + "\r")
	}
}

// draw rewrites the line; one column is left free, for a cursor in the last one
// would make some terminals begin another line.
func (s *statusLine) draw() {
	n := fmt.Sprintf("[%d/%d]", s.ended+1, s.cells)
	if s.ended >= s.cells { // more than was planned
		n = fmt.Sprintf("[%d]", s.ended+1)
	}
	text := n + " " + s.rate + s.name
	s.print(ansi.EraseEntireLine + "\r" + ansi.Truncate(text, max(s.width()-1, 1), "..."))
}

// print goes on without a terminal: that nobody sees the progress is no reason to
// end the proofs half way.
func (s *statusLine) print(text string) { _, _ = io.WriteString(s.out, text) }
