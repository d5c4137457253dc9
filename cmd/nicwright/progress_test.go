// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/provision/report"
)

var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// screen is a terminal of some columns that knows the controls that a status line
// is written with; what lies beyond the last column goes to the next line.
type screen struct {
	width int
	lines []string
	col   int
}

func (s *screen) shown() string {
	for i := range s.lines {
		s.lines[i] = strings.TrimRight(s.lines[i], " ")
	}
	return strings.Join(s.lines, "\n")
}

func (s *screen) Write(b []byte) (int, error) {
	if len(s.lines) == 0 {
		s.lines = []string{""}
	}
	text := colour.ReplaceAllString(string(b), "")
	for text != "" {
		last := len(s.lines) - 1
		if rest, ok := strings.CutPrefix(text, ansi.EraseEntireLine); ok {
			s.lines[last], text = strings.Repeat(" ", s.col), rest
			continue
		}
		r := []rune(text)[0]
		text = strings.TrimPrefix(text, string(r))
		switch {
		case r == '\r':
			s.col = 0
			continue
		case r == '\n' || s.col == s.width:
			s.lines, s.col = append(s.lines, ""), 0
			if r == '\n' {
				continue
			}
			last++
		}
		line := []rune(s.lines[last])
		line = append(line[:min(s.col, len(line))], append([]rune{r}, line[min(s.col+1, len(line)):]...)...)
		s.lines[last], s.col = string(line), s.col+1
	}
	return len(b), nil
}

func TestStatusLine(t *testing.T) {
	judged := func(cipher string, v proof.Verdict, ok bool) report.Judged {
		return report.Judged{Proof: proof.Proof{Kind: "ktls", Cell: []proof.Field{{Name: "cipher", Value: cipher}}, Verdict: v}, Require: proof.Offloaded, OK: ok}
	}
	a, b := judged("A", proof.Offloaded, true), judged("B", proof.Software, false)
	for _, tt := range []struct {
		name  string
		width int
		do    func(*statusLine)
		want  string
	}{
		{"before anything", 80, func(*statusLine) {}, ""},
		{"one runs", 80, func(p *statusLine) { p.Start(a.Name()) }, "[1/3] ktls A"},
		{"its rate", 80, func(p *statusLine) { p.Start(a.Name()); p.Rate(1e6, 0.5) }, "[1/3] 16.0 Mbit/s  ktls A"},
		{"a rate is of a quarter of a second at least", 80, func(p *statusLine) { p.Start(a.Name()); p.Rate(1e9, 0.1); p.Rate(2e9, 0.2) }, "[1/3] ktls A"},
		{"and of all that arrived in it", 80, func(p *statusLine) { p.Start(a.Name()); p.Rate(1e6, 0.125); p.Rate(4e6, 0.25) }, "[1/3] 128.0 Mbit/s  ktls A"},
		{"the last rate counts", 80, func(p *statusLine) { p.Start(a.Name()); p.Rate(1e9, 1); p.Rate(1e9+1e6, 2) }, "[1/3] 8.0 Mbit/s  ktls A"},
		{"one has ended", 80, func(p *statusLine) { p.Start(a.Name()); p.Rate(1e6, 1); p.End(a) }, "ok  ktls A: offloaded\n"},
		{"the next runs without the first's rate", 80, func(p *statusLine) { p.Start(a.Name()); p.Rate(1e6, 1); p.End(a); p.Start(b.Name()) }, "ok  ktls A: offloaded\n[2/3] ktls B"},
		{"one that is not as required", 80, func(p *statusLine) { p.Start(b.Name()); p.End(b) }, "FAIL  ktls B: software, required: offloaded\n"},
		{"one that ended without a start", 80, func(p *statusLine) { p.End(a); p.Start(b.Name()) }, "ok  ktls A: offloaded\n[2/3] ktls B"},
		{"more than was planned", 80, func(p *statusLine) { p.Plan(1); p.End(a); p.Start(b.Name()) }, "ok  ktls A: offloaded\n[2] ktls B"},
		{"a name that is too long", 20, func(p *statusLine) { p.Start(strings.Repeat("long ", 10)); p.Start("x") }, "[1/3] x"},
		{"stays within its line", 20, func(p *statusLine) { p.Start(strings.Repeat("long ", 10)) }, "[1/3] long long ..."},
		{"interrupted", 80, func(p *statusLine) { p.Start(a.Name()); p.stop() }, ""},
		{"interrupted after one", 80, func(p *statusLine) { p.Start(a.Name()); p.End(a); p.stop() }, "ok  ktls A: offloaded\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &screen{width: tt.width}
			p := &statusLine{out: &colorprofile.Writer{Forward: s, Profile: colorprofile.ASCII}, width: func() int { return tt.width }}
			p.Plan(3)
			tt.do(p)
			if got := s.shown(); got != tt.want {
				t.Errorf("the screen shows %q, want %q", got, tt.want)
			}
		})
	}
}

// What is no terminal gets nothing, and a terminal does.
func TestProgressIsForTerminals(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := newProgress(w)
	p.Plan(1)
	p.Start("x")
	p.Rate(1e9, 1)
	p.End(report.Judged{})
	p.stop()
	w.Close()
	if got, err := io.ReadAll(r); err != nil || len(got) > 0 {
		t.Errorf("a pipe got %q, %v", got, err)
	}
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	defer tty.Close()
	t.Setenv("TERM", "xterm")
	live, ok := newProgress(tty).(*statusLine)
	if !ok || live.width() <= 0 {
		t.Errorf("a terminal gets %T", newProgress(tty))
	}
	t.Setenv("TERM", "dumb")
	if _, ok := newProgress(tty).(quiet); !ok {
		t.Errorf("a terminal that cannot rewrite a line gets %T", newProgress(tty))
	}
}
