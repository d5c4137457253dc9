// SPDX-License-Identifier: Apache-2.0

package top

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// column of a table.
type column struct {
	title string
	right bool
	// least is how narrow it may become where the table is too wide; 0: it keeps its width.
	least int
	// spare are taken out of a table that is too wide, the highest first.
	spare int
	cells []string // with their colours
}

func (c *column) width() int {
	w := ansi.StringWidth(c.title)
	for _, s := range c.cells {
		w = max(w, ansi.StringWidth(s))
	}
	return w
}

// table lays columns out in at most width columns of a terminal, and gives a line for
// the titles and one for each row.
func table(width int, columns []column) []string {
	gap := 2
	total := func() int {
		n := -gap
		for _, c := range columns {
			n += c.width() + gap
		}
		return n
	}
	for total() > width {
		out := 0
		for i, c := range columns {
			if c.spare > columns[out].spare {
				out = i
			}
		}
		if columns[out].spare == 0 {
			break
		}
		columns = append(columns[:out:out], columns[out+1:]...)
	}
	if total() > width {
		gap = 1
	}
	widths, over := make([]int, len(columns)), total()-width
	for i, c := range columns {
		widths[i] = c.width()
		if c.least > 0 && over > 0 {
			narrower := min(over, max(widths[i]-c.least, 0))
			widths[i] -= narrower
			over -= narrower
		}
	}
	rows := 0
	for _, c := range columns {
		rows = max(rows, len(c.cells))
	}
	lines := make([]string, 0, rows+1)
	for row := -1; row < rows; row++ {
		var b strings.Builder
		for i, c := range columns {
			text := c.title
			if row >= 0 {
				text = c.cells[row]
			}
			if i > 0 {
				b.WriteString(strings.Repeat(" ", gap))
			}
			text = ansi.Truncate(text, widths[i], "…")
			pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(text))
			if c.right {
				b.WriteString(pad + text)
			} else {
				b.WriteString(text + pad)
			}
		}
		lines = append(lines, ansi.Truncate(strings.TrimRight(b.String(), " "), width, "…"))
	}
	return lines
}

// size is a number of bytes in three digits: 0 B, 999 B, 1.2 kB, 45 MB, 1.5 TB.
func size(n float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB", "PB"} {
		switch {
		case n >= 999.5 && unit != "PB":
			n /= 1000
		case n < 9.95 && unit != "B":
			return fmt.Sprintf("%.1f %s", n, unit)
		default:
			return fmt.Sprintf("%.0f %s", n, unit)
		}
	}
	return ""
}
