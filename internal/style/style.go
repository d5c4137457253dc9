// SPDX-License-Identifier: Apache-2.0

// Package style has how what is printed for people looks: colours, dashes for what
// is not there, durations, numbers with their noun.
package style

import (
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
)

// Bold is s in bold type.
func Bold(s string) string { return lipgloss.NewStyle().Bold(true).Render(s) }

// Faint is s in faint type.
func Faint(s string) string { return lipgloss.NewStyle().Faint(true).Render(s) }

// Red is s in red: it is wrong.
func Red(s string) string { return lipgloss.NewStyle().Foreground(lipgloss.Red).Render(s) }

// Green is s in green: it is as it should be.
func Green(s string) string { return lipgloss.NewStyle().Foreground(lipgloss.Green).Render(s) }

// Amber is s in yellow: it wants attention.
func Amber(s string) string { return lipgloss.NewStyle().Foreground(lipgloss.Yellow).Render(s) }

// Seconds is a duration given in seconds, to the millisecond.
func Seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// OrDash is s, or a dash for nothing.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Count is a number with its noun: 1 step, 2 steps.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Flush writes what was built; the error says that printing failed.
func Flush(w io.Writer, b *strings.Builder) error {
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
