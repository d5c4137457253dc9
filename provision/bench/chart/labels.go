// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// labels are those at the lines' ends, broken so that they take no more than a share of the width.
type labels struct {
	lines [][]string // of each series
	style text.Style
	width vg.Length // of the margin
}

func (c *Chart) labels(size inches) labels {
	l := labels{style: text.Style{Font: sans(9.5), YAlign: text.YCenter, Handler: handler()}}
	l.style.Font.Weight = bold
	most := vg.Length(size.w) * vg.Inch * 0.26
	for _, s := range c.Series {
		broken := fold(s.Label, func(t string) bool { return l.style.Width(t) <= most })
		l.lines = append(l.lines, broken)
		for _, t := range broken {
			l.width = max(l.width, l.style.Width(t))
		}
	}
	l.width += vg.Points(14)
	return l
}

// fold breaks a text at its spaces so that each line fits; one word may be too long.
func fold(s string, fits func(string) bool) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case fits(line + " " + word):
			line += " " + word
		default:
			out = append(out, line)
			line = word
		}
	}
	return append(out, line)
}

// heading draws title, subtitle and the words of the y axis, and gives their height.
func (c *Chart) heading(canvas draw.Canvas, size inches) vg.Length {
	y := canvas.Max.Y - vg.Points(5)
	for i, part := range []struct {
		text  string
		size  float64
		heavy bool
	}{{c.Title, 12, true}, {c.Subtitle, 9, false}, {c.Y.Label, 9.5, false}} {
		if part.text == "" {
			continue
		}
		style := text.Style{Color: ink, Font: sans(part.size), YAlign: text.YTop, Handler: handler()}
		if part.heavy {
			style.Font.Weight = bold
		} else {
			style.Color = soft
		}
		room := vg.Length(size.w)*vg.Inch - vg.Points(16)
		for _, t := range fold(part.text, func(t string) bool { return style.Width(t) <= room }) {
			canvas.FillText(style, vg.Point{X: canvas.Min.X + vg.Points(8), Y: y}, t)
			y -= style.Height(t) + vg.Points(3)
		}
		if i == 1 {
			y -= vg.Points(5)
		}
	}
	return canvas.Max.Y - y + vg.Points(2)
}

// ends writes the labels at the height of the lines' ends, moved apart, with a thin line to the end where it moved far.
func (c *Chart) ends(canvas draw.Canvas, p *plot.Plot, data draw.Canvas, l labels) {
	height := l.style.Height("Ag") + vg.Points(2)
	var at []float64
	var which []int
	tallest := 1
	for i, s := range c.Series {
		if len(s.Points) == 0 {
			continue
		}
		at = append(at, float64(data.Y(p.Y.Norm(s.Points[len(s.Points)-1].Y.Value))))
		which = append(which, i)
		tallest = max(tallest, len(l.lines[i]))
	}
	gap := height*vg.Length(tallest) + vg.Points(1)
	places := apart(at, float64(gap), float64(data.Min.Y), float64(data.Max.Y))
	for k, i := range which {
		s := c.Series[i]
		style := l.style
		style.Color = palette[s.Colour%len(palette)]
		end := vg.Point{X: data.X(p.X.Norm(s.Points[len(s.Points)-1].X)), Y: vg.Length(at[k])}
		x, y := data.Max.X+vg.Points(9), vg.Length(places[k])
		leader := draw.LineStyle{Color: style.Color, Width: vg.Points(0.6)}
		if end.X < data.Max.X-vg.Points(30) { // it must not look as if the line went on
			leader.Color, leader.Dashes, leader.Width = soft, []vg.Length{vg.Points(1), vg.Points(4)}, vg.Points(0.5)
		}
		canvas.StrokeLine2(leader, end.X+vg.Points(4), end.Y, x-vg.Points(2), y)
		y += height * vg.Length(len(l.lines[i])-1) / 2
		for _, t := range l.lines[i] {
			canvas.FillText(style, vg.Point{X: x, Y: y}, t)
			y -= height
		}
	}
}
