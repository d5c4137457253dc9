// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"math"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/nicwright/nicwright/internal/style"
)

// glyphs mark the points of a series, so that lines are told apart without colour.
var glyphs = []rune("○●■▲◆▼□△")

// terminal colours, as the palette.
var shades = []string{"8", "12", "10", "3", "13", "11", "14", "9"}

// Size of the terminal chart, in columns and rows, that is drawn at least.
const (
	leastColumns = 50
	rows         = 18
)

// cellOf is a place of the grid.
type cellOf struct {
	glyph rune
	shade int // -1: none
}

// Terminal draws the chart in so many columns, 50 at least, with what is to be noted below it.
func (c *Chart) Terminal(columns int) string {
	columns = max(columns, leastColumns)
	var b strings.Builder
	b.WriteString(style.Bold(c.Title) + "\n")
	for _, l := range wrap(c.Subtitle, columns) {
		b.WriteString(style.Faint(l) + "\n")
	}
	x0, x1, y0, y1, ok := c.limits()
	if !ok {
		b.WriteString("no figure to draw\n")
	} else {
		c.draw(&b, columns, x0, max(x1, x0*1.0001), y0*0.9, y1*1.1)
	}
	for _, n := range c.Notes {
		for i, l := range wrap(n, columns-2) {
			mark := "  "
			if i == 0 {
				mark = "- "
			}
			b.WriteString(mark + l + "\n")
		}
	}
	return b.String()
}

func wrap(s string, columns int) []string {
	return fold(s, func(t string) bool { return len([]rune(t)) <= columns })
}

func (c *Chart) draw(b *strings.Builder, columns int, x0, x1, y0, y1 float64) {
	yTicks := ticks(y0, y1, c.Y.Unit)
	left, right := 0, 0
	for _, t := range yTicks {
		left = max(left, len([]rune(t.label)))
	}
	for _, s := range c.Series {
		right = max(right, len([]rune(s.Label))+4)
	}
	legend := right > columns*2/5 // there is no room beside the lines
	if legend {
		right = 2
	}
	width := columns - left - 2 - right
	grid := make([][]cellOf, rows)
	for i := range grid {
		grid[i] = make([]cellOf, width)
		for j := range grid[i] {
			grid[i][j] = cellOf{' ', -1}
		}
	}
	column := func(x float64) int {
		return int(math.Round(math.Log(x/x0) / math.Log(x1/x0) * float64(width-1)))
	}
	row := func(y float64) float64 { return (1 - math.Log(y/y0)/math.Log(y1/y0)) * float64(rows-1) }
	for _, band := range c.Bands {
		for j := max(column(max(band.From, x0)), 0); j <= min(column(min(band.To, x1)), width-1); j++ {
			for i := range grid {
				grid[i][j] = cellOf{'░', 0}
			}
		}
	}
	for _, s := range c.Series {
		c.lineOf(grid, s, column, row)
	}
	for _, s := range c.Series {
		for _, p := range s.Points {
			grid[int(math.Round(row(p.Y.Value)))][column(p.X)] = cellOf{glyphs[s.Colour], s.Colour}
		}
	}
	ends := map[int]string{}
	if !legend {
		ends = c.endLabels(row)
	}
	label := map[int]string{}
	for _, t := range yTicks {
		if t.label != "" {
			label[int(math.Round(row(t.value)))] = t.label
		}
	}
	b.WriteString(style.Faint(c.Y.Label) + "\n")
	for i := range grid {
		axis := "│"
		if label[i] != "" {
			axis = "┤"
		}
		fmt.Fprintf(b, "%*s %s", left, label[i], axis)
		for _, g := range grid[i] {
			b.WriteString(paintCell(g))
		}
		b.WriteString(ends[i])
		b.WriteString("\n")
	}
	c.below(b, left, width, columns, column, x0, x1)
	if legend {
		for _, s := range c.Series {
			b.WriteString("  " + s.named() + "\n")
		}
	}
}

// lineOf draws dots from point to point.
func (c *Chart) lineOf(grid [][]cellOf, s Series, column func(float64) int, row func(float64) float64) {
	for i := 0; i+1 < len(s.Points); i++ {
		p, q := s.Points[i], s.Points[i+1]
		from, to := column(p.X), column(q.X)
		for j := from + 1; j < to; j++ {
			if s.Dashed && j%2 == 1 {
				continue
			}
			x := p.X * math.Pow(q.X/p.X, float64(j-from)/float64(to-from))
			grid[int(math.Round(row(c.between(p, q, x))))][j] = cellOf{'·', s.Colour}
		}
	}
}

func paintCell(g cellOf) string {
	if g.shade < 0 {
		return string(g.glyph)
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(shades[g.shade])).Render(string(g.glyph))
}

// endLabels are the labels by row, moved apart.
func (c *Chart) endLabels(row func(float64) float64) map[int]string {
	var at []float64
	for _, s := range c.Series {
		at = append(at, row(s.Points[len(s.Points)-1].Y.Value))
	}
	out := map[int]string{}
	for k, y := range apart(at, 1, 0, rows-1) {
		s := c.Series[k]
		i := int(math.Round(y))
		for out[i] != "" && i+1 < rows { // two that are rounded to the same row
			i++
		}
		out[i] = " " + s.named()
	}
	return out
}

// named is the label with its mark, in its colour.
func (s Series) named() string {
	mark := string(glyphs[s.Colour])
	if s.Dashed {
		mark += "╌"
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(shades[s.Colour])).Render(mark + " " + s.Label)
}

// below writes the x axis with its labels, those left out that would touch the one before.
func (c *Chart) below(b *strings.Builder, left, width, columns int, column func(float64) int, x0, x1 float64) {
	line, words := []rune(strings.Repeat("─", width)), []rune(strings.Repeat(" ", columns))
	free := 0
	for _, t := range ticks(x0, x1, c.X.Unit) {
		if t.label == "" {
			continue
		}
		j := column(t.value)
		line[j] = '┬'
		label := []rune(t.label)
		at := max(left+2+j-len(label)/2, 0)
		if at < free || at+len(label) > columns {
			continue
		}
		copy(words[at:], label)
		free = at + len(label) + 1
	}
	fmt.Fprintf(b, "%*s └%s\n%s\n", left, "", string(line), strings.TrimRight(string(words), " "))
	fmt.Fprintf(b, "%s\n", strings.TrimRight(style.Faint(strings.Repeat(" ", max(left+2+width/2-len([]rune(c.X.Label))/2, 0))+c.X.Label), " "))
}
