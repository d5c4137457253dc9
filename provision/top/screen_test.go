// SPDX-License-Identifier: Apache-2.0

package top

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/golden"
)

// second is the second frame of a monitor.
func second(t *testing.T) Frame {
	t.Helper()
	m := monitor()
	m.Frame(t.Context())
	return m.Frame(t.Context())
}

func TestScreens(t *testing.T) {
	for _, tt := range []struct{ width, height int }{{80, 0}, {120, 0}, {80, 24}, {0, 0}} {
		golden.Text(t, fmt.Sprintf("testdata/screen-%dx%d.txt", tt.width, tt.height), ansi.Strip(Screen(second(t), tt.width, tt.height)))
	}
	if s := Screen(Frame{}, 80, 24); !strings.Contains(s, "no session of kernel TLS and no IPsec state") {
		t.Errorf("of nothing:\n%s", s)
	}
	if s := Screen(Frame{Unseen: []string{"TLS sessions: EPERM\nmore"}}, 80, 24); !strings.Contains(ansi.Strip(s), "not seen: TLS sessions: EPERM\n") {
		t.Errorf("of what is not seen:\n%s", s)
	}
}

// A screen is never larger than the terminal.
func TestScreensFit(t *testing.T) {
	f := second(t)
	for range 4 {
		f.TLS = append(f.TLS, f.TLS...)
		f.IPsec = append(f.IPsec, f.IPsec...)
		f.Netdevs = append(f.Netdevs, f.Netdevs...)
	}
	for width := 1; width < 200; width += 13 {
		for height := 1; height < 60; height += 7 {
			lines := strings.Split(strings.TrimSuffix(Screen(f, width, height), "\n"), "\n")
			if len(lines) > height {
				t.Fatalf("%d lines at %dx%d", len(lines), width, height)
			}
			for _, l := range lines {
				if w := ansi.StringWidth(l); w > width {
					t.Fatalf("%d columns at %dx%d: %q", w, width, height, l)
				}
			}
		}
	}
	if s := Screen(f, 80, 40); !strings.Contains(s, "... and ") || !strings.Contains(s, "WHY IN SOFTWARE") || !strings.Contains(s, "IPSEC FROM") {
		t.Errorf("what is left out is not told:\n%s", s)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[float64]string{0: "0 B", 999: "999 B", 999.6: "1.0 kB", 1234: "1.2 kB", 9949: "9.9 kB", 9960: "10 kB", 45e6: "45 MB", 1.5e12: "1.5 TB", 5e18: "5000 PB"} {
		if got := size(n); got != want {
			t.Errorf("%v: %s, want %s", n, got, want)
		}
	}
}

// terminal takes what is written, and types q once a frame is on it.
type terminal struct {
	bytes.Buffer
	shown chan struct{}
	typed bool
}

func (w *terminal) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if !w.typed && strings.Contains(ansi.Strip(w.String()), "198.51.100.8") {
		w.typed = true
		close(w.shown)
	}
	return n, err
}

// keyboard gives q when shown.
type keyboard struct {
	ctx   context.Context
	shown chan struct{}
	done  bool
}

func (k *keyboard) Read(b []byte) (int, error) {
	if k.done {
		<-k.ctx.Done()
		return 0, k.ctx.Err()
	}
	select {
	case <-k.shown:
	case <-k.ctx.Done():
		return 0, k.ctx.Err()
	}
	k.done = true
	return copy(b, "q"), nil
}

func TestRunUntilQ(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shown := make(chan struct{})
	out := &terminal{shown: shown}
	err := Run(ctx, monitor().Frame, tea.WithOutput(out), tea.WithInput(&keyboard{ctx: ctx, shown: shown}), tea.WithWindowSize(100, 30), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
	if err != nil || ctx.Err() != nil {
		t.Fatalf("%v, %v", err, ctx.Err())
	}
	for _, has := range []string{ansi.SetModeAltScreenSaveCursor, ansi.ResetModeAltScreenSaveCursor} {
		if !strings.Contains(out.String(), has) {
			t.Errorf("%q was not written", has)
		}
	}
}

func TestRunUntilTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	frame := func(context.Context) Frame {
		cancel()
		return Frame{}
	}
	var out bytes.Buffer
	if err := Run(ctx, frame, tea.WithOutput(&out), tea.WithInput(strings.NewReader("")), tea.WithWindowSize(80, 24)); err != nil {
		t.Errorf("it was ended: %v", err)
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Error("it ended before")
	}
}

func TestOthersWordsSteerNoScreen(t *testing.T) {
	f := second(t)
	f.TLS[0].Netdev = "e\x1b[2Jvil"
	m := &model{width: 120, height: 40, last: &f}
	if v := m.View(); strings.Contains(v.Content, "\x1b[2J") || !v.AltScreen {
		t.Errorf("%q", v.Content)
	}
}
