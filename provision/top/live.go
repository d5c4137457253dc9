// SPDX-License-Identifier: Apache-2.0

package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/nicwright/nicwright/internal/style"
)

// every is how long a frame stands.
const every = 2 * time.Second

// Run shows frames on a terminal, one after the other, until q is typed or ctx ends.
// The terminal is then as it was.
func Run(ctx context.Context, frame func(context.Context) Frame, options ...tea.ProgramOption) error {
	options = append([]tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler()}, options...)
	_, err := tea.NewProgram(&model{ctx: ctx, frame: frame}, options...).Run()
	if err != nil && ctx.Err() == nil && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("showing the connections on this terminal: %w (nicwright top | cat prints them once)", err)
	}
	return nil
}

type model struct {
	ctx           context.Context
	frame         func(context.Context) Frame
	width, height int
	last          *Frame
}

// due is when the next frame is to be read.
type due struct{}

func (m *model) read() tea.Msg { return m.frame(m.ctx) }

func (m *model) Init() tea.Cmd { return m.read }

// Update is what an event does. One frame is read at a time: those of a host that is
// slow come later.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "Q", "esc", "ctrl+c":
			return m, tea.Quit
		}
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case Frame:
		m.last = &msg
		return m, tea.Tick(every, func(time.Time) tea.Msg { return due{} })
	case due:
		return m, m.read
	}
	return m, nil
}

func (m *model) View() tea.View {
	var b strings.Builder
	switch {
	case m.last == nil || m.width <= 0:
		b.WriteString("looking at the host ...")
	default:
		text := strings.TrimSuffix(Screen(*m.last, m.width, max(m.height-1, 1)), "\n")
		// Names are others' words, and a screen is steered by them no more than a line is.
		_, _ = io.WriteString(style.Plain(&b), text+"\n"+style.Faint("q: quit"))
	}
	v := tea.NewView(b.String())
	v.AltScreen = true
	return v
}
