// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/health"
	"github.com/nicwright/nicwright/internal/style"
)

func cleanSaid(s health.Said) health.Said {
	s.Bugs, s.Warnings, s.Reporters, s.Unknown = slices.Clone(s.Bugs), slices.Clone(s.Warnings), slices.Clone(s.Reporters), slices.Clone(s.Unknown)
	for i := range s.Bugs {
		words(&s.Bugs[i])
	}
	for i := range s.Warnings {
		words(&s.Warnings[i].Message)
	}
	for i := range s.Reporters {
		words(&s.Reporters[i].Name)
	}
	for i := range s.Unknown {
		words(&s.Unknown[i])
	}
	return s
}

// mostSaid is how many lines of what the kernel said are printed.
const mostSaid = 20

// saidLines are printed as a paragraph; none where nothing was said.
func saidLines(s health.Said) []string {
	lines := s.Lines()
	if more := len(lines) - mostSaid; more > 0 {
		lines = append(lines[:mostSaid], fmt.Sprintf("... and %d more, with --json", more))
	}
	return lines
}

// writeSaid prints what the kernel said meanwhile.
func writeSaid(b *strings.Builder, s health.Said) {
	if s.Quiet() {
		return
	}
	b.WriteString(style.Amber("Meanwhile the kernel said:") + "\n")
	for _, l := range saidLines(s) {
		b.WriteString("  " + l + "\n")
	}
}
